package dev.gatun.ops.internal;

import dev.gatun.ops.Activation;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** y = x W<sup>T</sup> + b, its output cut into tiles for the workers. One instance serves one caller at a time. */
public final class LinearTask implements WorkerPool.Task {
    /** A gated tile is small enough to stay in L2 between its two products: 128 x 480 floats are 240 KiB. */
    private static final int GATED_ROWS = 128;

    private final Linears products;
    private final WorkerPool pool;
    private final ProductScratch[] scratch;
    private final LinearOp op;
    private final LinearOp up;

    private boolean gated;
    private int n;
    private int tileRows;
    private int tileCols;
    private int colTiles;

    /**
     * Keeps its arguments; owns nothing.
     *
     * @param scratch one a thread
     */
    public LinearTask(Linears products, Rows rows, WorkerPool pool, ProductScratch[] scratch) {
        this.products = products;
        this.pool = pool;
        this.scratch = scratch;
        this.op = new LinearOp(rows);
        this.up = new LinearOp(rows);
        this.up.into = LinearOp.Into.MULTIPLY;
    }

    /**
     * out[m, n] = activation(x[m, k] W<sup>T</sup> + bias); strides in bytes; shapes are checked by the caller.
     *
     * @param residual added before the activation, or null; may be out
     */
    public void run(
            MemorySegment x,
            long xStride,
            PackedWeight weight,
            @Nullable MemorySegment bias,
            @Nullable MemorySegment residual,
            long residualStride,
            @Nullable Activation activation,
            MemorySegment out,
            long outStride,
            int m) {
        set(op, x, xStride, weight, bias, out, outStride, m);
        op.into = residual == null ? LinearOp.Into.STORE : LinearOp.Into.ADD;
        op.residual = residual == null ? MemorySegment.NULL : residual;
        op.residualStride = residualStride;
        op.activation = activation;
        gated = false;
        start();
    }

    /** out[m, n] = activation(x Wg<sup>T</sup> + gateBias) &middot; (x Wu<sup>T</sup> + upBias), element by element. */
    public void runGated(
            MemorySegment x,
            long xStride,
            PackedWeight gateWeight,
            @Nullable MemorySegment gateBias,
            Activation activation,
            PackedWeight upWeight,
            @Nullable MemorySegment upBias,
            MemorySegment out,
            long outStride,
            int m) {
        set(op, x, xStride, gateWeight, gateBias, out, outStride, m);
        op.into = LinearOp.Into.STORE;
        op.residual = MemorySegment.NULL;
        op.activation = activation;
        set(up, x, xStride, upWeight, upBias, out, outStride, m);
        gated = true;
        start();
    }

    private static void set(
            LinearOp op,
            MemorySegment x,
            long xStride,
            PackedWeight weight,
            @Nullable MemorySegment bias,
            MemorySegment out,
            long outStride,
            int m) {
        op.x = x;
        op.xStride = xStride;
        op.weight = weight;
        op.bias = bias;
        op.out = out;
        op.outStride = outStride;
        op.m = m;
    }

    private void start() {
        PackedWeight weight = op.weight();
        int m = op.m;
        n = weight.n();
        if (m == 0 || n == 0) {
            return;
        }
        tileRows = products.tileRows(m, n, weight.k(), pool.threads());
        tileCols = products.tileCols(m, n, weight.k(), pool.threads());
        if (gated) {
            tileRows = Math.min(tileRows, GATED_ROWS);
            tileCols = Math.min(tileCols, products.gatedCols(n));
        }
        colTiles = (n + tileCols - 1) / tileCols;
        pool.run(this, (m + tileRows - 1) / tileRows * colTiles);
    }

    @Override
    public void run(int tile, int worker) {
        int row = tile / colTiles * tileRows;
        int col = tile % colTiles * tileCols;
        int rowTo = Math.min(op.m, row + tileRows);
        int colTo = Math.min(n, col + tileCols);
        products.linear(op, row, rowTo, col, colTo, scratch[worker]);
        if (gated) {
            products.linear(up, row, rowTo, col, colTo, scratch[worker]);
        }
    }
}
