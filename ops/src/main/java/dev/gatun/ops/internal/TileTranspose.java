package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.BYTES;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * Transposes {@link Species#LANES} x LANES floats. For h = 1, 2, 4, 8 below LANES rows i and i + h exchange the lanes whose index
 * has bit h in one and not in the other. Four rows do two such steps in registers, so that a float goes through L1 once on its
 * way; all steps in registers are more than C2 inlines.
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

    /** A vector of {@code to} = a vector of {@code from}. */
    static void move(MemorySegment from, long fromAt, MemorySegment to, long toAt) {
        fromMemorySegment(FLOATS, OffHeap.of(from), fromAt, ORDER).intoMemorySegment(OffHeap.of(to), toAt, ORDER);
    }

    /**
     * Vector i of {@code to} = lane i of all vectors of {@code from}, times {@code factor}.
     *
     * @param fromRows byte offset of each vector, beside {@code fromAt}
     * @param square where LANES vectors may be kept meanwhile
     * @param toRows byte offset of each vector, beside {@code toAt}
     */
    static void transpose(
            MemorySegment from,
            long fromAt,
            long[] fromRows,
            float factor,
            MemorySegment memory,
            long square,
            MemorySegment to,
            long toAt,
            long[] toRows) {
        near(from, fromAt, fromRows, memory, square);
        MemorySegment source = OffHeap.of(memory);
        to = OffHeap.of(to);
        FloatVector f = FloatVector.broadcast(FLOATS, factor);
        if (LANES < 8) {
            for (int i = 0; i < LANES; i++) {
                FloatVector v = fromMemorySegment(FLOATS, source, square + i * BYTES, ORDER);
                v.mul(f).intoMemorySegment(to, toAt + toRows[i], ORDER);
            }
            return;
        }
        if (LANES == 8) {
            for (int i = 0; i < 4; i++) {
                FloatVector a = fromMemorySegment(FLOATS, source, square + i * BYTES, ORDER);
                FloatVector b = fromMemorySegment(FLOATS, source, square + (i + 4) * BYTES, ORDER);
                a.blend(b.rearrange(UP_4), ODD_4).mul(f).intoMemorySegment(to, toAt + toRows[i], ORDER);
                a.rearrange(DOWN_4).blend(b, ODD_4).mul(f).intoMemorySegment(to, toAt + toRows[i + 4], ORDER);
            }
            return;
        }
        for (int i = 0; i < 4; i++) {
            FloatVector a = fromMemorySegment(FLOATS, source, square + i * BYTES, ORDER);
            FloatVector b = fromMemorySegment(FLOATS, source, square + (i + 4) * BYTES, ORDER);
            FloatVector c = fromMemorySegment(FLOATS, source, square + (i + 8) * BYTES, ORDER);
            FloatVector d = fromMemorySegment(FLOATS, source, square + (i + 12) * BYTES, ORDER);
            FloatVector a4 = a.blend(b.rearrange(UP_4), ODD_4);
            FloatVector b4 = a.rearrange(DOWN_4).blend(b, ODD_4);
            FloatVector c4 = c.blend(d.rearrange(UP_4), ODD_4);
            FloatVector d4 = c.rearrange(DOWN_4).blend(d, ODD_4);
            a4.blend(c4.rearrange(UP_8), ODD_8).mul(f).intoMemorySegment(to, toAt + toRows[i], ORDER);
            b4.blend(d4.rearrange(UP_8), ODD_8).mul(f).intoMemorySegment(to, toAt + toRows[i + 4], ORDER);
            a4.rearrange(DOWN_8).blend(c4, ODD_8).mul(f).intoMemorySegment(to, toAt + toRows[i + 8], ORDER);
            b4.rearrange(DOWN_8).blend(d4, ODD_8).mul(f).intoMemorySegment(to, toAt + toRows[i + 12], ORDER);
        }
    }

    /** Bits 1 and 2: four vectors at a time, into {@code square}. */
    private static void near(MemorySegment from, long fromAt, long[] fromRows, MemorySegment memory, long square) {
        from = OffHeap.of(from);
        memory = OffHeap.of(memory);
        for (int i = 0; i < LANES; i += 4) {
            FloatVector a = fromMemorySegment(FLOATS, from, fromAt + fromRows[i], ORDER);
            FloatVector b = fromMemorySegment(FLOATS, from, fromAt + fromRows[i + 1], ORDER);
            FloatVector c = fromMemorySegment(FLOATS, from, fromAt + fromRows[i + 2], ORDER);
            FloatVector d = fromMemorySegment(FLOATS, from, fromAt + fromRows[i + 3], ORDER);
            FloatVector a1 = a.blend(b.rearrange(UP_1), ODD_1);
            FloatVector b1 = a.rearrange(DOWN_1).blend(b, ODD_1);
            FloatVector c1 = c.blend(d.rearrange(UP_1), ODD_1);
            FloatVector d1 = c.rearrange(DOWN_1).blend(d, ODD_1);
            long at = square + i * BYTES;
            a1.blend(c1.rearrange(UP_2), ODD_2).intoMemorySegment(memory, at, ORDER);
            b1.blend(d1.rearrange(UP_2), ODD_2).intoMemorySegment(memory, at + BYTES, ORDER);
            a1.rearrange(DOWN_2).blend(c1, ODD_2).intoMemorySegment(memory, at + 2 * BYTES, ORDER);
            b1.rearrange(DOWN_2).blend(d1, ODD_2).intoMemorySegment(memory, at + 3 * BYTES, ORDER);
        }
    }
}
