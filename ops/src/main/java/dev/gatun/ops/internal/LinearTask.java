package dev.gatun.ops.internal;

import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** y = x W<sup>T</sup> + b, its output cut into tiles for the workers. One instance serves one caller at a time. */
public final class LinearTask implements WorkerPool.Task {
    private final MatMul matMul;
    private final WorkerPool pool;
    private final MemorySegment scratch;

    private MemorySegment x = MemorySegment.NULL;
    private long xStride;
    private @Nullable PackedWeight weight;
    private @Nullable MemorySegment bias;
    private MemorySegment out = MemorySegment.NULL;
    private long outStride;
    private int m;
    private int n;
    private int tileRows;
    private int tileCols;
    private int colTiles;

    /**
     * Keeps its arguments; owns nothing.
     *
     * @param scratch {@link MatMul#scratchByteSize} bytes a thread
     */
    public LinearTask(MatMul matMul, WorkerPool pool, MemorySegment scratch) {
        this.matMul = matMul;
        this.pool = pool;
        this.scratch = scratch;
    }

    /** out[m, n] = x[m, k] W<sup>T</sup> + bias; strides in bytes; shapes are checked by the caller. */
    public void run(
            MemorySegment newX,
            long newXStride,
            PackedWeight newWeight,
            @Nullable MemorySegment newBias,
            MemorySegment newOut,
            long newOutStride,
            int newM) {
        x = newX;
        xStride = newXStride;
        weight = newWeight;
        bias = newBias;
        out = newOut;
        outStride = newOutStride;
        m = newM;
        n = newWeight.n();
        if (m == 0 || n == 0) {
            return;
        }
        tileRows = matMul.tileRows(m, n, newWeight.k(), pool.threads());
        tileCols = matMul.tileCols(m, n, newWeight.k(), pool.threads());
        colTiles = (n + tileCols - 1) / tileCols;
        pool.run(this, (m + tileRows - 1) / tileRows * colTiles);
    }

    @Override
    public void run(int tile, int worker) {
        PackedWeight w = weight;
        if (w == null) {
            throw new IllegalStateException("linear: no task under way");
        }
        int row = tile / colTiles * tileRows;
        int col = tile % colTiles * tileCols;
        matMul.linear(
                x,
                xStride,
                w,
                bias,
                out,
                outStride,
                row,
                Math.min(m, row + tileRows),
                col,
                Math.min(n, col + tileCols),
                scratch,
                worker * matMul.scratchByteSize());
    }
}
