package dev.gatun.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Blocks made by hand and hostile ones; values of all codes are checked against gguf-py's in the module model. */
class QuantizedMatrixTest {
    private static QuantizedMatrix of(Arena arena, BlockFormat format, int n, int k, byte... bytes) {
        MemorySegment segment = arena.allocate(bytes.length);
        MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, bytes.length);
        return new QuantizedMatrix(segment, format, n, k);
    }

    private static byte[] randomBytes(int count) {
        byte[] bytes = new byte[count];
        new Random(7).nextBytes(bytes);
        return bytes;
    }

    @Test
    void aNibbleIsACodeLessEightTimesTheScale() {
        byte[] block = new byte[18];
        block[1] = 0x3C; // 1.0 as binary16
        block[2] = (byte) 0xF1; // weight 0 has code 1, weight 16 code 15
        try (Arena arena = Arena.ofConfined()) {
            float[] weights =
                    of(arena, BlockFormat.Q4_0, 1, 32, block).toF32(arena).toFloats();
            assertThat(weights[0]).isEqualTo(1 - 8);
            assertThat(weights[16]).isEqualTo(15 - 8);
            assertThat(weights[1]).isEqualTo(-8);
        }
    }

    @ParameterizedTest
    @EnumSource
    void anyBytesAreFloats(BlockFormat format) {
        int rows = 50;
        byte[] bytes = randomBytes((int) format.rowByteSize(512) * rows);
        try (Arena arena = Arena.ofConfined()) {
            QuantizedMatrix matrix = of(arena, format, rows, 512, bytes);
            float[] all = matrix.toF32(arena).toFloats();
            assertThat(all).hasSize(rows * 512);
            QuantizedBlock block = new QuantizedBlock();
            matrix.read(3, 512 / format.blockSize() - 1, block);
            int last = format.blockSize() - 1;
            int group = last / format.groupSize();
            float expected = Math.fma(block.code(last), block.scale(group), block.min(group));
            assertThat(Float.compare(all[4 * 512 - 1], expected)).isZero();
        }
    }

    @ParameterizedTest
    @EnumSource
    void aScaleOfInfinityOrNaNGivesWeightsOfOneNaN(BlockFormat format) {
        int scaleAt = format == BlockFormat.Q6_K ? 208 : 0;
        for (int half : new int[] {0x7C00, 0xFC00, 0x7E01, 0xFFFF}) {
            byte[] bytes = randomBytes(format.blockBytes());
            bytes[scaleAt] = (byte) half;
            bytes[scaleAt + 1] = (byte) (half >> 8);
            try (Arena arena = Arena.ofConfined()) {
                float[] weights = of(arena, format, 1, format.blockSize(), bytes)
                        .toF32(arena)
                        .toFloats();
                for (float weight : weights) {
                    assertThat(Float.floatToRawIntBits(weight)).isEqualTo(0x7FC00000);
                }
            }
        }
    }

    @Test
    void aMinimumOfInfinityGivesWeightsOfNaN() {
        byte[] block = new byte[20];
        block[1] = 0x3C;
        block[3] = 0x7C;
        try (Arena arena = Arena.ofConfined()) {
            assertThat(of(arena, BlockFormat.Q4_1, 1, 32, block).toF32(arena).toFloats())
                    .containsOnly(Float.NaN);
        }
    }

    @Test
    void sizesThatDoNotFitAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(34 * 3);
            assertThatThrownBy(() -> new QuantizedMatrix(segment, BlockFormat.Q8_0, 2, 64))
                    .isInstanceOf(ShapeException.class)
                    .hasMessage("Q8_0 matrix [2,64] takes 136 bytes, its segment has only 102");
            assertThatThrownBy(() -> new QuantizedMatrix(segment, BlockFormat.Q8_0, 1, 48))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining("48 weights: must be a multiple of its block's 32");
            assertThatThrownBy(() -> new QuantizedMatrix(segment, BlockFormat.Q6_K, 1, 32))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining("256");
            assertThatThrownBy(() -> new QuantizedMatrix(segment, BlockFormat.Q8_0, -1, 32))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining("negative");
            assertThatThrownBy(() -> new QuantizedMatrix(segment, BlockFormat.Q8_0, Integer.MAX_VALUE, 0x7FFFFFE0))
                    .isInstanceOf(ShapeException.class);
            var matrix = new QuantizedMatrix(segment, BlockFormat.Q8_0, 3, 32);
            assertThat(matrix).hasToString("Q8_0[3,32]");
            assertThatThrownBy(() -> matrix.widenRow(3, new QuantizedBlock(), segment, 0))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining("row 3 of Q8_0[3,32]");
            assertThat(new QuantizedMatrix(segment, BlockFormat.Q8_0, 0, 32)
                            .toF32(arena)
                            .elements())
                    .isZero();
        }
    }

    @Test
    void quantisingRefusesWhatHasNoWholeBlocks() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor odd = Tensor.allocate(arena, DType.F32, Shape.of(2, 33));
            assertThatThrownBy(() -> Quantizer.quantize(odd, BlockFormat.Q8_0, arena))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining("multiple of 32");
            Tensor even = Tensor.allocate(arena, DType.F32, Shape.of(2, 64));
            assertThatThrownBy(() -> Quantizer.quantize(even, BlockFormat.Q6_K, arena))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("only to Q8_0 and Q4_0");
            Tensor ints = Tensor.allocate(arena, DType.I32, Shape.of(2, 64));
            assertThatThrownBy(() -> Quantizer.toBf16(ints, arena)).isInstanceOf(ShapeException.class);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0"})
    void aQuantisedWeightIsWithinItsStep(BlockFormat format) {
        Random random = new Random(1);
        float[] values = new float[64 * 96];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.copyOf(arena, values, 64, 96);
            float[] weights =
                    Quantizer.quantize(tensor, format, arena).toF32(arena).toFloats();
            for (int first = 0; first < values.length; first += 32) {
                float[] block = Arrays.copyOfRange(values, first, first + 32);
                float largest = 0;
                for (float value : block) {
                    largest = Math.max(largest, Math.abs(value));
                }
                // A scale is itself rounded, to 11 bits, which code 127 shows most. Q4_0 has no code for the opposite
                // of its largest weight: there the error may be a whole step.
                float step = format == BlockFormat.Q8_0 ? largest / 127 * 0.57f : largest / 8 * 1.01f;
                for (int i = 0; i < 32; i++) {
                    assertThat(weights[first + i]).isBetween(block[i] - step, block[i] + step);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0"})
    void weightsThatAreNotFiniteSpoilTheirBlockOnly(BlockFormat format) {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 1e30f}) {
            float[] values = new float[64];
            Arrays.fill(values, 1f);
            values[7] = bad;
            try (Arena arena = Arena.ofConfined()) {
                Tensor tensor = Tensor.copyOf(arena, values, 1, 64);
                float[] weights =
                        Quantizer.quantize(tensor, format, arena).toF32(arena).toFloats();
                assertThat(Arrays.copyOfRange(weights, 0, 32)).containsOnly(Float.NaN);
                assertThat(Arrays.copyOfRange(weights, 32, 64)).doesNotContain(Float.NaN);
            }
        }
    }

    @Test
    void bf16RoundsToEvenAndKeepsNaN() {
        float[] values = {
            1f,
            Float.intBitsToFloat(0x3F808000), // halfway, even below
            Float.intBitsToFloat(0x3F818000), // halfway, even above
            Float.intBitsToFloat(0x7F800001), // NaN with low bits only
            Float.MAX_VALUE,
            Float.NEGATIVE_INFINITY
        };
        try (Arena arena = Arena.ofConfined()) {
            float[] rounded =
                    Quantizer.toBf16(Tensor.copyOf(arena, values, 6), arena).toFloats();
            assertThat(rounded)
                    .containsExactly(
                            1f,
                            1f,
                            Float.intBitsToFloat(0x3F820000),
                            Float.NaN,
                            Float.POSITIVE_INFINITY,
                            Float.NEGATIVE_INFINITY);
        }
    }
}
