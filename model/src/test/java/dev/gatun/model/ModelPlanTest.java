package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.MemoryBudget;
import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.model.decoder.Decoder;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What is planned is what is taken, to the byte: of every kind of model, with every backend; and one byte less is refused. */
class ModelPlanTest {
    private static final int CTX = 16;
    private static final int BATCH = 2;
    private static final int BEAMS = 3;

    /** A model, and a session of {@link #CTX} and {@link #BATCH}. */
    private interface Opened {
        /** Takes bytes of the model's arena and of the session's. */
        void took(long model, long session);
    }

    private interface Opener {
        void open(Backend backend, Opened opened) throws IOException;
    }

    static Stream<Kind> kinds() {
        return Stream.concat(Stream.of(Kind.AUTO), Kinds.all());
    }

    private static Backend.Options options(Kind kind) {
        return new Backend.Options(kind, 2, null);
    }

    private static void check(Kind kind, Path model, WeightFormat format, Opener opener) throws IOException {
        MemoryPlan plan;
        try (Backend backend = Backend.open(options(kind));
                ModelPlan planned = ModelPlan.open(model, backend, format)) {
            plan = planned.at(CTX, BATCH, BEAMS);
        }
        try (Backend backend = Backend.open(options(kind).with(MemoryBudget.of(plan.totalBytes())))) {
            opener.open(backend, (weights, session) -> {
                // In the background, auto brings weights into the layout of the vector kernels.
                assertThat(weights)
                        .isBetween(
                                kind == Kind.AUTO ? 0 : plan.totalBytes(Lifetime.WEIGHTS),
                                plan.totalBytes(Lifetime.WEIGHTS));
                assertThat(session).isEqualTo(plan.totalBytes(Lifetime.SESSION));
                assertThat(backend.budget().free()).isZero();
            });
            assertThat(backend.budget().free()).isEqualTo(plan.totalBytes());
        }
        try (Backend backend = Backend.open(options(kind).with(MemoryBudget.of(plan.totalBytes() - 1)))) {
            assertThatThrownBy(() -> opener.open(backend, (weights, session) -> {}))
                    .isInstanceOf(MemoryBudgetException.class)
                    .hasMessageContainingAll("1 more than are left", "kernel scratch", "activations", "would fit");
            assertThat(backend.budget().free()).isEqualTo(plan.totalBytes() - 1);
        }
        long weights = plan.totalBytes(Lifetime.MAPPED) + plan.totalBytes(Lifetime.WEIGHTS);
        try (Backend backend = Backend.open(options(kind).with(MemoryBudget.of(weights - 1)))) {
            assertThatThrownBy(() -> opener.open(backend, (w, session) -> {}))
                    .isInstanceOf(MemoryBudgetException.class)
                    .hasMessageContainingAll("the model", "checkpoint", "packed weights");
        }
    }

    private static void decoder(DecoderModel model, Opened opened) {
        try (model;
                var session = model.decoder().newSession(Decoder.SessionSize.of(BATCH, CTX))) {
            opened.took(model.packedByteSize(), session.byteSize());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "VECTOR,llama", "SCALAR,llama", "OPENBLAS,llama", "AUTO,llama", "VECTOR,gemma2", "OPENBLAS,gemma3",
        "VECTOR,qwen3-bf16", "SCALAR,qwen3-bf16", "AUTO,qwen3-bf16", "VECTOR,gpt2", "OPENBLAS,gpt2", "AUTO,gpt-neox"
    })
    void ofADecodersFolder(Kind kind, String family) throws IOException {
        Path folder = Path.of("../golden/models", family);
        check(
                kind,
                folder,
                WeightFormat.AS_STORED,
                (backend, opened) -> decoder(DecoderModel.load(ModelFolder.of(folder), backend), opened));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void ofAGgufFile(Kind kind) throws IOException {
        Path path = Path.of("../golden/gguf/llama.gguf");
        check(kind, path, WeightFormat.AS_STORED, (backend, opened) -> {
            try (GgufModel file = GgufModel.open(path)) {
                decoder(DecoderModel.load(file, backend, WeightFormat.AS_STORED), opened);
            }
        });
    }

    @ParameterizedTest
    @CsvSource({"VECTOR,BF16", "VECTOR,Q8_0", "VECTOR,Q4_0", "SCALAR,BF16", "OPENBLAS,Q8_0", "AUTO,Q4_0"})
    void ofWeightsInAnotherFormat(Kind kind, WeightFormat format) throws IOException {
        Path folder = Path.of("../golden/models/gpt2");
        check(
                kind,
                folder,
                format,
                (backend, opened) -> decoder(DecoderModel.load(ModelFolder.of(folder), backend, format), opened));
    }

    @ParameterizedTest
    @CsvSource({
        "VECTOR,bert", "SCALAR,bert", "OPENBLAS,bert", "AUTO,bert", "VECTOR,modernbert", "OPENBLAS,albert",
        "VECTOR,bert-f16", "OPENBLAS,bert-f16", "VECTOR,vit", "AUTO,mpnet", "VECTOR,bert-mlm", "VECTOR,bert-onnx"
    })
    void ofAnEncoder(Kind kind, String family) throws IOException {
        Path path = Path.of("../golden/models", family);
        ModelFolder folder = ModelFolder.of(path);
        check(kind, path, WeightFormat.AS_STORED, (backend, opened) -> {
            try (EncoderModel model = folder.has("modules.json")
                            ? EncoderModel.loadSentence(folder, backend)
                            : EncoderModel.load(folder, backend);
                    var session = model.newSession(CTX * BATCH)) {
                opened.took(model.packedByteSize(), session.byteSize());
            }
        });
    }

    @ParameterizedTest
    @CsvSource({"VECTOR,marian", "SCALAR,marian", "OPENBLAS,marian", "AUTO,marian", "VECTOR,vaswani"})
    void ofAnEncoderDecoder(Kind kind, String family) throws IOException {
        Path path = Path.of("../golden/models", family);
        check(kind, path, WeightFormat.AS_STORED, (backend, opened) -> {
            try (var model = Seq2SeqModel.load(ModelFolder.of(path), backend);
                    var session =
                            model.transformer().newSession(new Transformer.SessionSize(BATCH, BEAMS, CTX, CTX, 1))) {
                opened.took(model.packedByteSize(), session.byteSize());
            }
        });
    }
}
