package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * Transposes {@link Species#LANES} x LANES floats. For h = LANES / 2, ..., 2, 1 rows i and i + h exchange the lanes whose index
 * has bit h in one and not in the other; each step goes through L1, which is half the time of moving floats one
 * by one.
 */
final class TileTranspose {
    private static final VectorShuffle<Float> UP_8 = up(8);
    private static final VectorShuffle<Float> DOWN_8 = down(8);
    private static final VectorMask<Float> ODD_8 = odd(8);
    private static final VectorShuffle<Float> UP_4 = up(4);
    private static final VectorShuffle<Float> DOWN_4 = down(4);
    private static final VectorMask<Float> ODD_4 = odd(4);
    private static final VectorShuffle<Float> UP_2 = up(2);
    private static final VectorShuffle<Float> DOWN_2 = down(2);
    private static final VectorMask<Float> ODD_2 = odd(2);
    private static final VectorShuffle<Float> UP_1 = up(1);
    private static final VectorShuffle<Float> DOWN_1 = down(1);
    private static final VectorMask<Float> ODD_1 = odd(1);

    private TileTranspose() {}

    /** Lane i takes lane i - h. */
    private static VectorShuffle<Float> up(int h) {
        return VectorShuffle.fromOp(FLOATS, i -> i - h & LANES - 1);
    }

    /** Lane i takes lane i + h. */
    private static VectorShuffle<Float> down(int h) {
        return VectorShuffle.fromOp(FLOATS, i -> i + h & LANES - 1);
    }

    /** The lanes whose index has bit h. */
    private static VectorMask<Float> odd(int h) {
        long bits = 0;
        for (int i = 0; i < LANES; i++) {
            bits |= (i & h) != 0 ? 1L << i : 0;
        }
        return VectorMask.fromLong(FLOATS, bits);
    }

    /** A vector of {@code to} = a vector of {@code from}, times {@code factor}. */
    static void move(MemorySegment from, long fromAt, float factor, MemorySegment to, long toAt) {
        fromMemorySegment(FLOATS, OffHeap.of(from), fromAt, ORDER)
                .mul(factor)
                .intoMemorySegment(OffHeap.of(to), toAt, ORDER);
    }

    /** In place, LANES rows of a vector each from {@code at} on. */
    static void transpose(MemorySegment tile, long at) {
        if (LANES > 8) {
            exchange8(tile, at);
        }
        if (LANES > 4) {
            exchange4(tile, at);
        }
        exchange2(tile, at);
        exchange1(tile, at);
    }

    private static void exchange8(MemorySegment tile, long at) {
        tile = OffHeap.of(tile);
        for (int n = 0; n < LANES / 2; n++) {
            long a = at + (n / 8 * 16 + n % 8) * Species.BYTES;
            long b = a + 8 * Species.BYTES;
            FloatVector va = fromMemorySegment(FLOATS, tile, a, ORDER);
            FloatVector vb = fromMemorySegment(FLOATS, tile, b, ORDER);
            va.blend(vb.rearrange(UP_8), ODD_8).intoMemorySegment(tile, a, ORDER);
            va.rearrange(DOWN_8).blend(vb, ODD_8).intoMemorySegment(tile, b, ORDER);
        }
    }

    private static void exchange4(MemorySegment tile, long at) {
        tile = OffHeap.of(tile);
        for (int n = 0; n < LANES / 2; n++) {
            long a = at + (n / 4 * 8 + n % 4) * Species.BYTES;
            long b = a + 4 * Species.BYTES;
            FloatVector va = fromMemorySegment(FLOATS, tile, a, ORDER);
            FloatVector vb = fromMemorySegment(FLOATS, tile, b, ORDER);
            va.blend(vb.rearrange(UP_4), ODD_4).intoMemorySegment(tile, a, ORDER);
            va.rearrange(DOWN_4).blend(vb, ODD_4).intoMemorySegment(tile, b, ORDER);
        }
    }

    private static void exchange2(MemorySegment tile, long at) {
        tile = OffHeap.of(tile);
        for (int n = 0; n < LANES / 2; n++) {
            long a = at + (n / 2 * 4 + n % 2) * Species.BYTES;
            long b = a + 2 * Species.BYTES;
            FloatVector va = fromMemorySegment(FLOATS, tile, a, ORDER);
            FloatVector vb = fromMemorySegment(FLOATS, tile, b, ORDER);
            va.blend(vb.rearrange(UP_2), ODD_2).intoMemorySegment(tile, a, ORDER);
            va.rearrange(DOWN_2).blend(vb, ODD_2).intoMemorySegment(tile, b, ORDER);
        }
    }

    private static void exchange1(MemorySegment tile, long at) {
        tile = OffHeap.of(tile);
        for (int n = 0; n < LANES / 2; n++) {
            long a = at + 2L * n * Species.BYTES;
            long b = a + Species.BYTES;
            FloatVector va = fromMemorySegment(FLOATS, tile, a, ORDER);
            FloatVector vb = fromMemorySegment(FLOATS, tile, b, ORDER);
            va.blend(vb.rearrange(UP_1), ODD_1).intoMemorySegment(tile, a, ORDER);
            va.rearrange(DOWN_1).blend(vb, ODD_1).intoMemorySegment(tile, b, ORDER);
        }
    }
}
