package dev.gatun.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.Quantizer;
import dev.gatun.memory.Tensor;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.SafetensorsFile;
import dev.gatun.model.weights.SafetensorsWriter;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Quantising at load gives the bits of a checkpoint whose weights were quantised and widened before. */
class QuantizeOnLoadTest {
    private static final Path GOLDEN = Path.of("../golden");
    private static final int[] PROMPT =
            IntStream.range(0, 21).map(i -> 3 + i * 31 % 120).toArray();

    @TempDir
    private Path folder;

    private interface Opener {
        DecoderModel open(Backend backend) throws IOException;
    }

    /** Logits after a prompt, and after each of 6 tokens that follow from them. */
    private static float[][] logits(Kind kind, Opener opener) throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(kind, 2, null));
                DecoderModel model = opener.open(backend);
                DecoderSession session = model.decoder().newSession(SessionSize.forOne(40))) {
            var sequence = session.newSequence();
            session.prefill(sequence, PROMPT, 0, PROMPT.length);
            float[][] logits = new float[7][];
            for (int i = 0; i < logits.length; i++) {
                logits[i] = session.logits(0).toFloats();
                session.decode(sequence, session.argMax(0));
            }
            return logits;
        }
    }

    private static float[][] golden(String family, Kind kind, WeightFormat format) throws IOException {
        ModelFolder model = ModelFolder.of(GOLDEN.resolve("models").resolve(family));
        return logits(kind, backend -> DecoderModel.load(model, backend, format));
    }

    /** A copy of a golden model whose products have weights of this format, widened to F32 again. */
    private ModelFolder widened(String family, WeightFormat format) throws IOException {
        Path from = GOLDEN.resolve("models").resolve(family);
        Files.copy(from.resolve("config.json"), folder.resolve("config.json"));
        try (Arena arena = Arena.ofShared()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            SafetensorsFile.open(from.resolve("model.safetensors"), arena)
                    .tensors()
                    .forEach((name, tensor) -> {
                        boolean looked = name.contains("embed_tokens") || name.contains("embed_in");
                        boolean head = name.contains("lm_head") || name.contains("embed_out");
                        tensors.put(
                                name, tensor.rank() == 2 && !looked ? widened(tensor, format, head, arena) : tensor);
                    });
            SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors);
        }
        return ModelFolder.of(folder);
    }

    private static Tensor widened(Tensor weight, WeightFormat format, boolean head, Arena arena) {
        return switch (format) {
            case AS_STORED -> weight;
            case BF16 -> Quantizer.toBf16(weight, arena).toF32(arena);
            case Q8_0 -> Quantizer.quantize(weight, BlockFormat.Q8_0, arena).toF32(arena);
            case Q4_0 ->
                Quantizer.quantize(weight, head ? BlockFormat.Q8_0 : BlockFormat.Q4_0, arena)
                        .toF32(arena);
        };
    }

    @Tag("species")
    @ParameterizedTest
    @CsvSource({"phi,BF16", "phi,Q8_0", "phi,Q4_0", "gpt-neox,BF16", "gpt-neox,Q8_0", "gpt-neox,Q4_0"})
    void theBitsAreThoseOfTheQuantisedWeights(String family, WeightFormat format) throws IOException {
        ModelFolder widened = widened(family, format);
        float[][] expected = logits(Kind.SCALAR, backend -> DecoderModel.load(widened, backend));
        for (Kind kind : new Kind[] {Kind.VECTOR, Kind.SCALAR}) {
            assertThat(golden(family, kind, format)).as("%s", kind).isDeepEqualTo(expected);
        }
        assertThat(golden(family, Kind.SCALAR, WeightFormat.AS_STORED)).isNotEqualTo(expected);
    }

    @ParameterizedTest
    @EnumSource(
            value = WeightFormat.class,
            names = {"BF16", "Q8_0", "Q4_0"})
    void aGgufFileIsQuantisedAsTheFolderItWasMadeFrom(WeightFormat format) throws IOException {
        float[][] gguf = logits(Kind.VECTOR, backend -> {
            try (GgufModel file = GgufModel.open(GOLDEN.resolve("gguf/phi.gguf"))) {
                return DecoderModel.load(file, backend, format);
            }
        });
        assertThat(gguf).isDeepEqualTo(golden("phi", Kind.VECTOR, format));
    }

    /** Rows of 48 weights have no whole blocks of 32: they stay as they are, and the others are quantised. */
    @Test
    void rowsWithoutWholeBlocksStayAsTheyAre() throws IOException {
        float[][] expected = golden("llama", Kind.SCALAR, WeightFormat.Q8_0);
        assertThat(golden("llama", Kind.VECTOR, WeightFormat.Q8_0)).isDeepEqualTo(expected);
        assertThat(golden("llama", Kind.SCALAR, WeightFormat.AS_STORED)).isNotEqualTo(expected);
    }
}
