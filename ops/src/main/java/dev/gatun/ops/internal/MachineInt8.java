package dev.gatun.ops.internal;

import dev.gatun.ops.machine.F32Product;
import dev.gatun.ops.machine.Int8Product;
import dev.gatun.ops.machine.MachineHost;
import java.lang.foreign.MemorySegment;

/** Products in 8 bits by machine code: some rows of x quantised into scratch, then multiplied with all columns. */
public final class MachineInt8 extends Int8Linears implements AutoCloseable {
    /** Columns that go through an activation while they are in L2: 128 x 480 floats are 240 KiB. */
    private static final int STRIP = 480;

    private static final long CODES_AT = Int8Product.PARAMETER_BYTES;

    private static final long SCALES_AT = CODES_AT + MOST_K;

    private static final long SCRATCH_BYTES = SCALES_AT + MOST_K / Int8.BLOCK * (long) Float.BYTES;

    private final Int8Product product;

    /**
     * Asks the CPU.
     *
     * @throws dev.gatun.ops.machine.MachineUnavailableException if such code can't be run here
     */
    public MachineInt8(MachineHost host) {
        product = Int8Product.open(host, Int8.ROUNDING);
    }

    @Override
    public String name() {
        return "machine int8";
    }

    @Override
    public long scratchByteSize() {
        return SCRATCH_BYTES;
    }

    @Override
    public void linear(LinearOp op, int rowFrom, int rowTo, int colFrom, int colTo, ProductScratch scratch) {
        Int8Weight w = weight(op);
        if (product.isClosed() || w.k() == 0) {
            VectorApi.load();
            new VectorInt8().linear(op, rowFrom, rowTo, colFrom, colTo, scratch);
            return;
        }
        int blockRows = blockRows(w.k());
        int strip = op.activation == null ? Math.max(1, colTo - colFrom) : STRIP;
        MemorySegment memory = scratch.segment();
        for (int row = rowFrom; row < rowTo; row += blockRows) {
            int rows = Math.min(blockRows, rowTo - row);
            product.quantize(memory, rows, w.k(), op.x, row * op.xStride, op.xStride, CODES_AT, SCALES_AT);
            for (int col = colFrom; col < colTo; col += strip) {
                int cols = Math.min(strip, colTo - col);
                multiply(op, w, row, rows, col, cols, memory);
                op.finish(row, row + rows, col, col + cols);
            }
        }
    }

    private void multiply(LinearOp op, Int8Weight w, int row, int rows, int col, int cols, MemorySegment memory) {
        MemorySegment bias = op.bias;
        long colAt = col * (long) Float.BYTES;
        product.multiply(
                memory,
                rows,
                cols,
                Int8.blocks(w.k()),
                CODES_AT,
                SCALES_AT,
                rows,
                w.segment(),
                col / Int8Product.LANES * Int8Weight.columnBytes(w.k()),
                bias == null ? MemorySegment.NULL : bias,
                colAt,
                op.residual,
                row * op.residualStride + colAt,
                op.residualStride,
                flags(op),
                op.out,
                row * op.outStride + colAt,
                op.outStride);
    }

    private static int flags(LinearOp op) {
        int into = switch (op.into) {
            case STORE -> 0;
            case ADD -> F32Product.ADD;
            case MULTIPLY -> F32Product.MULTIPLY;
        };
        return into | (op.bias == null ? 0 : F32Product.BIAS);
    }

    @Override
    public void close() {
        product.close();
    }
}
