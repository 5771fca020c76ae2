package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Lanes.foldMax;
import static dev.gatun.ops.internal.Lanes.foldSum;
import static dev.gatun.ops.internal.Lanes.keep;
import static dev.gatun.ops.internal.Lanes.load;
import static dev.gatun.ops.internal.Lanes.loadTail;
import static dev.gatun.ops.internal.Lanes.store;
import static dev.gatun.ops.internal.Lanes.storeTail;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;

import dev.gatun.ops.Activation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import org.jspecify.annotations.Nullable;

/**
 * Rows on the Vector API, the bits of {@link ScalarRows} at every vector width. The 16 partial sums of a row are the lanes of
 * one, two or four accumulators; a row's last elements, fewer than a vector, take the same path under a mask.
 */
public final class VectorRows implements Rows {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    /** Lanes of one pair (2i, 2i + 1) exchanged. */
    private static final VectorShuffle<Float> SWAP_PAIRS = VectorShuffle.fromOp(FLOATS, i -> i ^ 1);
    /** Each of the first half of the lanes twice, and of the second. */
    private static final VectorShuffle<Float> TWICE_LOW = VectorShuffle.fromOp(FLOATS, i -> i / 2);

    private static final VectorShuffle<Float> TWICE_HIGH = VectorShuffle.fromOp(FLOATS, i -> LANES / 2 + i / 2);
    /** -1, 1, -1, 1, ... */
    private static final FloatVector ALTERNATE =
            FloatVector.broadcast(FLOATS, 1f).blend(-1f, VectorMask.fromLong(FLOATS, 0x5555_5555_5555_5555L));

    @Override
    public String name() {
        return "vector";
    }

    private static float get(MemorySegment x, long offset, int i) {
        return x.get(FLOAT, offset + (long) i * Float.BYTES);
    }

    private static void set(MemorySegment out, long offset, int i, float value) {
        out.set(FLOAT, offset + (long) i * Float.BYTES, value);
    }

    /** As in {@link ScalarRows}; a maximum needs no fixed order, so four accumulators hide the latency of compare and blend. */
    private static float max(MemorySegment x, long offset, int cols) {
        FloatVector a = FloatVector.broadcast(FLOATS, Float.NEGATIVE_INFINITY);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= cols - 4 * LANES; i += 4 * LANES) {
            a = Lanes.max(a, load(x, offset, i));
            b = Lanes.max(b, load(x, offset, i + LANES));
            c = Lanes.max(c, load(x, offset, i + 2 * LANES));
            d = Lanes.max(d, load(x, offset, i + 3 * LANES));
        }
        for (; i <= cols - LANES; i += LANES) {
            a = Lanes.max(a, load(x, offset, i));
        }
        if (i < cols) {
            b = Lanes.max(b, keep(loadTail(x, offset, i, cols), cols - i, Float.NEGATIVE_INFINITY));
        }
        return foldMax(Lanes.max(Lanes.max(a, b), Lanes.max(c, d))) + 0f;
    }

    // The sums: vector v of a row is added to accumulator v mod (16 / LANES). Instead of one statement for each accumulator they
    // change places after each vector, which foldSum does not mind; that keeps one copy of the body (C2 stops inlining, and
    // begins to box, when a method has grown to 8000 bytecodes). Lanes beyond the row add +0, which changes no sum.

    private static float sum(MemorySegment x, long offset, int cols) {
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            FloatVector next = a.add(load(x, offset, i));
            a = LANES < 16 ? b : next;
            b = LANES < 8 ? c : next;
            c = d;
            d = next;
        }
        if (i < cols) {
            a = a.add(loadTail(x, offset, i, cols));
        }
        return foldSum(a, b, c, d);
    }

    private static float squares(MemorySegment x, long offset, int cols, float mean, float factor) {
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            FloatVector deviation = load(x, offset, i).sub(mean).mul(factor);
            FloatVector next = deviation.fma(deviation, a);
            a = LANES < 16 ? b : next;
            b = LANES < 8 ? c : next;
            c = d;
            d = next;
        }
        if (i < cols) {
            FloatVector deviation = loadTail(x, offset, i, cols).sub(mean).mul(factor);
            deviation = keep(deviation, cols - i, 0f);
            a = deviation.fma(deviation, a);
        }
        return foldSum(a, b, c, d);
    }

    private static float sumExp(MemorySegment x, long offset, float shift, int cols) {
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            FloatVector next = a.add(VectorElementary.expUpToMax(load(x, offset, i).sub(shift)));
            a = LANES < 16 ? b : next;
            b = LANES < 8 ? c : next;
            c = d;
            d = next;
        }
        if (i < cols) {
            FloatVector e = VectorElementary.expUpToMax(loadTail(x, offset, i, cols).sub(shift));
            a = a.add(keep(e, cols - i, 0f));
        }
        return foldSum(a, b, c, d);
    }

    private static float exp(MemorySegment x, long xOffset, float shift, MemorySegment out, long outOffset, int cols) {
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            FloatVector e = VectorElementary.expUpToMax(load(x, xOffset, i).sub(shift));
            store(e, out, outOffset, i);
            FloatVector next = a.add(e);
            a = LANES < 16 ? b : next;
            b = LANES < 8 ? c : next;
            c = d;
            d = next;
        }
        if (i < cols) {
            FloatVector e = VectorElementary.expUpToMax(loadTail(x, xOffset, i, cols).sub(shift));
            storeTail(e, out, outOffset, i, cols);
            a = a.add(keep(e, cols - i, 0f));
        }
        return foldSum(a, b, c, d);
    }

    private static void subtract(
            MemorySegment x, long xOffset, float first, float second, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(load(x, xOffset, i).sub(first).sub(second), out, outOffset, i);
        }
        if (i < cols) {
            storeTail(loadTail(x, xOffset, i, cols).sub(first).sub(second), out, outOffset, i, cols);
        }
    }

    private static void normalize(
            MemorySegment x,
            long xOffset,
            float mean,
            float factor,
            float inverse,
            MemorySegment weight,
            long weightOffset,
            MemorySegment out,
            long outOffset,
            int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            FloatVector normed = load(x, xOffset, i).sub(mean).mul(factor).mul(inverse);
            store(normed.mul(load(weight, weightOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            FloatVector normed = loadTail(x, xOffset, i, cols).sub(mean).mul(factor).mul(inverse);
            storeTail(normed.mul(loadTail(weight, weightOffset, i, cols)), out, outOffset, i, cols);
        }
    }

    private static void normalize(
            MemorySegment x,
            long xOffset,
            float mean,
            float inverse,
            MemorySegment weight,
            long weightOffset,
            MemorySegment bias,
            long biasOffset,
            MemorySegment out,
            long outOffset,
            int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            FloatVector normed = load(x, xOffset, i).sub(mean).mul(inverse);
            store(normed.fma(load(weight, weightOffset, i), load(bias, biasOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            FloatVector normed = loadTail(x, xOffset, i, cols).sub(mean).mul(inverse);
            FloatVector w = loadTail(weight, weightOffset, i, cols);
            storeTail(normed.fma(w, loadTail(bias, biasOffset, i, cols)), out, outOffset, i, cols);
        }
    }

    private static void scale(float factor, MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(load(x, xOffset, i).mul(factor), out, outOffset, i);
        }
        if (i < cols) {
            storeTail(loadTail(x, xOffset, i, cols).mul(factor), out, outOffset, i, cols);
        }
    }

    private static void fill(float value, MemorySegment out, long outOffset, int cols) {
        FloatVector v = FloatVector.broadcast(FLOATS, value);
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(v, out, outOffset, i);
        }
        if (i < cols) {
            storeTail(v, out, outOffset, i, cols);
        }
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
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            long outRow = outOffset + r * outStride;
            float shift = RowMath.softmaxShift(max(x, xRow, cols));
            float sum = exp(x, xRow, shift, out, outRow, cols);
            scale(RowMath.inverseOrZero(sum), out, outRow, out, outRow, cols);
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
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            long outRow = outOffset + r * outStride;
            float shift = RowMath.softmaxShift(max(x, xRow, cols));
            float logSum = RowMath.logOrZero(sumExp(x, xRow, shift, cols));
            subtract(x, xRow, shift, logSum, out, outRow, cols);
        }
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
        for (int r = 0; r < rows; r++) {
            long row = scoresOffset + r * scoresStride;
            float before = get(state, stateOffset, r);
            float tile = max(scores, row, cols);
            float max = tile > before ? tile : before;
            float correction = RowMath.softmaxCorrection(before, max);
            float sum = exp(scores, row, RowMath.softmaxShift(max), scores, row, cols);
            RowMath.updateState(state, stateOffset, stateRows, r, max, correction, sum);
        }
    }

    @Override
    public void scaleRows(
            MemorySegment x, long xOffset, long xStride, int rows, int cols, MemorySegment factors, long factorsOffset) {
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
        for (int r = 0; r < rows; r++) {
            long row = xOffset + r * xStride;
            float divisor = get(divisors, divisorsOffset, r);
            if (divisor == 0f) {
                fill(0f, x, row, cols);
            } else {
                scale(1f / divisor, x, row, x, row, cols);
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
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            long outRow = outOffset + r * outStride;
            float mean = sum(x, xRow, cols) / cols;
            float inverse = RowMath.inverseRoot(squares(x, xRow, cols, mean, 1f), cols, epsilon);
            if (bias == null) {
                normalize(x, xRow, mean, 1f, inverse, weight, weightOffset, out, outRow, cols);
            } else {
                normalize(x, xRow, mean, inverse, weight, weightOffset, bias, biasOffset, out, outRow, cols);
            }
        }
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
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            long outRow = outOffset + r * outStride;
            float factor = 1f;
            float squares = squares(x, xRow, cols, 0f, factor);
            if (squares == Float.POSITIVE_INFINITY) {
                factor = RowMath.SHRINK;
                squares = squares(x, xRow, cols, 0f, factor);
            }
            float inverse = RowMath.inverseRoot(squares, cols, epsilon * factor * factor);
            normalize(x, xRow, 0f, factor, inverse, weight, weightOffset, out, outRow, cols);
        }
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
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            long outRow = outOffset + r * outStride;
            switch (activation) {
                case RELU -> relu(x, xRow, out, outRow, cols);
                case GELU -> gelu(x, xRow, out, outRow, cols);
                case GELU_TANH -> geluTanh(x, xRow, out, outRow, cols);
                case QUICK_GELU -> quickGelu(x, xRow, out, outRow, cols);
                case SILU -> silu(x, xRow, out, outRow, cols);
                case SIGMOID -> sigmoid(x, xRow, out, outRow, cols);
                case TANH -> tanh(x, xRow, out, outRow, cols);
            }
        }
    }

    private static void relu(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(VectorElementary.relu(load(x, xOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            storeTail(VectorElementary.relu(loadTail(x, xOffset, i, cols)), out, outOffset, i, cols);
        }
    }

    private static void gelu(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(VectorElementary.gelu(load(x, xOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            storeTail(VectorElementary.gelu(loadTail(x, xOffset, i, cols)), out, outOffset, i, cols);
        }
    }

    private static void geluTanh(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(VectorElementary.geluTanh(load(x, xOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            storeTail(VectorElementary.geluTanh(loadTail(x, xOffset, i, cols)), out, outOffset, i, cols);
        }
    }

    private static void quickGelu(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(VectorElementary.quickGelu(load(x, xOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            storeTail(VectorElementary.quickGelu(loadTail(x, xOffset, i, cols)), out, outOffset, i, cols);
        }
    }

    private static void silu(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(VectorElementary.silu(load(x, xOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            storeTail(VectorElementary.silu(loadTail(x, xOffset, i, cols)), out, outOffset, i, cols);
        }
    }

    private static void sigmoid(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(VectorElementary.sigmoid(load(x, xOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            storeTail(VectorElementary.sigmoid(loadTail(x, xOffset, i, cols)), out, outOffset, i, cols);
        }
    }

    private static void tanh(MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(VectorElementary.tanh(load(x, xOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            storeTail(VectorElementary.tanh(loadTail(x, xOffset, i, cols)), out, outOffset, i, cols);
        }
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
        for (int r = 0; r < rows; r++) {
            add(a, aOffset + r * aStride, b, bOffset + r * bStride, out, outOffset + r * outStride, cols);
        }
    }

    private static void add(
            MemorySegment a, long aOffset, MemorySegment b, long bOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(load(a, aOffset, i).add(load(b, bOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            FloatVector sum = loadTail(a, aOffset, i, cols).add(loadTail(b, bOffset, i, cols));
            storeTail(sum, out, outOffset, i, cols);
        }
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
        for (int r = 0; r < rows; r++) {
            multiply(a, aOffset + r * aStride, b, bOffset + r * bStride, out, outOffset + r * outStride, cols);
        }
    }

    private static void multiply(
            MemorySegment a, long aOffset, MemorySegment b, long bOffset, MemorySegment out, long outOffset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(load(a, aOffset, i).mul(load(b, bOffset, i)), out, outOffset, i);
        }
        if (i < cols) {
            FloatVector product = loadTail(a, aOffset, i, cols).mul(loadTail(b, bOffset, i, cols));
            storeTail(product, out, outOffset, i, cols);
        }
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
        for (int r = 0; r < rows; r++) {
            scale(factor, x, xOffset + r * xStride, out, outOffset + r * outStride, cols);
        }
    }

    @Override
    public void softCap(float cap, MemorySegment x, long xOffset, long xStride, int rows, int cols) {
        float inverse = 1f / cap;
        for (int r = 0; r < rows; r++) {
            softCap(cap, inverse, x, xOffset + r * xStride, cols);
        }
    }

    private static void softCap(float cap, float inverse, MemorySegment x, long offset, int cols) {
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            store(VectorElementary.tanh(load(x, offset, i).mul(inverse)).mul(cap), x, offset, i);
        }
        if (i < cols) {
            FloatVector tanh = VectorElementary.tanh(loadTail(x, offset, i, cols).mul(inverse));
            storeTail(tanh.mul(cap), x, offset, i, cols);
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
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            long cosRow = cosOffset + r * tableStride;
            long sinRow = sinOffset + r * tableStride;
            long outRow = outOffset + r * outStride;
            if (interleaved) {
                turnPairs(x, xRow, cos, cosRow, sin, sinRow, out, outRow, rotaryDim / 2);
            } else {
                turnHalves(x, xRow, cos, cosRow, sin, sinRow, out, outRow, rotaryDim / 2);
            }
            if (cols > rotaryDim) {
                long skip = (long) rotaryDim * Float.BYTES;
                scale(1f, x, xRow + skip, out, outRow + skip, cols - rotaryDim);
            }
        }
    }

    private static void turnHalves(
            MemorySegment x,
            long xOffset,
            MemorySegment cos,
            long cosOffset,
            MemorySegment sin,
            long sinOffset,
            MemorySegment out,
            long outOffset,
            int half) {
        long xHalf = xOffset + (long) half * Float.BYTES;
        long outHalf = outOffset + (long) half * Float.BYTES;
        int i = 0;
        for (; i <= half - LANES; i += LANES) {
            FloatVector x1 = load(x, xOffset, i);
            FloatVector x2 = load(x, xHalf, i);
            FloatVector c = load(cos, cosOffset, i);
            FloatVector s = load(sin, sinOffset, i);
            store(x1.fma(c, x2.mul(s).neg()), out, outOffset, i);
            store(x2.fma(c, x1.mul(s)), out, outHalf, i);
        }
        if (i < half) {
            FloatVector x1 = loadTail(x, xOffset, i, half);
            FloatVector x2 = loadTail(x, xHalf, i, half);
            FloatVector c = loadTail(cos, cosOffset, i, half);
            FloatVector s = loadTail(sin, sinOffset, i, half);
            storeTail(x1.fma(c, x2.mul(s).neg()), out, outOffset, i, half);
            storeTail(x2.fma(c, x1.mul(s)), out, outHalf, i, half);
        }
    }

    private static void turnPairs(
            MemorySegment x,
            long xOffset,
            MemorySegment cos,
            long cosOffset,
            MemorySegment sin,
            long sinOffset,
            MemorySegment out,
            long outOffset,
            int pairs) {
        int i = 0;
        for (; i <= pairs - LANES; i += LANES) {
            FloatVector c = load(cos, cosOffset, i);
            FloatVector s = load(sin, sinOffset, i);
            FloatVector low = load(x, xOffset, 2 * i);
            FloatVector high = load(x, xOffset, 2 * i + LANES);
            store(turnPairs(low, c.rearrange(TWICE_LOW), s.rearrange(TWICE_LOW)), out, outOffset, 2 * i);
            store(turnPairs(high, c.rearrange(TWICE_HIGH), s.rearrange(TWICE_HIGH)), out, outOffset, 2 * i + LANES);
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

    /** x1, x2, ... to x1 cos - x2 sin, x2 cos + x1 sin, ... */
    private static FloatVector turnPairs(FloatVector x, FloatVector cos, FloatVector sin) {
        return x.fma(cos, x.rearrange(SWAP_PAIRS).mul(sin).mul(ALTERNATE));
    }

    @Override
    public int argMax(MemorySegment x, long xOffset, int cols) {
        float max = max(x, xOffset, cols);
        int i = 0;
        for (; i <= cols - LANES; i += LANES) {
            VectorMask<Float> found = load(x, xOffset, i).compare(VectorOperators.EQ, max);
            if (found.anyTrue()) {
                return i + found.firstTrue();
            }
        }
        for (; i < cols; i++) {
            if (get(x, xOffset, i) == max) {
                return i;
            }
        }
        return 0; // every element is NaN
    }
}
