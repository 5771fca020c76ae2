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

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/**
 * {@link Elementary} on rows of at least {@link Species#LANES} floats: the same operations in the same order, so the same bits.
 *
 * <p>exp is written out in each loop instead of being a method from vector to vector. C2 inlines no more methods of ours into
 * a compilation of 18,000 nodes (NodeCountInliningCutoff; a vector operation takes about 500, exp 10,500), and a vector that
 * is passed to a call is boxed on the heap. The Vector API's own methods are inlined regardless.
 *
 * <p>The last vector of a row ends where the row ends, overlapping the one before where the width asks for it. It is loaded
 * first, as the row may be overwritten in place.
 */
final class VectorElementary {
    private VectorElementary() {}

    /** out = exp(x - shift) unless out is null, for a shift no less than any x; returns the sum. */
    static float exp(
            MemorySegment x, long xOffset, float shift, @Nullable MemorySegment out, long outOffset, int cols) {
        int end = cols - LANES;
        FloatVector last = FloatVector.fromMemorySegment(FLOATS, x, xOffset + (long) end * Float.BYTES, ORDER);
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        for (int i = 0; i < cols; i += LANES) {
            boolean whole = i <= end;
            long at = (whole ? i : end) * (long) Float.BYTES;
            FloatVector z = whole ? FloatVector.fromMemorySegment(FLOATS, x, xOffset + at, ORDER) : last;
            z = z.sub(shift);
            z = z.blend(EXP_MIN, z.compare(VectorOperators.LT, EXP_MIN));
            FloatVector shifted = broadcast(FLOATS, LOG2_E).fma(z, broadcast(FLOATS, ROUND_TWO));
            FloatVector n = shifted.sub(ROUND_TWO);
            FloatVector r = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), z));
            FloatVector e = broadcast(FLOATS, Q4).fma(r, broadcast(FLOATS, Q3));
            e = e.fma(r, broadcast(FLOATS, Q2)).fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
            e = e.fma(r, broadcast(FLOATS, 1f)).fma(r, broadcast(FLOATS, 1f));
            IntVector bits = shifted.reinterpretAsInts();
            IntVector half = bits.lanewise(VectorOperators.LSHR, 1);
            IntVector rest = bits.sub(half).lanewise(VectorOperators.LSHL, 23);
            e = e.mul(half.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats());
            e = e.mul(rest.reinterpretAsFloats());
            if (out != null) {
                e.intoMemorySegment(out, outOffset + at, ORDER);
            }
            FloatVector next = a.add(whole ? e : e.slice(i - end));
            a = LANES < 16 ? b : next;
            b = LANES < 8 ? c : next;
            c = d;
            d = next;
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
     * out = x / (1 + exp(x &middot; (linear + cubic &middot; x&sup2;))), or the same with 1 for the x before the bar: SiLU and the
     * two approximations of GELU, or the sigmoid.
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
        int end = cols - LANES;
        FloatVector last = FloatVector.fromMemorySegment(FLOATS, x, xOffset + (long) end * Float.BYTES, ORDER);
        for (int i = 0; i < cols; i += LANES) {
            boolean whole = i <= end;
            long at = (whole ? i : end) * (long) Float.BYTES;
            FloatVector v = whole ? FloatVector.fromMemorySegment(FLOATS, x, xOffset + at, ORDER) : last;
            FloatVector slope = broadcast(FLOATS, linear);
            if (cubic != 0f) {
                slope = v.mul(v).fma(broadcast(FLOATS, cubic), slope);
            }
            FloatVector z = v.mul(slope);
            z = z.blend(EXP_MIN, z.compare(VectorOperators.LT, EXP_MIN));
            z = z.blend(EXP_MAX, z.compare(VectorOperators.GT, EXP_MAX));
            FloatVector shifted = broadcast(FLOATS, LOG2_E).fma(z, broadcast(FLOATS, ROUND_TWO));
            FloatVector n = shifted.sub(ROUND_TWO);
            FloatVector r = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), z));
            FloatVector e = broadcast(FLOATS, Q4).fma(r, broadcast(FLOATS, Q3));
            e = e.fma(r, broadcast(FLOATS, Q2)).fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
            e = e.fma(r, broadcast(FLOATS, 1f)).fma(r, broadcast(FLOATS, 1f));
            IntVector bits = shifted.reinterpretAsInts();
            IntVector half = bits.lanewise(VectorOperators.LSHR, 1);
            IntVector rest = bits.sub(half).lanewise(VectorOperators.LSHL, 23);
            e = e.mul(half.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats());
            e = e.mul(rest.reinterpretAsFloats());
            FloatVector y = (times ? v : broadcast(FLOATS, 1f)).div(e.add(1f));
            y.intoMemorySegment(out, outOffset + at, ORDER);
        }
    }

    /** out = gelu(x), by erf. */
    static void gelu(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int end = cols - LANES;
        FloatVector last = FloatVector.fromMemorySegment(FLOATS, x, xOffset + (long) end * Float.BYTES, ORDER);
        for (int i = 0; i < cols; i += LANES) {
            boolean whole = i <= end;
            long at = (whole ? i : end) * (long) Float.BYTES;
            FloatVector v = whole ? FloatVector.fromMemorySegment(FLOATS, x, xOffset + at, ORDER) : last;
            FloatVector t = v.mul(SQRT_HALF);
            FloatVector m = t.abs();
            m = m.blend(ERF_MAX, m.compare(VectorOperators.GT, ERF_MAX));
            FloatVector g = broadcast(FLOATS, G8).fma(m, broadcast(FLOATS, G7));
            g = g.fma(m, broadcast(FLOATS, G6)).fma(m, broadcast(FLOATS, G5)).fma(m, broadcast(FLOATS, G4));
            g = g.fma(m, broadcast(FLOATS, G3)).fma(m, broadcast(FLOATS, G2)).fma(m, broadcast(FLOATS, G1));
            FloatVector z = g.fma(m, broadcast(FLOATS, G0)).mul(m);
            FloatVector shifted = broadcast(FLOATS, LOG2_E).fma(z, broadcast(FLOATS, ROUND));
            FloatVector n = shifted.sub(ROUND);
            FloatVector r = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), z));
            FloatVector q = broadcast(FLOATS, Q4).fma(r, broadcast(FLOATS, Q3));
            q = q.fma(r, broadcast(FLOATS, Q2)).fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
            FloatVector power = shifted.reinterpretAsInts()
                    .lanewise(VectorOperators.LSHL, 23)
                    .reinterpretAsFloats();
            IntVector e = power.fma(r.mul(r).fma(q, r), power.sub(1f)).reinterpretAsInts();
            IntVector sign = t.reinterpretAsInts().and(0x80000000);
            FloatVector erf = e.and(0x7fffffff).or(sign).reinterpretAsFloats();
            FloatVector h = v.mul(0.5f);
            h.fma(erf, h).intoMemorySegment(out, outOffset + at, ORDER);
        }
    }

    /** out = cap &middot; tanh(x &middot; inverse). */
    static void tanh(
            float cap, float inverse, MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int end = cols - LANES;
        FloatVector last = FloatVector.fromMemorySegment(FLOATS, x, xOffset + (long) end * Float.BYTES, ORDER);
        for (int i = 0; i < cols; i += LANES) {
            boolean whole = i <= end;
            long at = (whole ? i : end) * (long) Float.BYTES;
            FloatVector v = whole ? FloatVector.fromMemorySegment(FLOATS, x, xOffset + at, ORDER) : last;
            FloatVector t = v.mul(inverse);
            FloatVector m = t.abs();
            m = m.blend(TANH_MAX, m.compare(VectorOperators.GT, TANH_MAX));
            FloatVector z = m.add(m);
            FloatVector shifted = broadcast(FLOATS, LOG2_E).fma(z, broadcast(FLOATS, ROUND));
            FloatVector n = shifted.sub(ROUND);
            FloatVector r = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), z));
            FloatVector q = broadcast(FLOATS, Q4).fma(r, broadcast(FLOATS, Q3));
            q = q.fma(r, broadcast(FLOATS, Q2)).fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
            FloatVector power = shifted.reinterpretAsInts()
                    .lanewise(VectorOperators.LSHL, 23)
                    .reinterpretAsFloats();
            FloatVector e = power.fma(r.mul(r).fma(q, r), power.sub(1f));
            IntVector magnitude = e.div(e.add(2f)).reinterpretAsInts().and(0x7fffffff);
            FloatVector y = magnitude.or(t.reinterpretAsInts().and(0x80000000)).reinterpretAsFloats();
            y.mul(cap).intoMemorySegment(out, outOffset + at, ORDER);
        }
    }
}
