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
import static dev.gatun.ops.internal.Species.INTS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static dev.gatun.ops.internal.TileShape.WIDTH_BYTES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Online softmax of a tile of scores [keys, columns], a vector of columns at a time, each lane on its own. */
final class TileSoftmax {
    private static final float HIDDEN = Float.NEGATIVE_INFINITY;

    private TileSoftmax() {}

    /** Whole vectors of one value. */
    static void fill(MemorySegment memory, long at, long bytes, float value) {
        memory = OffHeap.of(memory);
        FloatVector values = broadcast(FLOATS, value);
        for (long i = 0; i < bytes; i += Species.BYTES) {
            values.intoMemorySegment(memory, at + i, ORDER);
        }
    }

    /** Sets the scores of {@code key} to -inf in the columns that do not see it; row {@code at}, {@code vectors} vectors. */
    static void hide(MemorySegment scores, long at, int vectors, int key, int[] low, int[] high, int column) {
        scores = OffHeap.of(scores);
        for (int i = 0; i < vectors; i++) {
            int c = column + i * LANES;
            VectorMask<Integer> after = IntVector.fromArray(INTS, high, c).compare(VectorOperators.LE, key);
            VectorMask<Integer> before = IntVector.fromArray(INTS, low, c).compare(VectorOperators.GT, key);
            FloatVector row = fromMemorySegment(FLOATS, scores, at + i * Species.BYTES, ORDER);
            row.blend(HIDDEN, after.or(before).cast(FLOATS)).intoMemorySegment(scores, at + i * Species.BYTES, ORDER);
        }
    }

    /**
     * One key tile of a vector of columns, in place: with running maximum m, running sum l and tile maximum t: m' = max(m, t),
     * score = exp(score - m'), correction = exp(m - m'), l' = l &middot; correction + sum(scores); m' - m' being 0 where m' is
     * -inf. The correction is written to the row after the scores. All are offsets in scratch.
     */
    static void tile(MemorySegment scratch, long at, int rows, long max, long sum) {
        max(scratch, at, rows, max);
        weights(scratch, at, rows, max, sum);
    }

    /** Puts the old maximum into the row after the scores and the new one in its place. */
    private static void max(MemorySegment scores, long at, int rows, long max) {
        scores = OffHeap.of(scores);
        FloatVector a = fromMemorySegment(FLOATS, scores, max, ORDER);
        a.intoMemorySegment(scores, at + rows * WIDTH_BYTES, ORDER);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i < rows - 3; i += 4) {
            long row = at + i * WIDTH_BYTES;
            FloatVector va = fromMemorySegment(FLOATS, scores, row, ORDER);
            FloatVector vb = fromMemorySegment(FLOATS, scores, row + WIDTH_BYTES, ORDER);
            FloatVector vc = fromMemorySegment(FLOATS, scores, row + 2 * WIDTH_BYTES, ORDER);
            FloatVector vd = fromMemorySegment(FLOATS, scores, row + 3 * WIDTH_BYTES, ORDER);
            a = a.blend(va, va.compare(VectorOperators.GT, a));
            b = b.blend(vb, vb.compare(VectorOperators.GT, b));
            c = c.blend(vc, vc.compare(VectorOperators.GT, c));
            d = d.blend(vd, vd.compare(VectorOperators.GT, d));
        }
        for (; i < rows; i++) {
            FloatVector va = fromMemorySegment(FLOATS, scores, at + i * WIDTH_BYTES, ORDER);
            a = a.blend(va, va.compare(VectorOperators.GT, a));
        }
        a = a.blend(b, b.compare(VectorOperators.GT, a));
        c = c.blend(d, d.compare(VectorOperators.GT, c));
        a.blend(c, c.compare(VectorOperators.GT, a)).intoMemorySegment(scores, max, ORDER);
    }

    /**
     * {@link Elementary#expOfScore} of each score and of the row after them; l' = l &middot; correction + the sum, in four partial
     * sums by key mod 4. One vector a turn with nothing that lasts but sums, each added a turn later: C2 then unrolls the loop and
     * mixes the chains of several vectors (see docs/PERFORMANCE.md, Rows). Evenly spaced rows let it drop the checks of bounds.
     */
    private static void weights(MemorySegment scores, long at, int rows, long max, long sum) {
        scores = OffHeap.of(scores);
        FloatVector shift = fromMemorySegment(FLOATS, scores, max, ORDER);
        shift = shift.blend(0f, shift.compare(VectorOperators.EQ, HIDDEN));
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        FloatVector e = a;
        for (int i = 0; i <= rows; i++) {
            long row = at + i * WIDTH_BYTES;
            FloatVector next = a.add(e);
            a = b;
            b = c;
            c = d;
            d = next;
            FloatVector z = fromMemorySegment(FLOATS, scores, row, ORDER).sub(shift);
            VectorMask<Float> vanishes = z.compare(VectorOperators.LT, EXP_MIN);
            FloatVector shifted = z.fma(broadcast(FLOATS, LOG2_E), broadcast(FLOATS, ROUND));
            FloatVector r = shifted.sub(ROUND).fma(broadcast(FLOATS, -LN2_HIGH), z);
            FloatVector q = r.fma(broadcast(FLOATS, S3), broadcast(FLOATS, S2)).fma(r, broadcast(FLOATS, S1));
            e = q.fma(r, broadcast(FLOATS, S0)).fma(r, broadcast(FLOATS, 1f)).fma(r, broadcast(FLOATS, 1f));
            IntVector power = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
            e = e.mul(power.reinterpretAsFloats()).blend(0f, vanishes);
            e.intoMemorySegment(scores, row, ORDER);
        }
        // The last e is the correction. The accumulators have changed places; a and c, b and d are still two apart.
        fromMemorySegment(FLOATS, scores, sum, ORDER)
                .fma(e, a.add(c).add(b.add(d)))
                .intoMemorySegment(scores, sum, ORDER);
    }

    /** context = context &middot; correction + added, {@code rows} rows of one vector. */
    static void add(MemorySegment scratch, long contextAt, long correctionAt, long addedAt, int rows) {
        scratch = OffHeap.of(scratch);
        FloatVector correction = fromMemorySegment(FLOATS, scratch, correctionAt, ORDER);
        for (long row = 0; row < rows * WIDTH_BYTES; row += WIDTH_BYTES) {
            fromMemorySegment(FLOATS, scratch, contextAt + row, ORDER)
                    .fma(correction, fromMemorySegment(FLOATS, scratch, addedAt + row, ORDER))
                    .intoMemorySegment(scratch, contextAt + row, ORDER);
        }
    }

    /** {@code rows} rows of a vector of columns: the context divided by the sum; 0 where that is 0, and never -0. */
    static void divide(MemorySegment scratch, long context, int rows, long sum) {
        scratch = OffHeap.of(scratch);
        for (int lane = 0; lane < LANES; lane++) {
            long at = sum + lane * (long) Float.BYTES;
            scratch.set(JAVA_FLOAT_UNALIGNED, at, RowMath.inverseOrZero(scratch.get(JAVA_FLOAT_UNALIGNED, at)));
        }
        FloatVector inverse = fromMemorySegment(FLOATS, scratch, sum, ORDER);
        VectorMask<Float> empty = inverse.compare(VectorOperators.EQ, 0f);
        for (long row = 0; row < rows * WIDTH_BYTES; row += WIDTH_BYTES) {
            FloatVector y = fromMemorySegment(FLOATS, scratch, context + row, ORDER)
                    .mul(inverse)
                    .add(RowMath.NO_NEGATIVE_ZERO);
            y.blend(0f, empty).intoMemorySegment(scratch, context + row, ORDER);
        }
    }
}
