package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.memory.RowFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/** Rows decoded by vectors are those that {@link RowFormat} reads. Run at each vector width. */
@Tag("species")
class RowDecoderTest {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfInt BITS = ValueLayout.JAVA_INT_UNALIGNED;

    @ParameterizedTest
    @EnumSource(mode = Mode.EXCLUDE, names = "F32")
    void rowsAreThoseThatTheFormatReads(RowFormat format) {
        int rows = 9;
        for (int d : new int[] {1, 8, 20, 33, 64, 80}) {
            try (Arena arena = Arena.ofConfined()) {
                long bytes = format.byteSize(d);
                MemorySegment from = arena.allocate(rows * bytes);
                MemorySegment row = arena.allocate(d * 4L);
                var random = new Random(d);
                long[] at = new long[rows];
                for (int i = 0; i < rows; i++) {
                    at[i] = (rows - 1 - i) * bytes;
                    for (int j = 0; j < d; j++) {
                        row.setAtIndex(ValueLayout.JAVA_FLOAT, j, (float) random.nextGaussian() * (1 << i));
                    }
                    format.write(row, 0, d, from, at[i]);
                }
                MemorySegment to = arena.allocate((rows * d + RowDecoder.SLACK) * 4L, 64);
                RowDecoder.decode(format, from, at, rows, d, to, 0);
                for (int i = 0; i < rows; i++) {
                    assertThat(at[i]).isEqualTo(i * d * 4L);
                    format.read(from, (rows - 1 - i) * bytes, d, row, 0);
                    assertThat(to.asSlice(at[i], d * 4L).mismatch(row))
                            .as("%d floats, row %d", d, i)
                            .isEqualTo(-1);
                }
            }
        }
    }

    @Test
    void allNumbersOf16Bits() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment from = arena.allocate(1 << 17);
            for (int i = 0; i < 1 << 16; i++) {
                from.setAtIndex(SHORT, i, (short) i);
            }
            MemorySegment to = arena.allocate((1 << 18) + 4L * RowDecoder.SLACK, 64);
            for (RowFormat format : new RowFormat[] {RowFormat.F16, RowFormat.BF16}) {
                RowDecoder.decode(format, from, new long[1], 1, 1 << 16, to, 0);
                for (int i = 0; i < 1 << 16; i++) {
                    float expected = format.get(from, 0, i);
                    int bits = to.getAtIndex(BITS, i);
                    if (Float.isNaN(expected)) {
                        assertThat(Float.intBitsToFloat(bits)).isNaN();
                    } else if (bits != Float.floatToRawIntBits(expected)) {
                        assertThat(Float.intBitsToFloat(bits))
                                .as("%s %x", format, i)
                                .isEqualTo(expected);
                    }
                }
            }
        }
    }
}
