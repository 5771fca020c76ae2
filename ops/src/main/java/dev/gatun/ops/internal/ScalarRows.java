package dev.gatun.ops.internal;

import dev.gatun.ops.Activation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** Rows in plain Java, one element at a time: what every other implementation has to equal to the bit. */
public final class ScalarRows implements Rows {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    @Override
    public String name() {
        return "scalar";
    }

    @Override
    public int grain() {
        return 1024;
    }

    private static float get(MemorySegment x, long offset, int i) {
        return x.get(FLOAT, offset + (long) i * Float.BYTES);
    }

    private static void set(MemorySegment out, long offset, int i, float value) {
        out.set(FLOAT, offset + (long) i * Float.BYTES, value);
    }

    /** The largest number, -inf if there is none; NaN is passed over. Never -0, so the order of elements does not matter. */
    private static float max(MemorySegment x, long offset, int cols) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < cols; i++) {
            float value = get(x, offset, i);
            max = value > max ? value : max;
        }
        return max + 0f;
    }

    /**
     * The sum of elements first, first + step, ... Called with (0, 1): 16 chains of every 16th element, folded by halves (8, 4,
     * 2, 1).
     */
    private static float sum(MemorySegment x, long offset, int cols, int first, int step) {
        if (step < 16) {
            return sum(x, offset, cols, first, 2 * step) + sum(x, offset, cols, first + step, 2 * step);
        }
        float sum = 0f;
        for (int i = first; i < cols; i += 16) {
            sum += get(x, offset, i);
        }
        return sum;
    }

    /** {@link #sum} of ((x - mean) &middot; factor)&sup2;. */
    private static float squares(
            MemorySegment x, long offset, int cols, float mean, float factor, int first, int step) {
        if (step < 16) {
            return squares(x, offset, cols, mean, factor, first, 2 * step)
                    + squares(x, offset, cols, mean, factor, first + step, 2 * step);
        }
        float sum = 0f;
        for (int i = first; i < cols; i += 16) {
            float d = (get(x, offset, i) - mean) * factor;
            sum = Math.fma(d, d, sum);
        }
        return sum;
    }

    /** {@link #sum} of exp(x - shift). */
    private static float sumExp(MemorySegment x, long offset, int cols, float shift, int first, int step) {
        if (step < 16) {
            return sumExp(x, offset, cols, shift, first, 2 * step)
                    + sumExp(x, offset, cols, shift, first + step, 2 * step);
        }
        float sum = 0f;
        for (int i = first; i < cols; i += 16) {
            sum += Elementary.expOfScore(get(x, offset, i) - shift);
        }
        return sum;
    }

    /** out = exp(x - shift), and its sum. */
    private static float exp(MemorySegment x, long xOffset, float shift, MemorySegment out, long outOffset, int cols) {
        for (int i = 0; i < cols; i++) {
            set(out, outOffset, i, Elementary.expOfScore(get(x, xOffset, i) - shift));
        }
        return sum(out, outOffset, cols, 0, 1);
    }

    private static void scale(
            float factor, float zero, MemorySegment x, long xOffset, MemorySegment out, long outOffset, int cols) {
        for (int i = 0; i < cols; i++) {
            set(out, outOffset, i, get(x, xOffset, i) * factor + zero);
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
            scale(RowMath.inverseOrZero(sum), RowMath.AS_IT_IS, out, outRow, out, outRow, cols);
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
            float logSum = RowMath.logOrZero(sumExp(x, xRow, cols, shift, 0, 1));
            for (int i = 0; i < cols; i++) {
                set(out, outRow, i, get(x, xRow, i) - shift - logSum);
            }
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
            MemorySegment x,
            long xOffset,
            long xStride,
            int rows,
            int cols,
            MemorySegment factors,
            long factorsOffset) {
        for (int r = 0; r < rows; r++) {
            long row = xOffset + r * xStride;
            scale(get(factors, factorsOffset, r), RowMath.AS_IT_IS, x, row, x, row, cols);
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
                for (int i = 0; i < cols; i++) {
                    set(x, row, i, 0f);
                }
            } else {
                scale(1f / divisor, RowMath.NO_NEGATIVE_ZERO, x, row, x, row, cols);
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
            float mean = sum(x, xRow, cols, 0, 1) / cols;
            float inverse = RowMath.inverseRoot(squares(x, xRow, cols, mean, 1f, 0, 1), cols, epsilon);
            for (int i = 0; i < cols; i++) {
                float normed = (get(x, xRow, i) - mean) * inverse;
                float w = get(weight, weightOffset, i);
                float y = bias == null ? normed * w : Math.fma(normed, w, get(bias, biasOffset, i));
                set(out, outRow, i, y);
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
            float squares = squares(x, xRow, cols, 0f, factor, 0, 1);
            if (squares == Float.POSITIVE_INFINITY) {
                factor = RowMath.SHRINK;
                squares = squares(x, xRow, cols, 0f, factor, 0, 1);
            }
            float inverse = RowMath.inverseRoot(squares, cols, epsilon * factor * factor);
            for (int i = 0; i < cols; i++) {
                set(out, outRow, i, get(x, xRow, i) * factor * inverse * get(weight, weightOffset, i));
            }
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
            for (int i = 0; i < cols; i++) {
                set(out, outRow, i, activate(activation, get(x, xRow, i)));
            }
        }
    }

    private static float activate(Activation activation, float x) {
        return switch (activation) {
            case RELU -> Elementary.relu(x);
            case GELU -> Elementary.gelu(x);
            case GELU_TANH -> Elementary.geluTanh(x);
            case QUICK_GELU -> Elementary.quickGelu(x);
            case SILU -> Elementary.silu(x);
            case SIGMOID -> Elementary.sigmoid(x);
            case TANH -> Elementary.tanh(x);
        };
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
            for (int i = 0; i < cols; i++) {
                float sum = get(a, aOffset + r * aStride, i) + get(b, bOffset + r * bStride, i);
                set(out, outOffset + r * outStride, i, sum);
            }
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
            for (int i = 0; i < cols; i++) {
                float product = get(a, aOffset + r * aStride, i) * get(b, bOffset + r * bStride, i);
                set(out, outOffset + r * outStride, i, product);
            }
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
            scale(factor, RowMath.AS_IT_IS, x, xOffset + r * xStride, out, outOffset + r * outStride, cols);
        }
    }

    @Override
    public void softCap(float cap, MemorySegment x, long xOffset, long xStride, int rows, int cols) {
        float inverse = 1f / cap;
        for (int r = 0; r < rows; r++) {
            long row = xOffset + r * xStride;
            for (int i = 0; i < cols; i++) {
                set(x, row, i, cap * Elementary.tanh(get(x, row, i) * inverse));
            }
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
        int half = rotaryDim / 2;
        for (int r = 0; r < rows; r++) {
            long xRow = xOffset + r * xStride;
            long outRow = outOffset + r * outStride;
            for (int i = 0; i < half; i++) {
                int first = interleaved ? 2 * i : i;
                int second = interleaved ? 2 * i + 1 : i + half;
                float x1 = get(x, xRow, first);
                float x2 = get(x, xRow, second);
                float c = get(cos, cosOffset + r * tableStride, i);
                float s = get(sin, sinOffset + r * tableStride, i);
                set(out, outRow, first, Math.fma(x1, c, -(x2 * s)));
                set(out, outRow, second, Math.fma(x2, c, x1 * s));
            }
            for (int i = rotaryDim; i < cols; i++) {
                set(out, outRow, i, get(x, xRow, i));
            }
        }
    }

    @Override
    public int argMax(MemorySegment x, long xOffset, int cols) {
        int best = 0;
        for (int i = 1; i < cols; i++) {
            float bestValue = get(x, xOffset, best);
            float value = get(x, xOffset, i);
            if (value > bestValue || (Float.isNaN(bestValue) && !Float.isNaN(value))) {
                best = i;
            }
        }
        return best;
    }
}
