package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static jdk.incubator.vector.FloatVector.fromArray;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * Transposes {@link Species#LANES} x LANES floats. For h = LANES / 2, ..., 2, 1 rows i and i + h exchange the lanes whose index
 * has bit h in one and not in the other; each step goes through an array in L1, which is half the time of moving floats one
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

    /** Row {@code row} of a tile = a vector of {@code from}, times {@code factor}. */
    static void load(MemorySegment from, long offset, float factor, float[] tile, int row) {
        fromMemorySegment(FLOATS, OffHeap.of(from), offset, ORDER).mul(factor).intoArray(tile, row * LANES);
    }

    /** A vector of {@code to} = row {@code row} of a tile. */
    static void store(float[] tile, int row, MemorySegment to, long offset) {
        fromArray(FLOATS, tile, row * LANES).intoMemorySegment(OffHeap.of(to), offset, ORDER);
    }

    /** In place. */
    static void transpose(float[] tile) {
        if (LANES > 8) {
            exchange8(tile);
        }
        if (LANES > 4) {
            exchange4(tile);
        }
        exchange2(tile);
        exchange1(tile);
    }

    private static void exchange8(float[] tile) {
        for (int n = 0; n < LANES / 2; n++) {
            int a = (n / 8 * 16 + n % 8) * LANES;
            int b = a + 8 * LANES;
            FloatVector va = fromArray(FLOATS, tile, a);
            FloatVector vb = fromArray(FLOATS, tile, b);
            va.blend(vb.rearrange(UP_8), ODD_8).intoArray(tile, a);
            va.rearrange(DOWN_8).blend(vb, ODD_8).intoArray(tile, b);
        }
    }

    private static void exchange4(float[] tile) {
        for (int n = 0; n < LANES / 2; n++) {
            int a = (n / 4 * 8 + n % 4) * LANES;
            int b = a + 4 * LANES;
            FloatVector va = fromArray(FLOATS, tile, a);
            FloatVector vb = fromArray(FLOATS, tile, b);
            va.blend(vb.rearrange(UP_4), ODD_4).intoArray(tile, a);
            va.rearrange(DOWN_4).blend(vb, ODD_4).intoArray(tile, b);
        }
    }

    private static void exchange2(float[] tile) {
        for (int n = 0; n < LANES / 2; n++) {
            int a = (n / 2 * 4 + n % 2) * LANES;
            int b = a + 2 * LANES;
            FloatVector va = fromArray(FLOATS, tile, a);
            FloatVector vb = fromArray(FLOATS, tile, b);
            va.blend(vb.rearrange(UP_2), ODD_2).intoArray(tile, a);
            va.rearrange(DOWN_2).blend(vb, ODD_2).intoArray(tile, b);
        }
    }

    private static void exchange1(float[] tile) {
        for (int n = 0; n < LANES / 2; n++) {
            int a = (n * 2) * LANES;
            int b = a + LANES;
            FloatVector va = fromArray(FLOATS, tile, a);
            FloatVector vb = fromArray(FLOATS, tile, b);
            va.blend(vb.rearrange(UP_1), ODD_1).intoArray(tile, a);
            va.rearrange(DOWN_1).blend(vb, ODD_1).intoArray(tile, b);
        }
    }
}
