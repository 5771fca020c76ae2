package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.INTS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/** Vectors from and to memory, whole or the first elements only, and the folding of 16 partial results. */
final class Lanes {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final IntVector IOTA = IntVector.zero(INTS).addIndex(1);
    private static final VectorShuffle<Float> ROTATE_8 = VectorShuffle.iota(FLOATS, 8 % LANES, 1, true);
    private static final VectorShuffle<Float> ROTATE_4 = VectorShuffle.iota(FLOATS, 4 % LANES, 1, true);
    private static final VectorShuffle<Float> ROTATE_2 = VectorShuffle.iota(FLOATS, 2, 1, true);
    private static final VectorShuffle<Float> ROTATE_1 = VectorShuffle.iota(FLOATS, 1, 1, true);

    private Lanes() {}

    /** Elements i, i + 1, ... of the floats at {@code offset}. */
    static FloatVector load(MemorySegment x, long offset, int i) {
        return FloatVector.fromMemorySegment(FLOATS, x, offset + (long) i * Float.BYTES, ORDER);
    }

    static void store(FloatVector v, MemorySegment out, long offset, int i) {
        v.intoMemorySegment(out, offset + (long) i * Float.BYTES, ORDER);
    }

    /** Elements i to end - 1, fewer than a vector has; the other lanes are 0. */
    static FloatVector loadTail(MemorySegment x, long offset, int i, int end) {
        long at = offset + (long) i * Float.BYTES;
        if (LANES > 4) {
            return FloatVector.fromMemorySegment(FLOATS, x, at, ORDER, first(end - i));
        }
        // Four lanes may be NEON or SSE, which have no masked access: the Vector API would go element by element on the heap.
        FloatVector v = FloatVector.zero(FLOATS);
        if (end - i > 0) {
            v = v.withLane(0, x.get(FLOAT, at));
        }
        if (end - i > 1) {
            v = v.withLane(1, x.get(FLOAT, at + 4));
        }
        if (end - i > 2) {
            v = v.withLane(2, x.get(FLOAT, at + 8));
        }
        return v;
    }

    /** Writes elements i to end - 1, fewer than a vector has. */
    static void storeTail(FloatVector v, MemorySegment out, long offset, int i, int end) {
        long at = offset + (long) i * Float.BYTES;
        if (LANES > 4) {
            v.intoMemorySegment(out, at, ORDER, first(end - i));
            return;
        }
        if (end - i > 0) {
            out.set(FLOAT, at, v.lane(0));
        }
        if (end - i > 1) {
            out.set(FLOAT, at + 4, v.lane(1));
        }
        if (end - i > 2) {
            out.set(FLOAT, at + 8, v.lane(2));
        }
    }

    /** The first {@code n} lanes of {@code v}, {@code other} in the rest. */
    static FloatVector keep(FloatVector v, int n, float other) {
        return FloatVector.broadcast(FLOATS, other).blend(v, first(n));
    }

    private static VectorMask<Float> first(int n) {
        return IOTA.compare(VectorOperators.LT, n).cast(FLOATS);
    }

    /** The larger of each two lanes; a NaN in {@code v} is passed over. */
    static FloatVector max(FloatVector max, FloatVector v) {
        return max.blend(v, v.compare(VectorOperators.GT, max));
    }

    /** The largest lane of a vector without NaN. */
    static float foldMax(FloatVector v) {
        if (LANES > 8) {
            v = max(v, v.rearrange(ROTATE_8));
        }
        if (LANES > 4) {
            v = max(v, v.rearrange(ROTATE_4));
        }
        v = max(v, v.rearrange(ROTATE_2));
        v = max(v, v.rearrange(ROTATE_1));
        return v.lane(0);
    }

    /**
     * The sum of 16 partial sums, halves upon halves: p[i] + p[i + 8], then 4, 2, 1. They are the lanes of a alone, of a and b,
     * or of all four; vectors beyond the 16th are ignored.
     */
    static float foldSum(FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
        FloatVector v;
        if (LANES == 16) {
            v = a.add(a.rearrange(ROTATE_8));
            v = v.add(v.rearrange(ROTATE_4));
        } else if (LANES == 8) {
            v = a.add(b);
            v = v.add(v.rearrange(ROTATE_4));
        } else {
            v = a.add(c).add(b.add(d));
        }
        v = v.add(v.rearrange(ROTATE_2));
        v = v.add(v.rearrange(ROTATE_1));
        return v.lane(0);
    }
}
