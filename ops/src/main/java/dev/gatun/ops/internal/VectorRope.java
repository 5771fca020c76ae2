package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/** Rotary positions ({@link Rows#rope}) of rows with at least {@link Species#LANES} pairs. */
final class VectorRope {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    /** The lanes of each pair (2i, 2i + 1) exchanged. */
    private static final VectorShuffle<Float> SWAP_PAIRS = VectorShuffle.fromOp(FLOATS, i -> i ^ 1);
    /** Each lane of the first half twice, of the second half twice. */
    private static final VectorShuffle<Float> TWICE_LOW = VectorShuffle.fromOp(FLOATS, i -> i / 2);

    private static final VectorShuffle<Float> TWICE_HIGH = VectorShuffle.fromOp(FLOATS, i -> LANES / 2 + i / 2);
    /** -1, 1, -1, 1, ... */
    private static final FloatVector ALTERNATE =
            broadcast(FLOATS, 1f).blend(-1f, VectorMask.fromLong(FLOATS, 0x5555L & ((1L << LANES) - 1)));

    private VectorRope() {}

    private static float get(MemorySegment x, long offset, int i) {
        return x.get(FLOAT, offset + (long) i * Float.BYTES);
    }

    private static void set(MemorySegment out, long offset, int i, float value) {
        out.set(FLOAT, offset + (long) i * Float.BYTES, value);
    }

    /** Pairs (i, i + half) of one row. */
    static void halves(
            MemorySegment x,
            long xOffset,
            MemorySegment cos,
            long cosOffset,
            MemorySegment sin,
            long sinOffset,
            MemorySegment out,
            long outOffset,
            int half) {
        x = OffHeap.of(x);
        cos = OffHeap.of(cos);
        sin = OffHeap.of(sin);
        out = OffHeap.of(out);
        long xHalf = xOffset + (long) half * Float.BYTES;
        long outHalf = outOffset + (long) half * Float.BYTES;
        int end = half - LANES;
        long endAt = (long) end * Float.BYTES;
        FloatVector last1 = fromMemorySegment(FLOATS, x, xOffset + endAt, ORDER);
        FloatVector last2 = fromMemorySegment(FLOATS, x, xHalf + endAt, ORDER);
        FloatVector lastCos = fromMemorySegment(FLOATS, cos, cosOffset + endAt, ORDER);
        FloatVector lastSin = fromMemorySegment(FLOATS, sin, sinOffset + endAt, ORDER);
        for (int i = 0; i < end; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector x1 = fromMemorySegment(FLOATS, x, xOffset + at, ORDER);
            FloatVector x2 = fromMemorySegment(FLOATS, x, xHalf + at, ORDER);
            FloatVector c = fromMemorySegment(FLOATS, cos, cosOffset + at, ORDER);
            FloatVector s = fromMemorySegment(FLOATS, sin, sinOffset + at, ORDER);
            x1.fma(c, x2.mul(s).neg()).intoMemorySegment(out, outOffset + at, ORDER);
            x2.fma(c, x1.mul(s)).intoMemorySegment(out, outHalf + at, ORDER);
        }
        last1.fma(lastCos, last2.mul(lastSin).neg()).intoMemorySegment(out, outOffset + endAt, ORDER);
        last2.fma(lastCos, last1.mul(lastSin)).intoMemorySegment(out, outHalf + endAt, ORDER);
    }

    /** Pairs (2i, 2i + 1) of one row. */
    static void pairs(
            MemorySegment x,
            long xOffset,
            MemorySegment cos,
            long cosOffset,
            MemorySegment sin,
            long sinOffset,
            MemorySegment out,
            long outOffset,
            int pairs) {
        x = OffHeap.of(x);
        cos = OffHeap.of(cos);
        sin = OffHeap.of(sin);
        out = OffHeap.of(out);
        int i = 0;
        for (; i <= pairs - LANES; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector c = fromMemorySegment(FLOATS, cos, cosOffset + at, ORDER);
            FloatVector s = fromMemorySegment(FLOATS, sin, sinOffset + at, ORDER);
            FloatVector low = fromMemorySegment(FLOATS, x, xOffset + 2 * at, ORDER);
            FloatVector high = fromMemorySegment(FLOATS, x, xOffset + 2 * at + Species.BYTES, ORDER);
            // x1, x2 of each pair to x1 cos - x2 sin, x2 cos + x1 sin
            FloatVector lowSin = s.rearrange(TWICE_LOW).mul(ALTERNATE);
            FloatVector highSin = s.rearrange(TWICE_HIGH).mul(ALTERNATE);
            low = low.fma(c.rearrange(TWICE_LOW), low.rearrange(SWAP_PAIRS).mul(lowSin));
            high = high.fma(c.rearrange(TWICE_HIGH), high.rearrange(SWAP_PAIRS).mul(highSin));
            low.intoMemorySegment(out, outOffset + 2 * at, ORDER);
            high.intoMemorySegment(out, outOffset + 2 * at + Species.BYTES, ORDER);
        }
        for (; i < pairs; i++) {
            float x1 = get(x, xOffset, 2 * i);
            float x2 = get(x, xOffset, 2 * i + 1);
            float c = get(cos, cosOffset, i);
            float s = get(sin, sinOffset, i);
            set(out, outOffset, 2 * i, Math.fma(x1, c, -(x2 * s)));
            set(out, outOffset, 2 * i + 1, Math.fma(x2, c, x1 * s));
        }
    }
}
