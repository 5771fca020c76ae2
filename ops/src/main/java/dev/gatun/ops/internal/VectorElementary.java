package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Elementary.ERF_MAX;
import static dev.gatun.ops.internal.Elementary.EXP_MAX;
import static dev.gatun.ops.internal.Elementary.EXP_MIN;
import static dev.gatun.ops.internal.Elementary.G0;
import static dev.gatun.ops.internal.Elementary.G1;
import static dev.gatun.ops.internal.Elementary.G2;
import static dev.gatun.ops.internal.Elementary.G3;
import static dev.gatun.ops.internal.Elementary.G4;
import static dev.gatun.ops.internal.Elementary.G5;
import static dev.gatun.ops.internal.Elementary.G6;
import static dev.gatun.ops.internal.Elementary.G7;
import static dev.gatun.ops.internal.Elementary.G8;
import static dev.gatun.ops.internal.Elementary.LN2_HIGH;
import static dev.gatun.ops.internal.Elementary.LN2_LOW;
import static dev.gatun.ops.internal.Elementary.LOG2_E;
import static dev.gatun.ops.internal.Elementary.Q0;
import static dev.gatun.ops.internal.Elementary.Q1;
import static dev.gatun.ops.internal.Elementary.Q2;
import static dev.gatun.ops.internal.Elementary.Q3;
import static dev.gatun.ops.internal.Elementary.Q4;
import static dev.gatun.ops.internal.Elementary.ROUND;
import static dev.gatun.ops.internal.Elementary.ROUND_TWO;
import static dev.gatun.ops.internal.Elementary.SQRT_HALF;
import static dev.gatun.ops.internal.Elementary.TANH_MAX;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/**
 * {@link Elementary} on rows of at least {@link Species#LANES} floats: the same operations in the same order, so the same
 * bits.
 *
 * <p>exp is written out in each loop instead of being a method from vector to vector: C2 stops inlining methods of ours once a
 * compilation has 18,000 nodes (NodeCountInliningCutoff; a vector operation takes about 500, exp 10,500), and a vector passed
 * to a call is boxed on the heap. The Vector API's own methods are inlined regardless.
 *
 * <p>Each turn of a loop loads one vector and reduces its argument, and evaluates and stores the vector of the turn before.
 * Chains of 25 dependent operations fill the scheduler of the CPU with two vectors; cut in two they let four proceed. The
 * last vector of a row ends where the row ends, overlapping the one before where cols asks for it; as it is loaded before that
 * one is stored, a row may be overwritten in place.
 */
final class VectorElementary {
    private VectorElementary() {}

    /** out = exp(x - shift) unless out is null, for a shift no less than any x; returns the sum. */
    static float exp(
            MemorySegment x, long xOffset, float shift, @Nullable MemorySegment out, long outOffset, int cols) {
        x = OffHeap.of(x);
        out = out == null ? null : OffHeap.of(out);
        int end = cols - LANES;
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        FloatVector r = a;
        FloatVector shifted = a;
        for (int i = 0; i < cols + LANES; i += LANES) {
            long at = (long) Math.min(i, end) * Float.BYTES;
            FloatVector z = fromMemorySegment(FLOATS, x, xOffset + at, ORDER).sub(shift);
            z = z.blend(EXP_MIN, z.compare(VectorOperators.LT, EXP_MIN));
            FloatVector nextShifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND_TWO));
            FloatVector n = nextShifted.sub(ROUND_TWO);
            z = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), z));
            if (i > 0) {
                FloatVector q =
                        r.fma(broadcast(FLOATS, Q4), broadcast(FLOATS, Q3)).fma(r, broadcast(FLOATS, Q2));
                q = q.fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
                FloatVector e = q.fma(r, broadcast(FLOATS, 1f)).fma(r, broadcast(FLOATS, 1f));
                IntVector bits = shifted.reinterpretAsInts();
                IntVector half = bits.lanewise(VectorOperators.LSHR, 1);
                IntVector rest = bits.sub(half).lanewise(VectorOperators.LSHL, 23);
                e = e.mul(half.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats());
                e = e.mul(rest.reinterpretAsFloats());
                int before = i - LANES;
                if (out != null) {
                    e.intoMemorySegment(out, outOffset + (long) Math.min(before, end) * Float.BYTES, ORDER);
                }
                FloatVector sum = a.add(before <= end ? e : e.slice(before - end));
                a = LANES < 16 ? b : sum;
                b = LANES < 8 ? c : sum;
                c = d;
                d = sum;
            }
            r = z;
            shifted = nextShifted;
        }
        if (LANES == 4) {
            a = a.add(c).add(b.add(d));
        } else {
            a = a.add(LANES == 8 ? b : a.rearrange(VectorRows.ROTATE_8));
            a = a.add(a.rearrange(VectorRows.ROTATE_4));
        }
        return (a.lane(0) + a.lane(2)) + (a.lane(1) + a.lane(3));
    }

    /**
     * out = x / (1 + exp(x &middot; (linear + cubic &middot; x&sup2;))): SiLU and the two approximations of GELU; or, if not
     * {@code times}, 1 / (1 + exp(...)): the sigmoid.
     */
    static void gate(
            boolean times,
            float linear,
            float cubic,
            MemorySegment x,
            long xOffset,
            MemorySegment out,
            long outOffset,
            int cols) {
        x = OffHeap.of(x);
        out = OffHeap.of(out);
        int end = cols - LANES;
        FloatVector v = FloatVector.zero(FLOATS);
        FloatVector r = v;
        FloatVector shifted = v;
        for (int i = 0; i < cols + LANES; i += LANES) {
            long at = (long) Math.min(i, end) * Float.BYTES;
            FloatVector next = fromMemorySegment(FLOATS, x, xOffset + at, ORDER);
            FloatVector slope = broadcast(FLOATS, linear);
            if (cubic != 0f) {
                slope = next.mul(next).fma(broadcast(FLOATS, cubic), slope);
            }
            FloatVector z = next.mul(slope);
            z = z.blend(EXP_MIN, z.compare(VectorOperators.LT, EXP_MIN));
            z = z.blend(EXP_MAX, z.compare(VectorOperators.GT, EXP_MAX));
            FloatVector nextShifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND_TWO));
            FloatVector n = nextShifted.sub(ROUND_TWO);
            z = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), z));
            if (i > 0) {
                FloatVector q =
                        r.fma(broadcast(FLOATS, Q4), broadcast(FLOATS, Q3)).fma(r, broadcast(FLOATS, Q2));
                q = q.fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
                FloatVector e = q.fma(r, broadcast(FLOATS, 1f)).fma(r, broadcast(FLOATS, 1f));
                IntVector bits = shifted.reinterpretAsInts();
                IntVector half = bits.lanewise(VectorOperators.LSHR, 1);
                IntVector rest = bits.sub(half).lanewise(VectorOperators.LSHL, 23);
                e = e.mul(half.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats());
                e = e.mul(rest.reinterpretAsFloats());
                FloatVector y = (times ? v : broadcast(FLOATS, 1f)).div(e.add(1f));
                y.intoMemorySegment(out, outOffset + (long) Math.min(i - LANES, end) * Float.BYTES, ORDER);
            }
            v = next;
            r = z;
            shifted = nextShifted;
        }
    }

    /** out = gelu(x), by erf. */
    static void gelu(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        x = OffHeap.of(x);
        out = OffHeap.of(out);
        int end = cols - LANES;
        FloatVector v = FloatVector.zero(FLOATS);
        FloatVector z = v;
        for (int i = 0; i < cols + LANES; i += LANES) {
            long at = (long) Math.min(i, end) * Float.BYTES;
            FloatVector next = fromMemorySegment(FLOATS, x, xOffset + at, ORDER);
            FloatVector m = next.mul(SQRT_HALF).abs();
            m = m.blend(ERF_MAX, m.compare(VectorOperators.GT, ERF_MAX));
            FloatVector g = m.fma(broadcast(FLOATS, G8), broadcast(FLOATS, G7));
            g = g.fma(m, broadcast(FLOATS, G6)).fma(m, broadcast(FLOATS, G5)).fma(m, broadcast(FLOATS, G4));
            g = g.fma(m, broadcast(FLOATS, G3)).fma(m, broadcast(FLOATS, G2)).fma(m, broadcast(FLOATS, G1));
            g = g.fma(m, broadcast(FLOATS, G0)).mul(m);
            if (i > 0) {
                FloatVector shifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND));
                FloatVector n = shifted.sub(ROUND);
                FloatVector r = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), z));
                FloatVector q =
                        r.fma(broadcast(FLOATS, Q4), broadcast(FLOATS, Q3)).fma(r, broadcast(FLOATS, Q2));
                q = q.fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
                IntVector bits = shifted.reinterpretAsInts();
                FloatVector power = bits.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
                IntVector e = power.fma(r.mul(r).fma(q, r), power.sub(1f)).reinterpretAsInts();
                IntVector sign = v.reinterpretAsInts().and(0x80000000);
                FloatVector erf = e.and(0x7fffffff).or(sign).reinterpretAsFloats();
                FloatVector h = v.mul(0.5f);
                FloatVector y = h.fma(erf, h);
                y.intoMemorySegment(out, outOffset + (long) Math.min(i - LANES, end) * Float.BYTES, ORDER);
            }
            v = next;
            z = g;
        }
    }

    /** out = cap &middot; tanh(x &middot; inverse). */
    static void tanh(
            float cap, float inverse, MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        x = OffHeap.of(x);
        out = OffHeap.of(out);
        int end = cols - LANES;
        FloatVector v = FloatVector.zero(FLOATS);
        FloatVector r = v;
        FloatVector shifted = v;
        for (int i = 0; i < cols + LANES; i += LANES) {
            long at = (long) Math.min(i, end) * Float.BYTES;
            FloatVector next = fromMemorySegment(FLOATS, x, xOffset + at, ORDER).mul(inverse);
            FloatVector m = next.abs();
            m = m.blend(TANH_MAX, m.compare(VectorOperators.GT, TANH_MAX));
            FloatVector z = m.add(m);
            FloatVector nextShifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND));
            FloatVector n = nextShifted.sub(ROUND);
            z = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), z));
            if (i > 0) {
                FloatVector q =
                        r.fma(broadcast(FLOATS, Q4), broadcast(FLOATS, Q3)).fma(r, broadcast(FLOATS, Q2));
                q = q.fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
                IntVector bits = shifted.reinterpretAsInts();
                FloatVector power = bits.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
                FloatVector e = power.fma(r.mul(r).fma(q, r), power.sub(1f));
                IntVector magnitude = e.div(e.add(2f)).reinterpretAsInts().and(0x7fffffff);
                IntVector sign = v.reinterpretAsInts().and(0x80000000);
                FloatVector y = magnitude.or(sign).reinterpretAsFloats().mul(cap);
                y.intoMemorySegment(out, outOffset + (long) Math.min(i - LANES, end) * Float.BYTES, ORDER);
            }
            v = next;
            r = z;
            shifted = nextShifted;
        }
    }
}
