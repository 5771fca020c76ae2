package dev.gatun.ops.internal;

import dev.gatun.ops.Activation;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Each operator by plain rows until somebody says that its vector kernel is compiled: the bits are the same, so nobody sees the
 * change. Thread-safe: who has not heard of a change yet computes the same.
 */
@SuppressWarnings({"EnumOrdinal", "ReferenceEquality"
}) // an array, for this is on the way of each call; the same object
public final class SwitchingRows implements Rows {
    private final Rows plain;
    private final Rows[] chosen = new Rows[RowsKernel.values().length];
    private final boolean[] asked = new boolean[chosen.length]; // guarded by this
    private final Consumer<RowsKernel> onFirstCall;

    /**
     * All operators by {@code plain}.
     *
     * @param onFirstCall told once of each kernel that is called
     */
    public SwitchingRows(Rows plain, Consumer<RowsKernel> onFirstCall) {
        this.plain = plain;
        this.onFirstCall = onFirstCall;
        Arrays.fill(chosen, plain);
    }

    /** From now on, {@code rows} computes {@code kernel}, with the same bits. */
    public void choose(RowsKernel kernel, Rows rows) {
        chosen[kernel.ordinal()] = rows;
    }

    /** Who computes {@code kernel} now. */
    public Rows chosen(RowsKernel kernel) {
        return chosen[kernel.ordinal()];
    }

    private Rows of(RowsKernel kernel) {
        Rows rows = chosen[kernel.ordinal()];
        if (rows == plain) {
            ask(kernel);
        }
        return rows;
    }

    private void ask(RowsKernel kernel) {
        synchronized (this) {
            if (asked[kernel.ordinal()]) {
                return;
            }
            asked[kernel.ordinal()] = true;
        }
        onFirstCall.accept(kernel);
    }

    @Override
    public String name() {
        return "auto";
    }

    /** As plain rows have it, at first; of vector rows once most is computed by them. */
    @Override
    public int grain() {
        return chosen[RowsKernel.SOFTMAX_TILE.ordinal()].grain();
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
        of(RowsKernel.SOFTMAX).softmax(x, xOffset, xStride, out, outOffset, outStride, rows, cols);
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
        of(RowsKernel.LOG_SOFTMAX).logSoftmax(x, xOffset, xStride, out, outOffset, outStride, rows, cols);
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
        of(RowsKernel.SOFTMAX_TILE)
                .softmaxTile(scores, scoresOffset, scoresStride, rows, cols, state, stateOffset, stateRows);
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
        of(RowsKernel.SCALE_ROWS).scaleRows(x, xOffset, xStride, rows, cols, factors, factorsOffset);
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
        of(RowsKernel.DIVIDE_ROWS).divideRows(x, xOffset, xStride, rows, cols, divisors, divisorsOffset);
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
        of(RowsKernel.LAYER_NORM)
                .layerNorm(
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
        of(RowsKernel.RMS_NORM)
                .rmsNorm(x, xOffset, xStride, weight, weightOffset, epsilon, out, outOffset, outStride, rows, cols);
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
        of(RowsKernel.of(activation)).activate(activation, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
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
        of(RowsKernel.ADD).add(a, aOffset, aStride, b, bOffset, bStride, out, outOffset, outStride, rows, cols);
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
        of(RowsKernel.MULTIPLY)
                .multiply(a, aOffset, aStride, b, bOffset, bStride, out, outOffset, outStride, rows, cols);
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
        of(RowsKernel.SCALE).scale(factor, x, xOffset, xStride, out, outOffset, outStride, rows, cols);
    }

    @Override
    public void softCap(float cap, MemorySegment x, long xOffset, long xStride, int rows, int cols) {
        of(RowsKernel.SOFT_CAP).softCap(cap, x, xOffset, xStride, rows, cols);
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
        of(RowsKernel.ROPE)
                .rope(
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
    }

    @Override
    public int argMax(MemorySegment x, long xOffset, int cols) {
        return of(RowsKernel.ARG_MAX).argMax(x, xOffset, cols);
    }
}
