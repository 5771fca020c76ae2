package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import dev.gatun.ops.Activation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/**
 * Rows on the Vector API, the bits of {@link ScalarRows} at every vector width.
 *
 * <p>What keeps the loops fast and free of garbage: no method takes or returns a vector (why: {@link VectorElementary}); each
 * loop names its segments {@link OffHeap}; a row's last vector ends where the row ends and is loaded first, as the row may be
 * overwritten in place, so no loop needs a mask; rows narrower than a vector go to the scalar kernels.
 */
public final class VectorRows implements Rows {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ScalarRows NARROW = new ScalarRows();

    @Override
    public String name() {
        return "vector";
    }

    @Override
    public int grain() {
        return 16 * 1024;
    }

    private static float get(MemorySegment x, long offset, int i) {
        return x.get(FLOAT, offset + (long) i * Float.BYTES);
    }

    @Override
    public void softmax(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols) {
        if (cols < LANES) {
            NARROW.softmax(x, xOffset, xStride, out, outOffset, outStride, rows, cols);
            return;
        }
        float max = rows == 0 ? 0f : VectorSoftmax.max(x, xOffset, cols);
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            long nextRow = xOffset + Math.min(r + 1, rows - 1) * xStride;
            long outRow = outOffset + r * outStride;
            long pair = VectorSoftmax.exp(x, xRow, RowMath.softmaxShift(max), out, outRow, nextRow, cols);
            max = RowMath.second(pair);
            scale(RowMath.inverseOrZero(RowMath.first(pair)), out, outRow, out, outRow, cols);
        }
    }

    @Override
    public void logSoftmax(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols) {
        if (cols < LANES) {
            NARROW.logSoftmax(x, xOffset, xStride, out, outOffset, outStride, rows, cols);
            return;
        }
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            float shift = RowMath.softmaxShift(VectorSoftmax.max(x, xRow, cols));
            float logSum = RowMath.logOrZero(VectorSoftmax.sumExp(x, xRow, shift, cols));
            subtract(shift, logSum, x, xRow, out, outOffset + r * outStride, cols);
        }
    }

    private static void subtract(
            float first, float second, MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        x = OffHeap.of(x);
        out = OffHeap.of(out);
        int end = cols - LANES;
        long endAt = (long) end * Float.BYTES;
        FloatVector last =
                fromMemorySegment(FLOATS, x, xOffset + endAt, ORDER).sub(first).sub(second);
        for (int i = 0; i < end; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector y =
                    fromMemorySegment(FLOATS, x, xOffset + at, ORDER).sub(first).sub(second);
            y.intoMemorySegment(out, outOffset + at, ORDER);
        }
        last.intoMemorySegment(out, outOffset + endAt, ORDER);
    }

    @Override
    public void softmaxTile(
            MemorySegment scores,
            long scoresOffset,
            long scoresStride,
            int rows,
            int cols,
            MemorySegment state,
            long stateOffset,
            int stateRows) {
        if (cols < LANES) {
            NARROW.softmaxTile(scores, scoresOffset, scoresStride, rows, cols, state, stateOffset, stateRows);
            return;
        }
        float tile = rows == 0 ? 0f : VectorSoftmax.max(scores, scoresOffset, cols);
        for (int r = 0; r < rows; r++) {
            long row = scoresOffset + r * scoresStride;
            long nextRow = scoresOffset + Math.min(r + 1, rows - 1) * scoresStride;
            float before = get(state, stateOffset, r);
            float max = tile > before ? tile : before;
            float correction = RowMath.softmaxCorrection(before, max);
            long pair = VectorSoftmax.exp(scores, row, RowMath.softmaxShift(max), scores, row, nextRow, cols);
            tile = RowMath.second(pair);
            RowMath.updateState(state, stateOffset, stateRows, r, max, correction, RowMath.first(pair));
        }
    }

    @Override
    public void scaleRows(
            MemorySegment x,
            long xOffset,
            long xStride,
            int rows,
            int cols,
            MemorySegment factors,
            long factorsOffset) {
        if (cols < LANES) {
            NARROW.scaleRows(x, xOffset, xStride, rows, cols, factors, factorsOffset);
            return;
        }
        for (int r = 0; r < rows; r++) {
            long row = xOffset + r * xStride;
            scale(get(factors, factorsOffset, r), x, row, x, row, cols);
        }
    }

    @Override
    public void divideRows(
            MemorySegment x,
            long xOffset,
            long xStride,
            int rows,
            int cols,
            MemorySegment divisors,
            long divisorsOffset) {
        if (cols < LANES) {
            NARROW.divideRows(x, xOffset, xStride, rows, cols, divisors, divisorsOffset);
            return;
        }
        for (int r = 0; r < rows; r++) {
            long row = xOffset + r * xStride;
            float divisor = get(divisors, divisorsOffset, r);
            if (divisor == 0f) {
                for (int i = 0; i < cols; i++) {
                    x.set(FLOAT, row + (long) i * Float.BYTES, 0f);
                }
            } else {
                scaleWithoutNegativeZero(1f / divisor, x, row, cols);
            }
        }
    }

    @Override
    public void layerNorm(
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
        if (cols < LANES) {
            NARROW.layerNorm(
                    x,
                    xOffset,
                    xStride,
                    weight,
                    weightOffset,
                    bias,
                    biasOffset,
                    epsilon,
                    out,
                    outOffset,
                    outStride,
                    rows,
                    cols);
            return;
        }
        VectorNorms.layerNorm(
                x,
                xOffset,
                xStride,
                weight,
                weightOffset,
                bias,
                biasOffset,
                epsilon,
                out,
                outOffset,
                outStride,
                rows,
                cols);
    }

    @Override
    public void rmsNorm(
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
        if (cols < LANES) {
            NARROW.rmsNorm(x, xOffset, xStride, weight, weightOffset, epsilon, out, outOffset, outStride, rows, cols);
            return;
        }
        VectorNorms.rmsNorm(x, xOffset, xStride, weight, weightOffset, epsilon, out, outOffset, outStride, rows, cols);
    }

    @Override
    public void activate(
            Activation activation,
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols) {
        if (isOneRow(xStride, outStride, rows, cols)) {
            cols *= rows;
            rows = 1;
        }
        if (cols < LANES) {
            NARROW.activate(activation, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
            return;
        }
        for (int r = 0; r < rows; r++) {
            VectorElementary.activate(activation, x, xOffset + r * xStride, out, outOffset + r * outStride, cols);
        }
    }

    /** Rows without gaps, of no more elements than a loop counts: element by element they are one row. */
    private static boolean isOneRow(long stride, long otherStride, int rows, int cols) {
        return stride == otherStride && stride == (long) cols * Float.BYTES && (long) rows * cols <= 1 << 30;
    }

    @Override
    public void add(
            MemorySegment a,
            long aOffset,
            long aStride,
            MemorySegment b,
            long bOffset,
            long bStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols) {
        if (bStride == aStride && isOneRow(aStride, outStride, rows, cols)) {
            cols *= rows;
            rows = 1;
        }
        if (cols < LANES) {
            NARROW.add(a, aOffset, aStride, b, bOffset, bStride, out, outOffset, outStride, rows, cols);
            return;
        }
        for (int r = 0; r < rows; r++) {
            add(a, aOffset + r * aStride, b, bOffset + r * bStride, out, outOffset + r * outStride, cols);
        }
    }

    private static void add(
            MemorySegment a, long aOffset, MemorySegment b, long bOffset, MemorySegment out, long outOffset, int cols) {
        a = OffHeap.of(a);
        b = OffHeap.of(b);
        out = OffHeap.of(out);
        int end = cols - LANES;
        long endAt = (long) end * Float.BYTES;
        FloatVector vaLast = fromMemorySegment(FLOATS, a, aOffset + endAt, ORDER);
        FloatVector vbLast = fromMemorySegment(FLOATS, b, bOffset + endAt, ORDER);
        FloatVector last = vaLast.add(vbLast);
        for (int i = 0; i < end; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector va = fromMemorySegment(FLOATS, a, aOffset + at, ORDER);
            FloatVector vb = fromMemorySegment(FLOATS, b, bOffset + at, ORDER);
            FloatVector y = va.add(vb);
            y.intoMemorySegment(out, outOffset + at, ORDER);
        }
        last.intoMemorySegment(out, outOffset + endAt, ORDER);
    }

    @Override
    public void multiply(
            MemorySegment a,
            long aOffset,
            long aStride,
            MemorySegment b,
            long bOffset,
            long bStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols) {
        if (bStride == aStride && isOneRow(aStride, outStride, rows, cols)) {
            cols *= rows;
            rows = 1;
        }
        if (cols < LANES) {
            NARROW.multiply(a, aOffset, aStride, b, bOffset, bStride, out, outOffset, outStride, rows, cols);
            return;
        }
        for (int r = 0; r < rows; r++) {
            multiply(a, aOffset + r * aStride, b, bOffset + r * bStride, out, outOffset + r * outStride, cols);
        }
    }

    private static void multiply(
            MemorySegment a, long aOffset, MemorySegment b, long bOffset, MemorySegment out, long outOffset, int cols) {
        a = OffHeap.of(a);
        b = OffHeap.of(b);
        out = OffHeap.of(out);
        int end = cols - LANES;
        long endAt = (long) end * Float.BYTES;
        FloatVector vaLast = fromMemorySegment(FLOATS, a, aOffset + endAt, ORDER);
        FloatVector vbLast = fromMemorySegment(FLOATS, b, bOffset + endAt, ORDER);
        FloatVector last = vaLast.mul(vbLast);
        for (int i = 0; i < end; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector va = fromMemorySegment(FLOATS, a, aOffset + at, ORDER);
            FloatVector vb = fromMemorySegment(FLOATS, b, bOffset + at, ORDER);
            FloatVector y = va.mul(vb);
            y.intoMemorySegment(out, outOffset + at, ORDER);
        }
        last.intoMemorySegment(out, outOffset + endAt, ORDER);
    }

    @Override
    public void scale(
            float factor,
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols) {
        if (isOneRow(xStride, outStride, rows, cols)) {
            cols *= rows;
            rows = 1;
        }
        if (cols < LANES) {
            NARROW.scale(factor, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
            return;
        }
        for (int r = 0; r < rows; r++) {
            scale(factor, x, xOffset + r * xStride, out, outOffset + r * outStride, cols);
        }
    }

    private static void scale(
            float factor, MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        x = OffHeap.of(x);
        out = OffHeap.of(out);
        int end = cols - LANES;
        long endAt = (long) end * Float.BYTES;
        FloatVector last = fromMemorySegment(FLOATS, x, xOffset + endAt, ORDER).mul(factor);
        for (int i = 0; i < end; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector y = fromMemorySegment(FLOATS, x, xOffset + at, ORDER).mul(factor);
            y.intoMemorySegment(out, outOffset + at, ORDER);
        }
        last.intoMemorySegment(out, outOffset + endAt, ORDER);
    }

    private static void scaleWithoutNegativeZero(float factor, MemorySegment x, long offset, int cols) {
        x = OffHeap.of(x);
        int end = cols - LANES;
        long endAt = (long) end * Float.BYTES;
        FloatVector last = fromMemorySegment(FLOATS, x, offset + endAt, ORDER).mul(factor);
        for (int i = 0; i < end; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector y = fromMemorySegment(FLOATS, x, offset + at, ORDER).mul(factor);
            y.add(RowMath.NO_NEGATIVE_ZERO).intoMemorySegment(x, offset + at, ORDER);
        }
        last.add(RowMath.NO_NEGATIVE_ZERO).intoMemorySegment(x, offset + endAt, ORDER);
    }

    @Override
    public void softCap(float cap, MemorySegment x, long xOffset, long xStride, int rows, int cols) {
        if (cols < LANES) {
            NARROW.softCap(cap, x, xOffset, xStride, rows, cols);
            return;
        }
        float inverse = 1f / cap;
        for (int r = 0; r < rows; r++) {
            VectorElementary.tanh(cap, inverse, x, xOffset + r * xStride, x, xOffset + r * xStride, cols);
        }
    }

    @Override
    public void rope(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment cos,
            long cosOffset,
            MemorySegment sin,
            long sinOffset,
            long tableStride,
            int rotaryDim,
            boolean interleaved,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols) {
        if (rotaryDim / 2 < LANES) {
            NARROW.rope(
                    x,
                    xOffset,
                    xStride,
                    cos,
                    cosOffset,
                    sin,
                    sinOffset,
                    tableStride,
                    rotaryDim,
                    interleaved,
                    out,
                    outOffset,
                    outStride,
                    rows,
                    cols);
            return;
        }
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            long cosRow = cosOffset + r * tableStride;
            long sinRow = sinOffset + r * tableStride;
            long outRow = outOffset + r * outStride;
            if (interleaved) {
                VectorRope.pairs(x, xRow, cos, cosRow, sin, sinRow, out, outRow, rotaryDim / 2);
            } else {
                VectorRope.halves(x, xRow, cos, cosRow, sin, sinRow, out, outRow, rotaryDim / 2);
            }
            if (cols > rotaryDim) {
                long skip = (long) rotaryDim * Float.BYTES;
                MemorySegment.copy(x, xRow + skip, out, outRow + skip, (long) (cols - rotaryDim) * Float.BYTES);
            }
        }
    }

    @Override
    public int argMax(MemorySegment x, long xOffset, int cols) {
        if (cols < LANES) {
            return NARROW.argMax(x, xOffset, cols);
        }
        float max = VectorSoftmax.max(x, xOffset, cols);
        x = OffHeap.of(x);
        for (int i = 0; i < cols; i += LANES) {
            int from = Math.min(i, cols - LANES);
            VectorMask<Float> found = fromMemorySegment(FLOATS, x, xOffset + (long) from * Float.BYTES, ORDER)
                    .compare(VectorOperators.EQ, max);
            if (found.anyTrue()) {
                return from + found.firstTrue();
            }
        }
        return 0; // every element is NaN
    }
}
