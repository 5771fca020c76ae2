package dev.gatun.ops.internal;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.openblas.Blas;
import dev.gatun.ops.BackendUnavailableException;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

/**
 * Products by {@code cblas_sgemm} through the generated bindings, on the checkpoint's own bytes; all heads of a layer in one
 * strided batch where the products are large enough for one (else OpenBLAS 0.3.31 crashes, see {@link Blas}). The library divides the work among its own threads, so one output is one tile. Its sums are in an order of its
 * own: equal to the other backends' within rounding, not to the bit.
 */
public final class OpenBlasMatMul implements MatMul {
    /** A product that is multiplied into out is at most this large at a time. */
    private static final int SCRATCH_FLOATS = 1 << 16;

    /** Rows of a weight that is not in F32 are widened so many floats at a time: half a megabyte stays in L2. */
    private static final int WIDENED_FLOATS = 1 << 17;

    /** Floats side by side in a tile: a multiple of every kernel's width. */
    private static final int TILE_COLS = 64;

    /** Multiply-adds of a tile that is worth a thread's start: some 10 us. */
    private static final long LEAST_TILE = 200_000;

    private final Supplier<Blas> library;
    private final boolean inTiles;

    /** Products by {@code blas}, whose threads have been set. */
    public OpenBlasMatMul(Blas blas) {
        this(() -> blas, false);
    }

    /**
     * Products by a library that the first of them asks for.
     *
     * @param inTiles whether our threads share the work, each with a tile of out; the library's own have been set to 1. A thread
     *     of the library's that the system has not put on a core yet makes the others wait for it; of tiles they take more
     */
    public OpenBlasMatMul(Supplier<Blas> library, boolean inTiles) {
        this.library = library;
        this.inTiles = inTiles;
    }

    /** Loads the library if it is not yet: whether it is there. */
    public boolean isThere() {
        try {
            Blas _ = library.get();
            return true;
        } catch (BackendUnavailableException e) {
            return false;
        }
    }

    @Override
    public String name() {
        return "openblas";
    }

    @Override
    public long packedByteSize(Tensor weight) {
        return StridedWeights.byteSize(weight);
    }

    @Override
    public PackedWeight pack(Tensor weight, Arena arena) {
        return StridedWeights.pack(weight, arena);
    }

    @Override
    public long scratchByteSize() {
        return (SCRATCH_FLOATS + (inTiles ? WIDENED_FLOATS : 0)) * (long) Float.BYTES;
    }

    /**
     * A weight of blocks that products widen as they go: slower, and nothing has to be done before the first. It is read where it
     * is, and has to stay there.
     */
    public PackedWeight widened(QuantizedMatrix weight) {
        return new WidenedWeight.Blocks(weight);
    }

    /** The same of a weight of 16-bit floats [n, k], elements of a row adjacent. */
    public PackedWeight widened(Tensor weight) {
        return new WidenedWeight.Floats(weight);
    }

    /** Whether there is scratch for rows of so many weights. */
    public boolean widens(int k) {
        return inTiles && k <= WIDENED_FLOATS;
    }

    @Override
    public int tileRows(int m, int n, int k, int threads) {
        return m;
    }

    @Override
    public int tileCols(int m, int n, int k, int threads) {
        long tiles = inTiles ? Math.min(threads, (long) m * n * k / LEAST_TILE) : 1;
        if (tiles <= 1) {
            return n;
        }
        return (int) Math.min(n, ((n + tiles - 1) / tiles + TILE_COLS - 1) / TILE_COLS * TILE_COLS);
    }

    @Override
    public int gatedCols(int n) {
        return Math.min(n, SCRATCH_FLOATS / 16); // a multiple of TILE_COLS
    }

    @Override
    public boolean batchesHeads() {
        return true;
    }

    @Override
    public void linear(LinearOp op, int rowFrom, int rowTo, int colFrom, int colTo, ProductScratch scratch) {
        switch (op.weight()) {
            case StridedWeight w ->
                linear(
                        op,
                        w.segment(),
                        colFrom * w.rowStride(),
                        w.rowStride(),
                        rowFrom,
                        rowTo,
                        colFrom,
                        colTo,
                        scratch);
            case WidenedWeight w -> {
                long stride = w.k() * (long) Float.BYTES;
                long room = SCRATCH_FLOATS * (long) Float.BYTES;
                int some = WIDENED_FLOATS / Math.max(1, w.k());
                for (int col = colFrom; col < colTo; col += some) {
                    int to = Math.min(colTo, col + some);
                    for (int i = col; i < to; i++) {
                        w.widenRow(i, scratch.block(), scratch.segment(), room + (i - col) * stride);
                    }
                    linear(op, scratch.segment(), room, stride, rowFrom, rowTo, col, to, scratch);
                }
            }
            default ->
                throw new IllegalArgumentException("linear: the weight was packed by another backend than " + name());
        }
    }

    /** With columns {@code colFrom} on of the output, whose weights begin at {@code wAt}. */
    private void linear(
            LinearOp op,
            MemorySegment w,
            long wAt,
            long wStride,
            int rowFrom,
            int rowTo,
            int colFrom,
            int colTo,
            ProductScratch scratch) {
        int cols = colTo - colFrom;
        if (op.into == LinearOp.Into.MULTIPLY) {
            int some = Math.max(1, SCRATCH_FLOATS / cols);
            for (int row = rowFrom; row < rowTo; row += some) {
                multiplyInto(op, w, wAt, wStride, row, Math.min(some, rowTo - row), colFrom, cols, scratch);
            }
        } else {
            long outAt = rowFrom * op.outStride + colFrom * (long) Float.BYTES;
            int rows = rowTo - rowFrom;
            product(op, w, wAt, wStride, rowFrom, rows, colFrom, cols, op.out, outAt, op.outStride, scratch.slices());
        }
        op.finish(rowFrom, rowTo, colFrom, colTo);
    }

    /** What is added, bias and residual, is laid out first; then the product is added to it. */
    private void product(
            LinearOp op,
            MemorySegment w,
            long wAt,
            long wStride,
            int row,
            int rows,
            int col,
            int cols,
            MemorySegment out,
            long outAt,
            long outStride,
            Slices slices) {
        long colAt = col * (long) Float.BYTES;
        MemorySegment bias = op.bias;
        boolean residual = op.into == LinearOp.Into.ADD;
        long residualAt = row * op.residualStride + colAt;
        if (residual && bias != null) {
            op.rows()
                    .add(op.residual, residualAt, op.residualStride, bias, colAt, 0, out, outAt, outStride, rows, cols);
        } else if (residual && !op.residual.equals(out)) {
            copy(op.residual, residualAt, op.residualStride, out, outAt, outStride, rows, cols);
        } else if (bias != null) {
            copy(bias, colAt, 0, out, outAt, outStride, rows, cols);
        }
        library.get()
                .sgemm(
                        false,
                        true,
                        rows,
                        cols,
                        op.weight().k(),
                        1f,
                        slices.of(op.x, row * op.xStride),
                        leading(op.xStride),
                        slices.of(w, wAt),
                        leading(wStride),
                        bias == null && !residual ? 0f : 1f,
                        slices.of(out, outAt),
                        leading(outStride));
    }

    private static void copy(
            MemorySegment from,
            long fromAt,
            long fromStride,
            MemorySegment to,
            long toAt,
            long toStride,
            int rows,
            int cols) {
        for (int i = 0; i < rows; i++) {
            MemorySegment.copy(from, fromAt + i * fromStride, to, toAt + i * toStride, cols * (long) Float.BYTES);
        }
    }

    private void multiplyInto(
            LinearOp op,
            MemorySegment w,
            long wAt,
            long wStride,
            int row,
            int rows,
            int col,
            int cols,
            ProductScratch scratch) {
        MemorySegment product = scratch.segment();
        long stride = cols * (long) Float.BYTES;
        product(op, w, wAt, wStride, row, rows, col, cols, product, 0, stride, scratch.slices());
        long outAt = row * op.outStride + col * (long) Float.BYTES;
        op.rows().multiply(op.out, outAt, op.outStride, product, 0, stride, op.out, outAt, op.outStride, rows, cols);
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
        Slices slices = scratch.slices();
        float beta = accumulate ? 1f : 0f;
        Blas blas = library.get();
        if (count > 1 && blas.batchesInOneCall(m, n, k)) {
            blas.sgemmBatchStrided(
                    false,
                    bTransposed,
                    m,
                    n,
                    k,
                    alpha,
                    slices.of(a, aOffset),
                    leading(aStride),
                    floats(aBatch),
                    slices.of(b, bOffset),
                    leading(bStride),
                    floats(bBatch),
                    beta,
                    slices.of(c, cOffset),
                    leading(cStride),
                    floats(cBatch),
                    count);
            return;
        }
        for (int i = 0; i < count; i++) {
            blas.sgemm(
                    false,
                    bTransposed,
                    m,
                    n,
                    k,
                    alpha,
                    slices.of(a, aOffset + i * aBatch),
                    leading(aStride),
                    slices.of(b, bOffset + i * bBatch),
                    leading(bStride),
                    beta,
                    slices.of(c, cOffset + i * cBatch),
                    leading(cStride));
        }
    }

    /** A leading dimension: BLAS wants at least 1, also of rows without elements. */
    private static int leading(long bytes) {
        return Math.max(1, floats(bytes));
    }

    private static int floats(long bytes) {
        return Math.toIntExact(bytes / Float.BYTES);
    }
}
