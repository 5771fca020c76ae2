package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.AttentionKernels.WIDTH;
import static dev.gatun.ops.internal.Elementary.LN2_HIGH;
import static dev.gatun.ops.internal.Elementary.LOG2_E;
import static dev.gatun.ops.internal.Elementary.ROUND;
import static dev.gatun.ops.internal.Elementary.WEIGHT_1;
import static dev.gatun.ops.internal.Elementary.WEIGHT_2;
import static dev.gatun.ops.internal.Elementary.WEIGHT_3;
import static dev.gatun.ops.internal.Elementary.WEIGHT_4;
import static dev.gatun.ops.internal.Elementary.WEIGHT_5;
import static dev.gatun.ops.internal.Elementary.WEIGHT_MIN;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.INTS;
import static dev.gatun.ops.internal.Species.LANES;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Online softmax of a tile of scores [keys, columns], a vector of columns at a time, each lane on its own. */
final class TileSoftmax {
    private static final float HIDDEN = Float.NEGATIVE_INFINITY;

    private TileSoftmax() {}

    /** Sets the scores of {@code key} to -inf in the columns that do not see it; row {@code at}, {@code vectors} vectors. */
    static void hide(float[] scores, int at, int vectors, int key, int[] low, int[] high, int column) {
        for (int i = 0; i < vectors * LANES; i += LANES) {
            VectorMask<Integer> after =
                    IntVector.fromArray(INTS, high, column + i).compare(VectorOperators.LE, key);
            VectorMask<Integer> before =
                    IntVector.fromArray(INTS, low, column + i).compare(VectorOperators.GT, key);
            FloatVector row = fromArray(FLOATS, scores, at + i);
            row.blend(HIDDEN, after.or(before).cast(FLOATS)).intoArray(scores, at + i);
        }
    }

    /**
     * One key tile of a vector of columns, in place: with running maximum m, running sum l and tile maximum t: m' = max(m, t),
     * score = exp(score - m'), correction = exp(m - m'), l' = l &middot; correction + sum(scores); m' - m' being 0 where m' is
     * -inf. The correction is written to the row after the scores.
     */
    static void tile(float[] scores, int at, int rows, float[] max, float[] sum, int column, float[] partial) {
        max(scores, at, rows, max, column);
        weights(scores, at, rows, max, column, partial);
        FloatVector a = fromArray(FLOATS, partial, 0);
        FloatVector b = fromArray(FLOATS, partial, LANES);
        FloatVector c = fromArray(FLOATS, partial, 2 * LANES);
        FloatVector d = fromArray(FLOATS, partial, 3 * LANES);
        FloatVector correction = fromArray(FLOATS, scores, at + rows * WIDTH);
        fromArray(FLOATS, sum, column).fma(correction, a.add(c).add(b.add(d))).intoArray(sum, column);
    }

    /** Puts the old maximum into the row after the scores and the new one in its place. */
    private static void max(float[] scores, int at, int rows, float[] max, int column) {
        FloatVector a = fromArray(FLOATS, max, column);
        a.intoArray(scores, at + rows * WIDTH);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = at;
        int end = at + rows * WIDTH;
        for (; i < end - 3 * WIDTH; i += 4 * WIDTH) {
            FloatVector va = fromArray(FLOATS, scores, i);
            FloatVector vb = fromArray(FLOATS, scores, i + WIDTH);
            FloatVector vc = fromArray(FLOATS, scores, i + 2 * WIDTH);
            FloatVector vd = fromArray(FLOATS, scores, i + 3 * WIDTH);
            a = a.blend(va, va.compare(VectorOperators.GT, a));
            b = b.blend(vb, vb.compare(VectorOperators.GT, b));
            c = c.blend(vc, vc.compare(VectorOperators.GT, c));
            d = d.blend(vd, vd.compare(VectorOperators.GT, d));
        }
        for (; i < end; i += WIDTH) {
            FloatVector va = fromArray(FLOATS, scores, i);
            a = a.blend(va, va.compare(VectorOperators.GT, a));
        }
        a = a.blend(b, b.compare(VectorOperators.GT, a));
        c = c.blend(d, d.compare(VectorOperators.GT, c));
        a.blend(c, c.compare(VectorOperators.GT, a)).intoArray(max, column);
    }

    /** {@link Elementary#weight} of each score and of the row after them; sums by key mod 16. */
    private static void weights(float[] scores, int at, int rows, float[] max, int column, float[] partial) {
        FloatVector shift = fromArray(FLOATS, max, column);
        shift = shift.blend(0f, shift.compare(VectorOperators.EQ, HIDDEN));
        FloatVector zero = FloatVector.zero(FLOATS);
        for (int i = 0; i < 16; i++) {
            zero.intoArray(partial, i * LANES);
        }
        // Each turn reduces the argument of one row and evaluates the row before: see VectorElementary.
        FloatVector r = zero;
        FloatVector shifted = zero;
        for (int i = 0; i <= rows + 1; i++) {
            FloatVector z =
                    fromArray(FLOATS, scores, at + Math.min(i, rows) * WIDTH).sub(shift);
            z = z.blend(WEIGHT_MIN, z.compare(VectorOperators.LT, WEIGHT_MIN));
            FloatVector nextShifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND));
            FloatVector nextR = nextShifted.sub(ROUND).fma(broadcast(FLOATS, -LN2_HIGH), z);
            if (i > 0) {
                FloatVector q = r.fma(broadcast(FLOATS, WEIGHT_5), broadcast(FLOATS, WEIGHT_4))
                        .fma(r, broadcast(FLOATS, WEIGHT_3))
                        .fma(r, broadcast(FLOATS, WEIGHT_2))
                        .fma(r, broadcast(FLOATS, WEIGHT_1));
                IntVector bits = shifted.reinterpretAsInts();
                FloatVector power = bits.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
                FloatVector e = q.fma(r, broadcast(FLOATS, 1f)).mul(power);
                e.intoArray(scores, at + (i - 1) * WIDTH);
                int sumAt = (i <= rows ? i - 1 & 15 : 16) * LANES;
                fromArray(FLOATS, partial, sumAt).add(e).intoArray(partial, sumAt);
            }
            r = nextR;
            shifted = nextShifted;
        }
        for (int i = 0; i < 8; i++) {
            fold(partial, i, i + 8);
        }
        for (int i = 0; i < 4; i++) {
            fold(partial, i, i + 4);
        }
    }

    private static void fold(float[] partial, int to, int from) {
        fromArray(FLOATS, partial, to * LANES)
                .add(fromArray(FLOATS, partial, from * LANES))
                .intoArray(partial, to * LANES);
    }

    /** A vector of the result: context &middot; inverse of the sum; 0 where that is 0, and never -0. */
    static void divide(float[] context, int at, float[] inverse, int column, float[] out, int outAt) {
        FloatVector v = fromArray(FLOATS, inverse, column);
        FloatVector y = fromArray(FLOATS, context, at).mul(v).add(RowMath.NO_NEGATIVE_ZERO);
        y.blend(0f, v.compare(VectorOperators.EQ, 0f)).intoArray(out, outAt);
    }
}
