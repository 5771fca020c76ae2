package dev.gatun.ops.internal;

import dev.gatun.ops.Activation;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Operators on rows, cut into tiles of rows for the workers where that is worth waking them. Each row is computed whole by one
 * thread, so its bits do not depend on the cuts. One instance serves one caller at a time: its fields are the operands of the
 * call under way. The parameters are those of {@link Rows}.
 */
public final class RowsTask implements WorkerPool.Task {
    private enum Kind {
        SOFTMAX,
        LOG_SOFTMAX,
        LAYER_NORM,
        RMS_NORM,
        ACTIVATE,
        ADD,
        MULTIPLY,
        SCALE,
        ROPE
    }

    /** An operand: a segment, the offset of the first row and the bytes from row to row; mutable, so that a call makes no object. */
    private static final class Operand {
        MemorySegment segment = MemorySegment.NULL;
        long offset;
        long stride;

        void set(MemorySegment newSegment, long newOffset, long newStride) {
            segment = newSegment;
            offset = newOffset;
            stride = newStride;
        }

        long row(int r) {
            return offset + r * stride;
        }
    }

    /** Tiles a thread: as many that one thread which comes late or is held up leaves something to the others. */
    private static final int TILES_A_THREAD = 4;

    private final Rows kernels;
    private final WorkerPool pool;

    private Kind kind = Kind.SOFTMAX;
    private final Operand x = new Operand();
    private final Operand b = new Operand(); // the second operand: a weight, b, or the cosines
    private final Operand c = new Operand(); // the third: a bias, or the sines
    private final Operand out = new Operand();
    private boolean hasBias;
    private float number; // epsilon or a factor
    private Activation activation = Activation.RELU;
    private int rotaryDim;
    private boolean interleaved;
    private int rows;
    private int cols;
    private int tileRows;

    /** Keeps its arguments; owns nothing. */
    public RowsTask(Rows kernels, WorkerPool pool) {
        this.kernels = kernels;
        this.pool = pool;
    }

    /** out = softmax of each row. */
    public void softmax(MemorySegment from, long stride, MemorySegment to, long toStride, int newRows, int newCols) {
        x.set(from, 0, stride);
        out.set(to, 0, toStride);
        run(Kind.SOFTMAX, newRows, newCols, 1);
    }

    /** out = log of softmax of each row. */
    public void logSoftmax(MemorySegment from, long stride, MemorySegment to, long toStride, int newRows, int newCols) {
        x.set(from, 0, stride);
        out.set(to, 0, toStride);
        run(Kind.LOG_SOFTMAX, newRows, newCols, 1);
    }

    /** Layer norm of each row. */
    public void layerNorm(
            MemorySegment from,
            long stride,
            MemorySegment weight,
            @Nullable MemorySegment bias,
            float epsilon,
            MemorySegment to,
            long toStride,
            int newRows,
            int newCols) {
        x.set(from, 0, stride);
        b.set(weight, 0, 0);
        c.set(bias == null ? MemorySegment.NULL : bias, 0, 0);
        hasBias = bias != null;
        number = epsilon;
        out.set(to, 0, toStride);
        run(Kind.LAYER_NORM, newRows, newCols, 2);
    }

    /** RMS norm of each row. */
    public void rmsNorm(
            MemorySegment from,
            long stride,
            MemorySegment weight,
            float epsilon,
            MemorySegment to,
            long toStride,
            int newRows,
            int newCols) {
        x.set(from, 0, stride);
        b.set(weight, 0, 0);
        number = epsilon;
        out.set(to, 0, toStride);
        run(Kind.RMS_NORM, newRows, newCols, 2);
    }

    /** out = activation(x). */
    public void activate(
            Activation newActivation,
            MemorySegment from,
            long stride,
            MemorySegment to,
            long toStride,
            int newRows,
            int newCols) {
        activation = newActivation;
        x.set(from, 0, stride);
        out.set(to, 0, toStride);
        run(Kind.ACTIVATE, newRows, newCols, newActivation == Activation.RELU ? 4 : 1);
    }

    /** out = a + b, or a &middot; b. */
    public void combine(
            boolean multiply,
            MemorySegment first,
            long firstStride,
            MemorySegment second,
            long secondStride,
            MemorySegment to,
            long toStride,
            int newRows,
            int newCols) {
        x.set(first, 0, firstStride);
        b.set(second, 0, secondStride);
        out.set(to, 0, toStride);
        run(multiply ? Kind.MULTIPLY : Kind.ADD, newRows, newCols, 4);
    }

    /** out = factor &middot; x. */
    public void scale(
            float factor, MemorySegment from, long stride, MemorySegment to, long toStride, int newRows, int newCols) {
        number = factor;
        x.set(from, 0, stride);
        out.set(to, 0, toStride);
        run(Kind.SCALE, newRows, newCols, 4);
    }

    /** Rotary positions of the rows of one head. */
    public void rope(
            MemorySegment from,
            long fromOffset,
            long stride,
            MemorySegment cos,
            long cosOffset,
            MemorySegment sin,
            long sinOffset,
            long tableStride,
            int newRotaryDim,
            boolean newInterleaved,
            MemorySegment to,
            long toOffset,
            long toStride,
            int newRows,
            int newCols) {
        x.set(from, fromOffset, stride);
        b.set(cos, cosOffset, tableStride);
        c.set(sin, sinOffset, tableStride);
        rotaryDim = newRotaryDim;
        interleaved = newInterleaved;
        out.set(to, toOffset, toStride);
        run(Kind.ROPE, newRows, newCols, 4);
    }

    /** @param lightness how many elements take the time of one of a softmax */
    private void run(Kind newKind, int newRows, int newCols, int lightness) {
        kind = newKind;
        rows = newRows;
        cols = newCols;
        long grain = (long) kernels.grain() * lightness;
        long tiles = Math.min((long) rows * cols / grain, (long) TILES_A_THREAD * pool.threads());
        if (tiles < 2 || rows < 2 || pool.threads() == 1) {
            tileRows = rows;
            run(0, 0);
            return;
        }
        tileRows = Math.toIntExact((rows + tiles - 1) / tiles);
        tileRows += tileRows & 1; // norms take rows by twos
        pool.run(this, (rows + tileRows - 1) / tileRows);
    }

    @Override
    public void run(int tile, int worker) {
        int first = tile * tileRows;
        int n = Math.min(tileRows, rows - first);
        MemorySegment from = x.segment;
        MemorySegment to = out.segment;
        long at = x.row(first);
        long stride = x.stride;
        long toAt = out.row(first);
        long toStride = out.stride;
        switch (kind) {
            case SOFTMAX -> kernels.softmax(from, at, stride, to, toAt, toStride, n, cols);
            case LOG_SOFTMAX -> kernels.logSoftmax(from, at, stride, to, toAt, toStride, n, cols);
            case LAYER_NORM ->
                kernels.layerNorm(
                        from,
                        at,
                        stride,
                        b.segment,
                        0,
                        hasBias ? c.segment : null,
                        0,
                        number,
                        to,
                        toAt,
                        toStride,
                        n,
                        cols);
            case RMS_NORM -> kernels.rmsNorm(from, at, stride, b.segment, 0, number, to, toAt, toStride, n, cols);
            case ACTIVATE -> kernels.activate(activation, from, at, stride, to, toAt, toStride, n, cols);
            case ADD -> kernels.add(from, at, stride, b.segment, b.row(first), b.stride, to, toAt, toStride, n, cols);
            case MULTIPLY ->
                kernels.multiply(from, at, stride, b.segment, b.row(first), b.stride, to, toAt, toStride, n, cols);
            case SCALE -> kernels.scale(number, from, at, stride, to, toAt, toStride, n, cols);
            case ROPE ->
                kernels.rope(
                        from,
                        at,
                        stride,
                        b.segment,
                        b.row(first),
                        c.segment,
                        c.row(first),
                        b.stride,
                        rotaryDim,
                        interleaved,
                        to,
                        toAt,
                        toStride,
                        n,
                        cols);
        }
    }
}
