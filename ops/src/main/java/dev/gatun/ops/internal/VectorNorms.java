package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Layer norm and RMS norm of rows of at least {@link Species#LANES} floats.
 *
 * <p>Each loop takes two rows, as a sum with 16 partial sums is, in 512-bit vectors, one chain of additions of 4 cycles each. The
 * first sum of the rows that come next is taken while two rows are written: rows that come from memory then come while there
 * is something to write. Where a row has no partner it is its own; it then is computed twice, in step, to the same result.
 */
final class VectorNorms {
    private VectorNorms() {}

    // Vector v of a row goes to accumulator v mod (16 / LANES). Instead of one statement for each, the accumulators
    // change
    // places after each vector, which the fold at the end does not mind. Lanes beyond the row add +0, which changes no
    // sum,
    // as none is ever -0.

    /** The sum of a row; the bits of {@link ScalarRows}. */
    private static float sum(MemorySegment x, long offset, int cols) {
        x = OffHeap.of(x);
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            FloatVector next = a.add(fromMemorySegment(FLOATS, x, offset + (long) i * Float.BYTES, ORDER));
            a = LANES < 16 ? b : next;
            b = LANES < 8 ? c : next;
            c = d;
            d = next;
        }
        if (i < cols) {
            int end = cols - LANES;
            FloatVector last = fromMemorySegment(FLOATS, x, offset + (long) end * Float.BYTES, ORDER);
            a = a.add(last.slice(i - end));
        }
        if (LANES == 4) {
            a = a.add(c).add(b.add(d));
        } else {
            a = a.add(LANES == 8 ? b : a.rearrange(Species.ROTATE_8));
            a = a.add(a.rearrange(Species.ROTATE_4));
        }
        return (a.lane(0) + a.lane(2)) + (a.lane(1) + a.lane(3));
    }

    /** The sums of ((x - mean) &middot; factor)&sup2; of two rows, as a {@link RowMath#pair}. */
    private static long squares(
            MemorySegment x, long offset, float mean, long offset2, float mean2, float factor, int cols) {
        x = OffHeap.of(x);
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        FloatVector a2 = a;
        FloatVector b2 = a;
        FloatVector c2 = a;
        FloatVector d2 = a;
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector v = fromMemorySegment(FLOATS, x, offset + at, ORDER);
            FloatVector v2 = fromMemorySegment(FLOATS, x, offset2 + at, ORDER);
            v = v.sub(mean).mul(factor);
            v2 = v2.sub(mean2).mul(factor);
            FloatVector next = v.fma(v, a);
            FloatVector next2 = v2.fma(v2, a2);
            a = LANES < 16 ? b : next;
            a2 = LANES < 16 ? b2 : next2;
            b = LANES < 8 ? c : next;
            b2 = LANES < 8 ? c2 : next2;
            c = d;
            c2 = d2;
            d = next;
            d2 = next2;
        }
        if (i < cols) {
            int end = cols - LANES;
            long at = (long) end * Float.BYTES;
            FloatVector v = fromMemorySegment(FLOATS, x, offset + at, ORDER);
            FloatVector v2 = fromMemorySegment(FLOATS, x, offset2 + at, ORDER);
            v = v.sub(mean).mul(factor).slice(i - end);
            v2 = v2.sub(mean2).mul(factor).slice(i - end);
            a = v.fma(v, a);
            a2 = v2.fma(v2, a2);
        }
        if (LANES == 4) {
            a = a.add(c).add(b.add(d));
            a2 = a2.add(c2).add(b2.add(d2));
        } else {
            a = a.add(LANES == 8 ? b : a.rearrange(Species.ROTATE_8));
            a2 = a2.add(LANES == 8 ? b2 : a2.rearrange(Species.ROTATE_8));
            a = a.add(a.rearrange(Species.ROTATE_4));
            a2 = a2.add(a2.rearrange(Species.ROTATE_4));
        }
        return RowMath.pair(
                (a.lane(0) + a.lane(2)) + (a.lane(1) + a.lane(3)),
                (a2.lane(0) + a2.lane(2)) + (a2.lane(1) + a2.lane(3)));
    }

    static void layerNorm(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment weight,
            long weightOffset,
            @Nullable MemorySegment bias,
            long biasOffset,
            float epsilon,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols) {
        if (rows == 0) {
            return;
        }
        float mean = sum(x, xOffset, cols) / cols;
        float mean2 = rows == 1 ? mean : sum(x, xOffset + xStride, cols) / cols;
        for (int r = 0; r < rows; r += 2) {
            int r2 = Math.min(r + 1, rows - 1);
            long row = xOffset + r * xStride;
            long row2 = xOffset + r2 * xStride;
            long squares = squares(x, row, mean, row2, mean2, 1f, cols);
            long nextSums = normalize(
                    x,
                    row,
                    mean,
                    RowMath.inverseRoot(RowMath.first(squares), cols, epsilon),
                    row2,
                    mean2,
                    RowMath.inverseRoot(RowMath.second(squares), cols, epsilon),
                    weight,
                    weightOffset,
                    bias,
                    biasOffset,
                    out,
                    outOffset + r * outStride,
                    outOffset + r2 * outStride,
                    xOffset + Math.min(r + 2, rows - 1) * xStride,
                    xOffset + Math.min(r + 3, rows - 1) * xStride,
                    cols);
            mean = RowMath.first(nextSums) / cols;
            mean2 = RowMath.second(nextSums) / cols;
        }
    }

    /**
     * out = (x - mean) &middot; inverse &middot; weight + bias of two rows; the sums of the two rows that come next, any rows if
     * none do.
     */
    private static long normalize(
            MemorySegment x,
            long xOffset,
            float mean,
            float inverse,
            long xOffset2,
            float mean2,
            float inverse2,
            MemorySegment weight,
            long weightOffset,
            @Nullable MemorySegment bias,
            long biasOffset,
            MemorySegment out,
            long outOffset,
            long outOffset2,
            long nextOffset,
            long nextOffset2,
            int cols) {
        x = OffHeap.of(x);
        weight = OffHeap.of(weight);
        bias = bias == null ? null : OffHeap.of(bias);
        out = OffHeap.of(out);
        int end = cols - LANES;
        long endAt = (long) end * Float.BYTES;
        FloatVector wLast = fromMemorySegment(FLOATS, weight, weightOffset + endAt, ORDER);
        FloatVector last =
                fromMemorySegment(FLOATS, x, xOffset + endAt, ORDER).sub(mean).mul(inverse);
        FloatVector last2 =
                fromMemorySegment(FLOATS, x, xOffset2 + endAt, ORDER).sub(mean2).mul(inverse2);
        if (bias == null) {
            last = last.mul(wLast);
            last2 = last2.mul(wLast);
        } else {
            FloatVector bLast = fromMemorySegment(FLOATS, bias, biasOffset + endAt, ORDER);
            last = last.fma(wLast, bLast);
            last2 = last2.fma(wLast, bLast);
        }
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        FloatVector a2 = a;
        FloatVector b2 = a;
        FloatVector c2 = a;
        FloatVector d2 = a;
        int i = 0;
        for (; i <= end; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector next = a.add(fromMemorySegment(FLOATS, x, nextOffset + at, ORDER));
            FloatVector next2 = a2.add(fromMemorySegment(FLOATS, x, nextOffset2 + at, ORDER));
            a = LANES < 16 ? b : next;
            a2 = LANES < 16 ? b2 : next2;
            b = LANES < 8 ? c : next;
            b2 = LANES < 8 ? c2 : next2;
            c = d;
            c2 = d2;
            d = next;
            d2 = next2;
            FloatVector w = fromMemorySegment(FLOATS, weight, weightOffset + at, ORDER);
            FloatVector y = fromMemorySegment(FLOATS, x, xOffset + at, ORDER);
            FloatVector y2 = fromMemorySegment(FLOATS, x, xOffset2 + at, ORDER);
            y = y.sub(mean).mul(inverse);
            y2 = y2.sub(mean2).mul(inverse2);
            if (bias == null) {
                y = y.mul(w);
                y2 = y2.mul(w);
            } else {
                FloatVector v = fromMemorySegment(FLOATS, bias, biasOffset + at, ORDER);
                y = y.fma(w, v);
                y2 = y2.fma(w, v);
            }
            y.intoMemorySegment(out, outOffset + at, ORDER);
            y2.intoMemorySegment(out, outOffset2 + at, ORDER);
        }
        last.intoMemorySegment(out, outOffset + endAt, ORDER);
        last2.intoMemorySegment(out, outOffset2 + endAt, ORDER);
        if (i < cols) {
            FloatVector v = fromMemorySegment(FLOATS, x, nextOffset + endAt, ORDER);
            FloatVector v2 = fromMemorySegment(FLOATS, x, nextOffset2 + endAt, ORDER);
            a = a.add(v.slice(i - end));
            a2 = a2.add(v2.slice(i - end));
        }
        if (LANES == 4) {
            a = a.add(c).add(b.add(d));
            a2 = a2.add(c2).add(b2.add(d2));
        } else {
            a = a.add(LANES == 8 ? b : a.rearrange(Species.ROTATE_8));
            a2 = a2.add(LANES == 8 ? b2 : a2.rearrange(Species.ROTATE_8));
            a = a.add(a.rearrange(Species.ROTATE_4));
            a2 = a2.add(a2.rearrange(Species.ROTATE_4));
        }
        return RowMath.pair(
                (a.lane(0) + a.lane(2)) + (a.lane(1) + a.lane(3)),
                (a2.lane(0) + a2.lane(2)) + (a2.lane(1) + a2.lane(3)));
    }

    static void rmsNorm(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment weight,
            long weightOffset,
            float epsilon,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols) {
        for (int r = 0; r < rows; r += 2) {
            int r2 = Math.min(r + 1, rows - 1);
            long row = xOffset + r * xStride;
            long row2 = xOffset + r2 * xStride;
            long squares = squares(x, row, 0f, row2, 0f, 1f, cols);
            long shrunk = squares;
            float factor = 1f;
            float factor2 = 1f;
            boolean overflows = RowMath.first(squares) == Float.POSITIVE_INFINITY;
            boolean overflows2 = RowMath.second(squares) == Float.POSITIVE_INFINITY;
            if (overflows || overflows2) {
                shrunk = squares(x, row, 0f, row2, 0f, RowMath.SHRINK, cols);
                factor = overflows ? RowMath.SHRINK : 1f;
                factor2 = overflows2 ? RowMath.SHRINK : 1f;
            }
            float inverse =
                    RowMath.inverseRoot(RowMath.first(overflows ? shrunk : squares), cols, epsilon * factor * factor);
            float inverse2 = RowMath.inverseRoot(
                    RowMath.second(overflows2 ? shrunk : squares), cols, epsilon * factor2 * factor2);
            long outRow = outOffset + r * outStride;
            long outRow2 = outOffset + r2 * outStride;
            scale(x, row, factor, inverse, row2, factor2, inverse2, weight, weightOffset, out, outRow, outRow2, cols);
        }
    }

    /** out = x &middot; factor &middot; inverse &middot; weight of two rows. */
    private static void scale(
            MemorySegment x,
            long xOffset,
            float factor,
            float inverse,
            long xOffset2,
            float factor2,
            float inverse2,
            MemorySegment weight,
            long weightOffset,
            MemorySegment out,
            long outOffset,
            long outOffset2,
            int cols) {
        x = OffHeap.of(x);
        weight = OffHeap.of(weight);
        out = OffHeap.of(out);
        int end = cols - LANES;
        long endAt = (long) end * Float.BYTES;
        FloatVector wLast = fromMemorySegment(FLOATS, weight, weightOffset + endAt, ORDER);
        FloatVector last = fromMemorySegment(FLOATS, x, xOffset + endAt, ORDER);
        FloatVector last2 = fromMemorySegment(FLOATS, x, xOffset2 + endAt, ORDER);
        last = last.mul(factor).mul(inverse).mul(wLast);
        last2 = last2.mul(factor2).mul(inverse2).mul(wLast);
        for (int i = 0; i < end; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector w = fromMemorySegment(FLOATS, weight, weightOffset + at, ORDER);
            FloatVector y = fromMemorySegment(FLOATS, x, xOffset + at, ORDER);
            FloatVector y2 = fromMemorySegment(FLOATS, x, xOffset2 + at, ORDER);
            y.mul(factor).mul(inverse).mul(w).intoMemorySegment(out, outOffset + at, ORDER);
            y2.mul(factor2).mul(inverse2).mul(w).intoMemorySegment(out, outOffset2 + at, ORDER);
        }
        last.intoMemorySegment(out, outOffset + endAt, ORDER);
        last2.intoMemorySegment(out, outOffset2 + endAt, ORDER);
    }
}
