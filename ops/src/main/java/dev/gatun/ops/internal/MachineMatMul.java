package dev.gatun.ops.internal;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Activation;
import dev.gatun.ops.PackedWeight;
import dev.gatun.ops.machine.F32Product;
import dev.gatun.ops.machine.ScoreSoftmax;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Products by machine code that we write, the same bits as {@link VectorMatMul} from the same packed weights: at full speed from
 * the first call, and not slowed by how C2 allots registers. x is read where it lies and out written in place. What there is no
 * machine code for, compressed weights and operands that aren't packed, the vector kernels compute; and everything once this
 * is closed.
 */
public final class MachineMatMul implements MatMul, AutoCloseable {
    /** Rows that share what L2 holds of W, and floats of x that stay there beside it: 384 KiB. */
    private static final int BLOCK_ROWS = 128;

    private static final int BLOCK_FLOATS = 98_304;

    /** Longest k that is summed in one go by several tiles of rows: a panel of 2048 x 48 floats is 384 KiB. */
    private static final int MOST_STEPS = 2048;

    /** Rows that are summed in one go whatever k is: what is read once or twice is not worth keeping in L2. */
    private static final int FEW_ROWS = 16;

    /** k of a block where it is cut. */
    private static final int BLOCK_STEPS = 1024;

    /** Columns that go through an activation while they are in L2: 128 x 480 floats are 240 KiB. */
    private static final int STRIP = 480;

    private static final int SOFTMAX_LANES = 16;

    /** {@link Elementary#expOfScore}. */
    private static final ScoreSoftmax.Exp EXP = new ScoreSoftmax.Exp(
            Elementary.LOG2_E,
            Elementary.ROUND,
            -Elementary.LN2_HIGH,
            Elementary.S3,
            Elementary.S2,
            Elementary.S1,
            Elementary.S0,
            Elementary.EXP_MIN);

    private final VectorMatMul vector = new VectorMatMul();
    private final F32Product product;
    private final @Nullable ScoreSoftmax softmax;

    /**
     * Asks the CPU.
     *
     * @throws dev.gatun.ops.machine.MachineUnavailableException if such code can't be run here
     */
    public MachineMatMul() {
        product = F32Product.open(Species.LANES);
        softmax = Species.LANES == SOFTMAX_LANES ? ScoreSoftmax.open(EXP, (int) AttentionKernels.WIDTH_BYTES) : null;
    }

    @Override
    public String name() {
        return "machine";
    }

    /** For attention. */
    F32Product product() {
        return product;
    }

    /** For attention's weights; null where it is written for other vectors than these. */
    @Nullable
    ScoreSoftmax softmax() {
        return softmax;
    }

    @Override
    public long packedByteSize(Tensor weight) {
        return vector.packedByteSize(weight);
    }

    @Override
    public PackedWeight pack(Tensor weight, Arena arena) {
        return vector.pack(weight, arena);
    }

    @Override
    public long packedByteSize(QuantizedMatrix weight) {
        return vector.packedByteSize(weight);
    }

    @Override
    public PackedWeight pack(QuantizedMatrix weight, Arena arena) {
        return vector.pack(weight, arena);
    }

    /** A call's parameters, then sums of a block of rows and a panel; or what the vector kernels need. */
    @Override
    public long scratchByteSize() {
        long sums = BLOCK_ROWS * (long) product.panelCols() * Float.BYTES;
        return Math.max(F32Product.PARAMETER_BYTES + sums, vector.scratchByteSize());
    }

    @Override
    public int tileRows(int m, int n, int k, int threads) {
        return vector.tileRows(m, n, k, threads);
    }

    @Override
    public int tileCols(int m, int n, int k, int threads) {
        return vector.tileCols(m, n, k, threads);
    }

    @Override
    public int gatedCols(int n) {
        return vector.gatedCols(n);
    }

    @Override
    public boolean batchesHeads() {
        return vector.batchesHeads();
    }

    @Override
    public void linear(LinearOp op, int rowFrom, int rowTo, int colFrom, int colTo, ProductScratch scratch) {
        if (!(op.weight() instanceof PanelWeight weight) || product.isClosed()) {
            vector.linear(op, rowFrom, rowTo, colFrom, colTo, scratch);
            return;
        }
        int to = colTo;
        if (!product.hasMasks() && colTo % product.lanes() != 0) {
            to = colFrom + (colTo - colFrom) / product.panelCols() * product.panelCols();
            vector.linear(op, rowFrom, rowTo, to, colTo, scratch);
        }
        int blockRows = blockRows(weight.k());
        Activation activation = op.activation;
        int strip = activation == null ? Math.max(1, to - colFrom) : STRIP;
        for (int row = rowFrom; row < rowTo; row += blockRows) {
            int rows = Math.min(blockRows, rowTo - row);
            for (int col = colFrom; col < to; col += strip) {
                int cols = Math.min(strip, to - col);
                if (weight.k() == 0) {
                    vector.linear(op, row, row + rows, col, col + cols, scratch);
                    continue;
                }
                if (weight.k() > MOST_STEPS && rows > FEW_ROWS) {
                    blocks(op, weight, row, rows, col, cols, scratch.segment());
                } else {
                    multiply(op, weight, row, rows, col, cols, 0, weight.k(), 0, scratch.segment());
                }
                op.finish(row, row + rows, col, col + cols);
            }
        }
    }

    private int blockRows(int k) {
        int tile = product.tileRows();
        int steps = k > MOST_STEPS ? BLOCK_STEPS : Math.max(1, k);
        return Math.max(tile, Math.min(BLOCK_FLOATS / steps / tile * tile, BLOCK_ROWS));
    }

    /** k cut into blocks; the sums of a panel are in scratch meanwhile, for out may be what is added or multiplied at the end. */
    private void blocks(LinearOp op, PanelWeight w, int row, int rows, int col, int cols, MemorySegment scratch) {
        int panel = product.panelCols();
        for (int c = col; c < col + cols; c += panel) {
            int width = Math.min(panel, col + cols - c);
            int flags = 0;
            int at = 0;
            for (; w.k() - at > BLOCK_STEPS; at += BLOCK_STEPS) {
                sum(op, w, row, rows, c, at, flags, scratch);
                flags = F32Product.CONTINUE;
            }
            multiply(op, w, row, rows, c, width, at, w.k() - at, flags, scratch);
        }
    }

    /** Some steps of a panel, whose vectors are whole, into scratch. */
    private void sum(LinearOp op, PanelWeight w, int row, int rows, int col, int at, int flags, MemorySegment scratch) {
        int lanes = product.lanes();
        int cols = Math.min(product.panelCols(), (w.n() - col + lanes - 1) / lanes * lanes);
        product.multiply(
                scratch,
                rows,
                cols,
                BLOCK_STEPS,
                op.x,
                row * op.xStride + at * (long) Float.BYTES,
                op.xStride,
                false,
                w.segment(),
                column(w, col, at),
                lanes * (long) Float.BYTES,
                w.k() * (long) lanes * Float.BYTES,
                MemorySegment.NULL,
                0,
                MemorySegment.NULL,
                0,
                0,
                flags,
                scratch,
                F32Product.PARAMETER_BYTES,
                product.panelCols() * (long) Float.BYTES);
    }

    /** The last steps of some columns, from {@code at} on, and what becomes of the sums. */
    private void multiply(
            LinearOp op,
            PanelWeight w,
            int row,
            int rows,
            int col,
            int cols,
            int at,
            int steps,
            int flags,
            MemorySegment scratch) {
        int lanes = product.lanes();
        MemorySegment bias = op.bias;
        int into = switch (op.into) {
            case STORE -> 0;
            case ADD -> F32Product.ADD;
            case MULTIPLY -> F32Product.MULTIPLY;
        };
        product.multiply(
                scratch,
                rows,
                cols,
                steps,
                op.x,
                row * op.xStride + at * (long) Float.BYTES,
                op.xStride,
                false,
                w.segment(),
                column(w, col, at),
                lanes * (long) Float.BYTES,
                w.k() * (long) lanes * Float.BYTES,
                bias == null ? MemorySegment.NULL : bias,
                col * (long) Float.BYTES,
                op.residual,
                row * op.residualStride + col * (long) Float.BYTES,
                op.residualStride,
                flags | into | (bias == null ? 0 : F32Product.BIAS),
                op.out,
                row * op.outStride + col * (long) Float.BYTES,
                op.outStride);
    }

    private static long column(PanelWeight w, int col, int at) {
        return (col * (long) w.k() + at * (long) w.lanes()) * Float.BYTES;
    }

    @Override
    public void multiply(
            int count,
            int m,
            int n,
            int k,
            float alpha,
            MemorySegment a,
            long aOffset,
            long aBatch,
            long aStride,
            MemorySegment b,
            long bOffset,
            long bBatch,
            long bStride,
            boolean bTransposed,
            boolean accumulate,
            MemorySegment c,
            long cOffset,
            long cBatch,
            long cStride,
            ProductScratch scratch) {
        vector.multiply(
                count,
                m,
                n,
                k,
                alpha,
                a,
                aOffset,
                aBatch,
                aStride,
                b,
                bOffset,
                bBatch,
                bStride,
                bTransposed,
                accumulate,
                c,
                cOffset,
                cBatch,
                cStride,
                scratch);
    }

    @Override
    public void close() {
        product.close();
        if (softmax != null) {
            softmax.close();
        }
    }
}
