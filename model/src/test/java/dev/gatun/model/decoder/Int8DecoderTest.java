package dev.gatun.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.memory.MemoryBudget;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.model.ModelPlan;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.BackendUnavailableException;
import dev.gatun.ops.ComputeType;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Decoders that compute in 8 bits: folders and GGUF files, a prompt and steps, the same bits on all backends. */
class Int8DecoderTest {
    private static final Path GOLDEN = Path.of("../golden");
    private static final int[] PROMPT = {1, 5, 9, 2, 7, 3, 11, 4};

    private static DecoderModel load(Path path, Backend backend) throws IOException {
        if (path.toString().endsWith(".gguf")) {
            try (GgufModel file = GgufModel.open(path)) {
                return DecoderModel.load(file, backend, WeightFormat.AS_STORED);
            }
        }
        return DecoderModel.load(ModelFolder.of(path), backend);
    }

    private static float[] logits(Path path, Kind kind, int threads, ComputeType compute, int piece)
            throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(kind, threads, null).with(compute));
                DecoderModel model = load(path, backend);
                DecoderSession session = model.decoder().newSession(SessionSize.forOne(40))) {
            var sequence = session.newSequence();
            for (int at = 0; at < PROMPT.length; at += piece) {
                session.prefill(sequence, PROMPT, at, Math.min(PROMPT.length, at + piece));
            }
            return session.logits(0).toFloats();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"models/llama", "models/qwen3-bf16", "gguf/llama.gguf"})
    void theBitsDoNotDependOnWhoComputes(String name) throws IOException {
        Path path = GOLDEN.resolve(name);
        float[] expected = logits(path, Kind.SCALAR, 1, ComputeType.INT8, PROMPT.length);
        assertThat(logits(path, Kind.SCALAR, 1, ComputeType.F32, PROMPT.length)).isNotEqualTo(expected);
        for (Kind kind : new Kind[] {Kind.VECTOR, Kind.MACHINE}) {
            try {
                for (int piece : new int[] {PROMPT.length, 3, 1}) {
                    assertThat(logits(path, kind, piece, ComputeType.INT8, piece))
                            .as("%s, %d tokens at a time", kind, piece)
                            .isEqualTo(expected);
                }
            } catch (BackendUnavailableException e) {
                System.err.println("tested without machine code for 8 bits: " + e.getMessage());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Kind.class,
            names = {"AUTO", "VECTOR", "SCALAR"})
    void aModelTakesWhatItsPlanSays(Kind kind) throws IOException {
        Path path = GOLDEN.resolve("models/llama");
        var options = new Backend.Options(kind, 2, null).with(ComputeType.INT8);
        MemoryPlan plan;
        try (Backend backend = Backend.open(options);
                ModelPlan planned = ModelPlan.open(path, backend, WeightFormat.AS_STORED)) {
            plan = planned.at(40, 1, 1);
        }
        try (Backend backend = Backend.open(options.with(MemoryBudget.of(plan.totalBytes())));
                DecoderModel model = load(path, backend);
                DecoderSession session = model.decoder().newSession(SessionSize.of(1, 40))) {
            assertThat(model.packedByteSize()).isEqualTo(plan.totalBytes(Lifetime.WEIGHTS));
            assertThat(session.byteSize()).isEqualTo(plan.totalBytes(Lifetime.SESSION));
        }
    }
}
