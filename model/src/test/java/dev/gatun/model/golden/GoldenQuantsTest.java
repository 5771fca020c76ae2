package dev.gatun.model.golden;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Quantizer;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.SafetensorsFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The block formats against gguf-py's values: golden/ops/quants. */
class GoldenQuantsTest {
    private static Map<String, Tensor> golden(String name, Arena arena) throws IOException {
        return SafetensorsFile.open(Path.of("../golden/ops/quants", name + ".safetensors"), arena)
                .tensors();
    }

    @ParameterizedTest
    @EnumSource
    void blocksAreTheWeightsThatGgufPyReads(BlockFormat format) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> tensors = golden(format.name(), arena);
            Tensor expected = tensors.get("weights");
            var matrix = new QuantizedMatrix(
                    tensors.get("blocks").segment(), format, expected.dim(0), expected.dim(1));
            float[] actual = matrix.toF32(arena).toFloats();
            float[] wanted = expected.toFloats();
            for (int i = 0; i < wanted.length; i++) {
                assertThat(actual[i] == wanted[i]) // a zero's sign may differ
                        .as("weight %d is %s, expected %s", i, actual[i], wanted[i])
                        .isTrue();
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0"})
    void weightsBecomeTheBlocksThatGgufPyWrites(BlockFormat format) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> tensors = golden("to-" + format, arena);
            QuantizedMatrix matrix = Quantizer.quantize(tensors.get("weights"), format, arena);
            assertThat(matrix.segment().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(tensors.get("blocks").segment().toArray(ValueLayout.JAVA_BYTE));
        }
    }

    @Test
    void weightsBecomeTheBf16ThatGgufPyWrites() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> tensors = golden("to-BF16", arena);
            Tensor rounded = Quantizer.toBf16(tensors.get("weights"), arena);
            assertThat(rounded.segment().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(tensors.get("blocks").segment().toArray(ValueLayout.JAVA_BYTE));
        }
    }
}
