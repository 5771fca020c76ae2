package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Elementary.EXP_MIN;
import static dev.gatun.ops.internal.Elementary.LN2_HIGH;
import static dev.gatun.ops.internal.Elementary.LOG2_E;
import static dev.gatun.ops.internal.Elementary.ROUND;
import static dev.gatun.ops.internal.Elementary.S0;
import static dev.gatun.ops.internal.Elementary.S1;
import static dev.gatun.ops.internal.Elementary.S2;
import static dev.gatun.ops.internal.Elementary.S3;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Maximum and exponentials of rows of at least {@link Species#LANES} floats.
 *
 * <p>The maximum of a row is found while the row before is exponentiated: a row that comes from memory then comes while there is
 * something to compute.
 */
final class VectorSoftmax {
    private VectorSoftmax() {}

    /** The largest number, +0 for -0, -inf if there is none; a maximum needs no fixed order. */
    static float max(MemorySegment x, long offset, int cols) {
        x = OffHeap.of(x);
        FloatVector a = broadcast(FLOATS, Float.NEGATIVE_INFINITY);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= cols - 4 * LANES; i += 4 * LANES) {
            long at = offset + (long) i * Float.BYTES;
            FloatVector va = fromMemorySegment(FLOATS, x, at, ORDER);
            FloatVector vb = fromMemorySegment(FLOATS, x, at + Species.BYTES, ORDER);
            FloatVector vc = fromMemorySegment(FLOATS, x, at + 2 * Species.BYTES, ORDER);
            FloatVector vd = fromMemorySegment(FLOATS, x, at + 3 * Species.BYTES, ORDER);
            a = a.blend(va, va.compare(VectorOperators.GT, a));
            b = b.blend(vb, vb.compare(VectorOperators.GT, b));
            c = c.blend(vc, vc.compare(VectorOperators.GT, c));
            d = d.blend(vd, vd.compare(VectorOperators.GT, d));
        }
        for (; i < cols; i += LANES) {
            int from = Math.min(i, cols - LANES);
            FloatVector v = fromMemorySegment(FLOATS, x, offset + (long) from * Float.BYTES, ORDER);
            a = a.blend(v, v.compare(VectorOperators.GT, a));
        }
        a = a.blend(b, b.compare(VectorOperators.GT, a));
        c = c.blend(d, d.compare(VectorOperators.GT, c));
        a = a.blend(c, c.compare(VectorOperators.GT, a));
        b = a.rearrange(Species.ROTATE_8);
        a = a.blend(b, b.compare(VectorOperators.GT, a));
        b = a.rearrange(Species.ROTATE_4);
        a = a.blend(b, b.compare(VectorOperators.GT, a));
        return RowMath.max(a.lane(0), a.lane(1), a.lane(2), a.lane(3));
    }

    /**
     * out = exp(x - shift), for a shift no less than any x.
     *
     * @param nextOffset where in x the row is that comes next, any row if none does
     * @return the sum and, second, the maximum of the next row: see {@link RowMath#pair}
     */
    static long exp(
            MemorySegment x, long xOffset, float shift, MemorySegment out, long outOffset, long nextOffset, int cols) {
        x = OffHeap.of(x);
        out = OffHeap.of(out);
        int end = cols - LANES;
        FloatVector last = fromMemorySegment(FLOATS, x, xOffset + (long) end * Float.BYTES, ORDER);
        FloatVector max = fromMemorySegment(FLOATS, x, nextOffset + (long) end * Float.BYTES, ORDER);
        max = max.blend(Float.NEGATIVE_INFINITY, max.test(VectorOperators.IS_NAN));
        FloatVector max2 = max;
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        FloatVector e = a; // added a turn later, which lets C2 mix the chains of several vectors
        int i = 0;
        for (; i <= end; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector sum = a.add(e);
            a = LANES < 16 ? b : sum;
            b = LANES < 8 ? c : sum;
            c = d;
            d = sum;
            FloatVector next = fromMemorySegment(FLOATS, x, nextOffset + at, ORDER);
            next = max.blend(next, next.compare(VectorOperators.GT, max));
            max = max2;
            max2 = next;
            FloatVector z = fromMemorySegment(FLOATS, x, xOffset + at, ORDER).sub(shift);
            VectorMask<Float> vanishes = z.compare(VectorOperators.LT, EXP_MIN);
            FloatVector shifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND));
            FloatVector r = shifted.sub(ROUND).fma(broadcast(FLOATS, -LN2_HIGH), z);
            FloatVector q = r.fma(broadcast(FLOATS, S3), broadcast(FLOATS, S2)).fma(r, broadcast(FLOATS, S1));
            e = q.fma(r, broadcast(FLOATS, S0)).fma(r, broadcast(FLOATS, 1f)).fma(r, broadcast(FLOATS, 1f));
            IntVector power = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
            e = e.mul(power.reinterpretAsFloats()).blend(0f, vanishes);
            e.intoMemorySegment(out, outOffset + at, ORDER);
        }
        a = a.add(e);
        if (i < cols) {
            FloatVector z = last.sub(shift);
            VectorMask<Float> vanishes = z.compare(VectorOperators.LT, EXP_MIN);
            FloatVector shifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND));
            FloatVector r = shifted.sub(ROUND).fma(broadcast(FLOATS, -LN2_HIGH), z);
            FloatVector q = r.fma(broadcast(FLOATS, S3), broadcast(FLOATS, S2)).fma(r, broadcast(FLOATS, S1));
            e = q.fma(r, broadcast(FLOATS, S0)).fma(r, broadcast(FLOATS, 1f)).fma(r, broadcast(FLOATS, 1f));
            IntVector power = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
            e = e.mul(power.reinterpretAsFloats()).blend(0f, vanishes);
            e.intoMemorySegment(out, outOffset + (long) end * Float.BYTES, ORDER);
            FloatVector rest = e.slice(i - end);
            // The accumulator after the one that the last whole vector went to.
            if (LANES == 16) {
                a = a.add(rest);
            } else {
                b = b.add(rest);
            }
        }
        if (LANES == 4) {
            a = a.add(c).add(b.add(d));
        } else {
            a = a.add(LANES == 8 ? b : a.rearrange(Species.ROTATE_8));
            a = a.add(a.rearrange(Species.ROTATE_4));
        }
        max = max.blend(max2, max2.compare(VectorOperators.GT, max));
        max2 = max.rearrange(Species.ROTATE_8);
        max = max.blend(max2, max2.compare(VectorOperators.GT, max));
        max2 = max.rearrange(Species.ROTATE_4);
        max = max.blend(max2, max2.compare(VectorOperators.GT, max));
        return RowMath.pair(
                (a.lane(0) + a.lane(2)) + (a.lane(1) + a.lane(3)),
                RowMath.max(max.lane(0), max.lane(1), max.lane(2), max.lane(3)));
    }

    /** The sum of exp(x - shift), for a shift no less than any x. */
    static float sumExp(MemorySegment x, long offset, float shift, int cols) {
        x = OffHeap.of(x);
        int end = cols - LANES;
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        for (int i = 0; i < cols; i += LANES) {
            int from = Math.min(i, end);
            FloatVector z = fromMemorySegment(FLOATS, x, offset + (long) from * Float.BYTES, ORDER);
            z = z.sub(shift);
            if (i > end) {
                z = z.slice(i - end, broadcast(FLOATS, Float.NEGATIVE_INFINITY));
            }
            VectorMask<Float> vanishes = z.compare(VectorOperators.LT, EXP_MIN);
            FloatVector shifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND));
            FloatVector r = shifted.sub(ROUND).fma(broadcast(FLOATS, -LN2_HIGH), z);
            FloatVector q = r.fma(broadcast(FLOATS, S3), broadcast(FLOATS, S2)).fma(r, broadcast(FLOATS, S1));
            FloatVector e = q.fma(r, broadcast(FLOATS, S0))
                    .fma(r, broadcast(FLOATS, 1f))
                    .fma(r, broadcast(FLOATS, 1f));
            IntVector power = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
            FloatVector sum = a.add(e.mul(power.reinterpretAsFloats()).blend(0f, vanishes));
            a = LANES < 16 ? b : sum;
            b = LANES < 8 ? c : sum;
            c = d;
            d = sum;
        }
        if (LANES == 4) {
            a = a.add(c).add(b.add(d));
        } else {
            a = a.add(LANES == 8 ? b : a.rearrange(Species.ROTATE_8));
            a = a.add(a.rearrange(Species.ROTATE_4));
        }
        return (a.lane(0) + a.lane(2)) + (a.lane(1) + a.lane(3));
    }
}
