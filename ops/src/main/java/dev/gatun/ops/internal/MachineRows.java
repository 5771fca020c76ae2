package dev.gatun.ops.internal;

import dev.gatun.ops.Activation;
import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.RowKernels;
import dev.gatun.ops.machine.RowKernels.Function;
import dev.gatun.ops.machine.RowKernels.Pair;
import dev.gatun.ops.machine.ScoreSoftmax;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Rows by machine code, the bits of {@link ScalarRows}, at full speed from the first call. What only attention without machine code
 * asks for is left to plain Java; and everything once this is closed.
 */
public final class MachineRows implements Rows, AutoCloseable {
    /** {@link Elementary#expOfScore}. */
    static final ScoreSoftmax.Exp EXP_OF_SCORE = new ScoreSoftmax.Exp(
            Elementary.LOG2_E,
            Elementary.ROUND,
            -Elementary.LN2_HIGH,
            Elementary.S3,
            Elementary.S2,
            Elementary.S1,
            Elementary.S0,
            Elementary.EXP_MIN);

    private static final RowKernels.Exp EXP = new RowKernels.Exp(
            Elementary.LOG2_E,
            Elementary.ROUND,
            -Elementary.LN2_HIGH,
            -Elementary.LN2_LOW,
            List.of(Elementary.Q4, Elementary.Q3, Elementary.Q2, Elementary.Q1, Elementary.Q0),
            Elementary.EXP_MIN);

    private static final RowKernels.Gelu GELU = new RowKernels.Gelu(
            List.of(
                    Elementary.G7,
                    Elementary.G6,
                    Elementary.G5,
                    Elementary.G4,
                    Elementary.G3,
                    Elementary.G2,
                    Elementary.G1,
                    Elementary.G0),
            List.of(Elementary.P5, Elementary.P4, Elementary.P3, Elementary.P2, Elementary.P1, Elementary.P0),
            Elementary.ROUND_UNBIASED,
            Elementary.GELU_MAX);

    private static final RowKernels.Constants CONSTANTS = new RowKernels.Constants(
            EXP_OF_SCORE,
            EXP,
            GELU,
            List.of(Elementary.GELU_TANH_1, Elementary.GELU_TANH_3),
            Elementary.QUICK_GELU,
            Elementary.GATE_MAX,
            Elementary.TANH_MAX,
            RowMath.SHRINK);

    private final Rows plain = new ScalarRows();
    private final RowKernels kernels;

    /**
     * Writes the kernels.
     *
     * @throws dev.gatun.ops.machine.MachineUnavailableException if such code can't be run here
     */
    public MachineRows(MachineHost host) {
        kernels = RowKernels.open(host, CONSTANTS);
    }

    @Override
    public String name() {
        return "machine";
    }

    @Override
    public int grain() {
        return 16 * 1024;
    }

    /** Rows without gaps, of no more elements than a kernel counts: element by element they are one row. */
    private static boolean isOneRow(long stride, long otherStride, int rows, int cols) {
        return stride == otherStride && stride == (long) cols * Float.BYTES && (long) rows * cols <= 1 << 30;
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
        if (kernels.isClosed()) {
            plain.softmax(x, xOffset, xStride, out, outOffset, outStride, rows, cols);
            return;
        }
        kernels.apply(Function.SOFTMAX, 0, 0, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
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
        if (kernels.isClosed() || cols == 0) {
            plain.logSoftmax(x, xOffset, xStride, out, outOffset, outStride, rows, cols);
            return;
        }
        for (int r = 0; r < rows; r++) {
            long row = xOffset + r * xStride;
            long outRow = outOffset + r * outStride;
            long pair = kernels.sumOfExp(x, row, cols);
            float logSum = RowMath.logOrZero(RowMath.second(pair));
            kernels.apply(Function.SUBTRACT, RowMath.first(pair), logSum, x, row, 0, out, outRow, 0, 1, cols);
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
        plain.softmaxTile(scores, scoresOffset, scoresStride, rows, cols, state, stateOffset, stateRows);
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
        plain.scaleRows(x, xOffset, xStride, rows, cols, factors, factorsOffset);
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
        plain.divideRows(x, xOffset, xStride, rows, cols, divisors, divisorsOffset);
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
        if (kernels.isClosed()) {
            plain.layerNorm(
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
        kernels.layerNorm(
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
        if (kernels.isClosed()) {
            plain.rmsNorm(x, xOffset, xStride, weight, weightOffset, epsilon, out, outOffset, outStride, rows, cols);
            return;
        }
        kernels.rmsNorm(x, xOffset, xStride, weight, weightOffset, epsilon, out, outOffset, outStride, rows, cols);
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
        if (kernels.isClosed()) {
            plain.activate(activation, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
            return;
        }
        Function function = switch (activation) {
            case RELU -> Function.RELU;
            case GELU -> Function.GELU;
            case GELU_TANH -> Function.GELU_TANH;
            case QUICK_GELU -> Function.QUICK_GELU;
            case SILU -> Function.SILU;
            case SIGMOID -> Function.SIGMOID;
            case TANH -> Function.TANH;
        };
        apply(function, 1, 1, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
    }

    private void apply(
            Function function,
            float first,
            float second,
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
        kernels.apply(function, first, second, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
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
        if (kernels.isClosed()) {
            plain.add(a, aOffset, aStride, b, bOffset, bStride, out, outOffset, outStride, rows, cols);
            return;
        }
        combine(Pair.ADD, a, aOffset, aStride, b, bOffset, bStride, out, outOffset, outStride, rows, cols);
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
        if (kernels.isClosed()) {
            plain.multiply(a, aOffset, aStride, b, bOffset, bStride, out, outOffset, outStride, rows, cols);
            return;
        }
        combine(Pair.MULTIPLY, a, aOffset, aStride, b, bOffset, bStride, out, outOffset, outStride, rows, cols);
    }

    private void combine(
            Pair pair,
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
        kernels.combine(pair, a, aOffset, aStride, b, bOffset, bStride, out, outOffset, outStride, rows, cols);
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
        if (kernels.isClosed()) {
            plain.scale(factor, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
            return;
        }
        apply(Function.SCALE, factor, 0, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
    }

    @Override
    public void softCap(float cap, MemorySegment x, long xOffset, long xStride, int rows, int cols) {
        if (kernels.isClosed()) {
            plain.softCap(cap, x, xOffset, xStride, rows, cols);
            return;
        }
        apply(Function.TANH, cap, 1f / cap, x, xOffset, xStride, x, xOffset, xStride, rows, cols);
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
        if (kernels.isClosed()) {
            plain.rope(
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
        kernels.rope(
                interleaved,
                x,
                xOffset,
                xStride,
                cos,
                cosOffset,
                sin,
                sinOffset,
                tableStride,
                rotaryDim,
                out,
                outOffset,
                outStride,
                rows);
        if (cols > rotaryDim) {
            long skip = rotaryDim * (long) Float.BYTES;
            long bytes = (cols - rotaryDim) * (long) Float.BYTES;
            for (int r = 0; r < rows; r++) {
                MemorySegment.copy(x, xOffset + r * xStride + skip, out, outOffset + r * outStride + skip, bytes);
            }
        }
    }

    @Override
    public int argMax(MemorySegment x, long xOffset, int cols) {
        return kernels.isClosed() || cols == 0 ? plain.argMax(x, xOffset, cols) : kernels.argMax(x, xOffset, cols);
    }

    @Override
    public void close() {
        kernels.close();
    }
}
