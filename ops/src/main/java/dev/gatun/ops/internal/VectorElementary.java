package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Elementary.EXP_MIN;
import static dev.gatun.ops.internal.Elementary.G0;
import static dev.gatun.ops.internal.Elementary.G1;
import static dev.gatun.ops.internal.Elementary.G2;
import static dev.gatun.ops.internal.Elementary.G3;
import static dev.gatun.ops.internal.Elementary.G4;
import static dev.gatun.ops.internal.Elementary.G5;
import static dev.gatun.ops.internal.Elementary.G6;
import static dev.gatun.ops.internal.Elementary.G7;
import static dev.gatun.ops.internal.Elementary.GATE_MAX;
import static dev.gatun.ops.internal.Elementary.GELU_MAX;
import static dev.gatun.ops.internal.Elementary.LN2_HIGH;
import static dev.gatun.ops.internal.Elementary.LN2_LOW;
import static dev.gatun.ops.internal.Elementary.LOG2_E;
import static dev.gatun.ops.internal.Elementary.P0;
import static dev.gatun.ops.internal.Elementary.P1;
import static dev.gatun.ops.internal.Elementary.P2;
import static dev.gatun.ops.internal.Elementary.P3;
import static dev.gatun.ops.internal.Elementary.P4;
import static dev.gatun.ops.internal.Elementary.P5;
import static dev.gatun.ops.internal.Elementary.Q0;
import static dev.gatun.ops.internal.Elementary.Q1;
import static dev.gatun.ops.internal.Elementary.Q2;
import static dev.gatun.ops.internal.Elementary.Q3;
import static dev.gatun.ops.internal.Elementary.Q4;
import static dev.gatun.ops.internal.Elementary.ROUND;
import static dev.gatun.ops.internal.Elementary.ROUND_UNBIASED;
import static dev.gatun.ops.internal.Elementary.TANH_MAX;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import dev.gatun.ops.Activation;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * {@link Elementary} on rows of at least {@link Species#LANES} floats: the same operations in the same order, so the same
 * bits.
 *
 * <p>Each function is written out in its loop instead of being a method from vector to vector: C2 stops inlining methods of ours
 * once a compilation has 18,000 nodes (NodeCountInliningCutoff; a vector operation takes about 500), and a vector passed to a
 * call is boxed on the heap. The Vector API's own methods are inlined regardless.
 *
 * <p>The loops have one vector a turn and nothing that lasts from turn to turn: C2 takes all checks out of them and unrolls
 * them. That is as fast as the best of stages and pairs cut by hand (docs/PERFORMANCE.md, "Rows").
 *
 * <p>A row's rest, the second part of each loop, is one more vector, which ends where the row ends and overlaps the one before.
 * A row in place has been overwritten there by then; so its operands, loaded first, are laid over the results once more. A
 * second call for the rest would box them.
 */
final class VectorElementary {
    private VectorElementary() {}

    /** out = activation(x). */
    static void activate(
            Activation activation, MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        switch (activation) {
            case RELU -> relu(x, xOffset, out, outOffset, cols);
            case GELU -> gelu(x, xOffset, out, outOffset, cols);
            case GELU_TANH ->
                gate(true, Elementary.GELU_TANH_1, Elementary.GELU_TANH_3, x, xOffset, out, outOffset, cols);
            case QUICK_GELU -> gate(true, Elementary.QUICK_GELU, 0f, x, xOffset, out, outOffset, cols);
            case SILU -> gate(true, -1f, 0f, x, xOffset, out, outOffset, cols);
            case SIGMOID -> gate(false, -1f, 0f, x, xOffset, out, outOffset, cols);
            case TANH -> tanh(1f, 1f, x, xOffset, out, outOffset, cols);
        }
    }

    private static void relu(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        x = OffHeap.of(x);
        out = OffHeap.of(out);
        long endAt = (cols - LANES) * (long) Float.BYTES;
        FloatVector last = fromMemorySegment(FLOATS, x, xOffset + endAt, ORDER);
        int from = 0;
        int to = cols - cols % LANES;
        for (int part = 0; part < 2; part++) {
            for (int i = from; i < to; i += LANES) {
                long at = (long) i * Float.BYTES;
                FloatVector v = fromMemorySegment(FLOATS, x, xOffset + at, ORDER);
                FloatVector y = v.blend(0f, v.compare(VectorOperators.LE, 0f));
                y.intoMemorySegment(out, outOffset + at, ORDER);
            }
            if (to == cols) {
                return;
            }
            last.intoMemorySegment(out, outOffset + endAt, ORDER);
            from = cols - LANES;
            to = cols;
        }
    }

    private static void gelu(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        x = OffHeap.of(x);
        out = OffHeap.of(out);
        long endAt = (cols - LANES) * (long) Float.BYTES;
        FloatVector last = fromMemorySegment(FLOATS, x, xOffset + endAt, ORDER);
        int from = 0;
        int to = cols - cols % LANES;
        for (int part = 0; part < 2; part++) {
            for (int i = from; i < to; i += LANES) {
                long at = (long) i * Float.BYTES;
                FloatVector v = fromMemorySegment(FLOATS, x, xOffset + at, ORDER);
                FloatVector a = v.abs();
                FloatVector g = a.fma(broadcast(FLOATS, G7), broadcast(FLOATS, G6));
                g = g.fma(a, broadcast(FLOATS, G5))
                        .fma(a, broadcast(FLOATS, G4))
                        .fma(a, broadcast(FLOATS, G3));
                g = g.fma(a, broadcast(FLOATS, G2))
                        .fma(a, broadcast(FLOATS, G1))
                        .fma(a, broadcast(FLOATS, G0));
                FloatVector t = g.fma(a, broadcast(FLOATS, -1f));
                FloatVector shifted = t.add(ROUND_UNBIASED);
                FloatVector f = t.sub(shifted.sub(ROUND_UNBIASED));
                FloatVector p =
                        f.fma(broadcast(FLOATS, P5), broadcast(FLOATS, P4)).fma(f, broadcast(FLOATS, P3));
                p = p.fma(f, broadcast(FLOATS, P2))
                        .fma(f, broadcast(FLOATS, P1))
                        .fma(f, broadcast(FLOATS, P0));
                IntVector power = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
                FloatVector tail = p.reinterpretAsInts().add(power).reinterpretAsFloats();
                FloatVector relu = v.blend(0f, v.compare(VectorOperators.LE, 0f));
                FloatVector y = a.fma(tail, relu).blend(relu, a.compare(VectorOperators.GT, GELU_MAX));
                y.intoMemorySegment(out, outOffset + at, ORDER);
            }
            if (to == cols) {
                return;
            }
            last.intoMemorySegment(out, outOffset + endAt, ORDER);
            from = cols - LANES;
            to = cols;
        }
    }

    /**
     * out = x / (1 + exp(x &middot; (linear + cubic &middot; x&sup2;))): SiLU and the two approximations of GELU; or, if not
     * {@code times}, 1 / (1 + exp(...)): the sigmoid.
     */
    private static void gate(
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
        long endAt = (cols - LANES) * (long) Float.BYTES;
        FloatVector last = fromMemorySegment(FLOATS, x, xOffset + endAt, ORDER);
        int from = 0;
        int to = cols - cols % LANES;
        for (int part = 0; part < 2; part++) {
            for (int i = from; i < to; i += LANES) {
                long at = (long) i * Float.BYTES;
                FloatVector v = fromMemorySegment(FLOATS, x, xOffset + at, ORDER);
                FloatVector slope = broadcast(FLOATS, linear);
                if (cubic != 0f) {
                    slope = v.mul(v).fma(broadcast(FLOATS, cubic), slope);
                }
                FloatVector z = v.mul(slope);
                FloatVector c = z.blend(EXP_MIN, z.compare(VectorOperators.LT, EXP_MIN));
                FloatVector shifted = c.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND));
                FloatVector n = shifted.sub(ROUND);
                FloatVector r = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), c));
                FloatVector q =
                        r.fma(broadcast(FLOATS, Q4), broadcast(FLOATS, Q3)).fma(r, broadcast(FLOATS, Q2));
                q = q.fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
                FloatVector e = q.fma(r, broadcast(FLOATS, 1f)).fma(r, broadcast(FLOATS, 1f));
                IntVector power = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
                FloatVector divisor = e.fma(power.reinterpretAsFloats(), broadcast(FLOATS, 1f));
                VectorMask<Float> vanishes = z.compare(VectorOperators.GT, GATE_MAX);
                FloatVector y = (times ? v : broadcast(FLOATS, 1f)).div(divisor).blend(0f, vanishes);
                y.intoMemorySegment(out, outOffset + at, ORDER);
            }
            if (to == cols) {
                return;
            }
            last.intoMemorySegment(out, outOffset + endAt, ORDER);
            from = cols - LANES;
            to = cols;
        }
    }

    /** out = cap &middot; tanh(x &middot; inverse). */
    static void tanh(
            float cap, float inverse, MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        x = OffHeap.of(x);
        out = OffHeap.of(out);
        long endAt = (cols - LANES) * (long) Float.BYTES;
        FloatVector last = fromMemorySegment(FLOATS, x, xOffset + endAt, ORDER);
        int from = 0;
        int to = cols - cols % LANES;
        for (int part = 0; part < 2; part++) {
            for (int i = from; i < to; i += LANES) {
                long at = (long) i * Float.BYTES;
                FloatVector v =
                        fromMemorySegment(FLOATS, x, xOffset + at, ORDER).mul(inverse);
                FloatVector a = v.abs();
                a = a.blend(TANH_MAX, a.compare(VectorOperators.GT, TANH_MAX));
                FloatVector z = a.add(a);
                FloatVector shifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND));
                FloatVector n = shifted.sub(ROUND);
                FloatVector r = n.fma(broadcast(FLOATS, -LN2_LOW), n.fma(broadcast(FLOATS, -LN2_HIGH), z));
                FloatVector q =
                        r.fma(broadcast(FLOATS, Q4), broadcast(FLOATS, Q3)).fma(r, broadcast(FLOATS, Q2));
                q = q.fma(r, broadcast(FLOATS, Q1)).fma(r, broadcast(FLOATS, Q0));
                IntVector bits = shifted.reinterpretAsInts();
                FloatVector power = bits.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
                FloatVector e = power.fma(r.mul(r).fma(q, r), power.sub(1f));
                IntVector magnitude = e.div(e.add(2f)).reinterpretAsInts().and(0x7fffffff);
                IntVector sign = v.reinterpretAsInts().and(0x80000000);
                FloatVector y = magnitude.or(sign).reinterpretAsFloats().mul(cap);
                y.intoMemorySegment(out, outOffset + at, ORDER);
            }
            if (to == cols) {
                return;
            }
            last.intoMemorySegment(out, outOffset + endAt, ORDER);
            from = cols - LANES;
            to = cols;
        }
    }
}
