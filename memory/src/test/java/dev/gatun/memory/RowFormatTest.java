package dev.gatun.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows as they are stored: rounded once, read exactly. */
class RowFormatTest {
    private static float[] stored(RowFormat format, float... row) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor from = Tensor.copyOf(arena, row, row.length);
            MemorySegment to = arena.allocate(format.byteSize(row.length));
            format.write(from.segment(), 0, row.length, to, 0);
            Tensor back = Tensor.allocate(arena, DType.F32, from.shape());
            format.read(to, 0, row.length, back.segment(), 0);
            return back.toFloats();
        }
    }

    private static float[] random(int n, float scale) {
        var random = new Random(n);
        float[] row = new float[n];
        for (int i = 0; i < n; i++) {
            row[i] = (float) random.nextGaussian() * scale;
        }
        return row;
    }

    @Test
    void bytesOfARow() {
        assertThat(RowFormat.F32.byteSize(65)).isEqualTo(260);
        assertThat(RowFormat.F16.byteSize(65)).isEqualTo(130);
        assertThat(RowFormat.BF16.byteSize(65)).isEqualTo(130);
        assertThat(RowFormat.Q8_0.byteSize(64)).isEqualTo(68);
        assertThat(RowFormat.Q8_0.byteSize(65)).isEqualTo(102);
    }

    @ParameterizedTest
    @EnumSource
    void whatHasBeenRoundedIsNotRoundedAgain(RowFormat format) {
        float[] once = stored(format, random(70, 3f));
        if (format != RowFormat.Q8_0) { // whose scale is the largest value's
            assertThat(stored(format, once)).isEqualTo(once);
        }
        float[] row = random(70, 3f);
        for (int i = 0; i < row.length; i++) {
            float step = switch (format) {
                case F32 -> 0f;
                case F16 -> Math.ulp(row[i]) * (1 << 12);
                case BF16 -> Math.ulp(row[i]) * (1 << 15);
                case Q8_0 -> 10f / 127f * 0.6f;
            };
            assertThat(Math.abs(once[i] - row[i])).as("%s", row[i]).isLessThanOrEqualTo(step);
        }
    }

    @Test
    void edgesOfHalves() {
        float[] row = {65504f, 65519f, 65520f, -1e9f, 0x1p-24f, 0x1p-25f, 0x1.8p-25f, -0f, Float.NaN, 1 + 0x1p-11f};
        float inf = Float.POSITIVE_INFINITY;
        assertThat(stored(RowFormat.F16, row))
                .isEqualTo(new float[] {65504f, 65504f, inf, -inf, 0x1p-24f, 0f, 0x1p-24f, -0f, Float.NaN, 1f});
        assertThat(stored(RowFormat.BF16, 1 + 0x1p-8f, 1 + 0x1.8p-7f, Float.NaN, -inf))
                .isEqualTo(new float[] {1f, 1 + 0x1p-6f, Float.NaN, -inf});
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 31, 32, 64, 80})
    void blocksAreThoseOfTheQuantizer(int d) {
        float[] row = random(d, 50f);
        float[] padded = Arrays.copyOf(row, (d + 31) / 32 * 32);
        try (Arena arena = Arena.ofConfined()) {
            Tensor matrix = Tensor.copyOf(arena, padded, 1, padded.length);
            QuantizedMatrix expected = Quantizer.quantize(matrix, BlockFormat.Q8_0, arena);
            MemorySegment to = arena.allocate(RowFormat.Q8_0.byteSize(d));
            RowFormat.Q8_0.write(matrix.segment(), 0, d, to, 0);
            assertThat(to.mismatch(expected.segment())).isEqualTo(-1);
            Tensor widened = Tensor.allocate(arena, DType.F32, matrix.shape());
            expected.widenRow(0, new QuantizedBlock(), widened.segment(), 0);
            assertThat(stored(RowFormat.Q8_0, row)).isEqualTo(Arrays.copyOf(widened.toFloats(), d));
        }
        row[0] = Float.NaN;
        assertThat(stored(RowFormat.Q8_0, row)[d / 2 % 32]).isNaN();
    }

    @Test
    void formatsAreTypesOfTensors() {
        try (Arena arena = Arena.ofConfined()) {
            for (RowFormat format : RowFormat.values()) {
                assertThat(RowFormat.of(Tensor.allocate(arena, format.dtype(), Shape.of(2))))
                        .isEqualTo(format);
            }
            Tensor longs = Tensor.allocate(arena, DType.I64, Shape.of(2));
            assertThatThrownBy(() -> RowFormat.of(longs))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining("I64[2]");
        }
        assertThat(RowFormat.Q8_0).hasToString("q8_0");
    }
}
