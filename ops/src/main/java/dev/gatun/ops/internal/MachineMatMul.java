package dev.gatun.ops.internal;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import dev.gatun.ops.machine.BlockPacking;
import dev.gatun.ops.machine.BlockProduct;
import dev.gatun.ops.machine.F32Product;
import dev.gatun.ops.machine.FewQueries;
import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.RowPacking;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Products by machine code that we write, the same bits as {@link VectorMatMul} from the same packed weights: at full speed from
 * the first call, and not slowed by how C2 allots registers. x is read where it lies and out written in place. Compressed
 * weights are decoded in registers for one row, into scratch for more. What there is no machine code for (F16, edges by AVX2,
 * some operands that aren't packed) the vector kernels multiply; and everything once this is closed.
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

    /** k of a block of compressed weights that is decoded at a time: 3 vectors of 512 are 96 KiB. */
    private static final int DECODED_STEPS = MatMulKernels.STEPS;

    private static final long DECODED_BYTES = DECODED_STEPS * VectorWidth.BYTES;

    /** Of the vectors that all kernels are written for; F32 products alone are for narrower ones too. */
    private static final int AVX512_LANES = 16;

    private final F32Product product;
    private final @Nullable TileCode tileCode;
    private final @Nullable BlockProduct rowProduct;
    private final @Nullable BlockPacking packing;
    private final @Nullable RowPacking rowPacking;
    private volatile @Nullable VectorMatMul vector;

    /**
     * Asks the CPU.
     *
     * @throws dev.gatun.ops.machine.MachineUnavailableException if such code can't be run here
     */
    public MachineMatMul(MachineHost host) {
        product = F32Product.open(host, VectorWidth.LANES);
        boolean wide = VectorWidth.LANES == AVX512_LANES;
        rowProduct = wide ? BlockProduct.open(host) : null;
        packing = wide ? BlockPacking.open(host) : null;
        rowPacking = wide ? RowPacking.open(host) : null;
        tileCode = wide ? TileCode.open(host) : null;
    }

    @Override
    public String name() {
        return "machine";
    }

    /** Whether attention of so many queries, all heads of a key head counted, is machine code, products and all. */
    public boolean hasAttentionCode(int columns, int dK) {
        return tileCode != null && (columns > TileScratch.FEW_COLUMNS || dK >= FewQueries.LEAST_DIMENSIONS);
    }

    /** For attention. */
    F32Product product() {
        return product;
    }

    /** For attention; null where it is written for other vectors than these. */
    @Nullable
    TileCode tileCode() {
        return tileCode;
    }

    @Override
    public long packedByteSize(Tensor weight) {
        return PanelLayout.byteSize(weight);
    }

    @Override
    public PackedWeight pack(Tensor weight, Arena arena) {
        return rowPacking == null || product.isClosed()
                ? PanelLayout.pack(weight, arena)
                : PanelLayout.pack(weight, rowPacking, arena);
    }

    @Override
    public long packedByteSize(QuantizedMatrix weight) {
        return Compression.byteSize(weight);
    }

    @Override
    public PackedWeight pack(QuantizedMatrix weight, Arena arena) {
        BlockPacking.Source source = source(weight);
        if (packing == null || source == null || product.isClosed()) {
            return Compression.pack(weight, arena);
        }
        return Compression.pack(weight, source, packing, arena);
    }

    /** Whether blocks are packed by machine code, at the speed of memory, and what is packed read by it. */
    public boolean packsByCode(QuantizedMatrix weight) {
        return packing != null && source(weight) != null && !product.isClosed();
    }

    private static BlockPacking.@Nullable Source source(QuantizedMatrix weight) {
        if (weight.k() == 0) {
            return null;
        }
        return switch (weight.format()) {
            case Q8_0 -> BlockPacking.Source.Q8_0;
            case Q4_0 -> BlockPacking.Source.Q4_0;
            case Q4_1 -> BlockPacking.Source.Q4_1;
            case Q5_0, Q5_1, Q4_K, Q5_K, Q6_K -> null;
        };
    }

    /** A call's parameters, sums of a block of rows and a panel, a decoded panel: which is more than the vector kernels need. */
    @Override
    public long scratchByteSize() {
        return decodedAt() + product.panelCols() / product.lanes() * DECODED_BYTES;
    }

    @Override
    public int tileRows(int m, int n, int k, int threads) {
        return PanelLayout.tileRows(m, threads);
    }

    @Override
    public int tileCols(int m, int n, int k, int threads) {
        return PanelLayout.tileCols(m, n, k, threads);
    }

    @Override
    public int gatedCols(int n) {
        return PanelLayout.gatedCols(n);
    }

    @Override
    public boolean batchesHeads() {
        return false;
    }

    @Override
    public void linear(LinearOp op, int rowFrom, int rowTo, int colFrom, int colTo, ProductScratch scratch) {
        BlockProduct code = rowTo - rowFrom == 1 ? rowCode(op.weight()) : null;
        if (code != null && op.weight() instanceof CompressedWeight compressed) {
            row(code, op, compressed, rowFrom, colFrom, colTo, scratch.segment());
            op.finish(rowFrom, rowTo, colFrom, colTo);
            return;
        }
        PackedWeight weight = op.weight();
        int k = weight.k();
        if (product.isClosed() || k == 0 || !(weight instanceof PanelWeight || weight instanceof CompressedWeight)) {
            vector().linear(op, rowFrom, rowTo, colFrom, colTo, scratch);
            return;
        }
        int to = colTo;
        if (!product.hasMasks() && colTo % product.lanes() != 0) {
            to = colFrom + (colTo - colFrom) / product.panelCols() * product.panelCols();
            vector().linear(op, rowFrom, rowTo, to, colTo, scratch);
        }
        int blockRows = blockRows(weight instanceof CompressedWeight ? DECODED_STEPS : k);
        int strip = op.activation == null ? Math.max(1, to - colFrom) : STRIP;
        for (int row = rowFrom; row < rowTo; row += blockRows) {
            int rows = Math.min(blockRows, rowTo - row);
            for (int col = colFrom; col < to; col += strip) {
                int cols = Math.min(strip, to - col);
                product(op, weight, row, rows, col, cols, scratch.segment());
                op.finish(row, row + rows, col, col + cols);
            }
        }
    }

    private void product(
            LinearOp op, PackedWeight weight, int row, int rows, int col, int cols, MemorySegment scratch) {
        int k = weight.k();
        if (weight instanceof CompressedWeight compressed) {
            blocks(op, compressed, row, rows, col, cols, scratch);
        } else if (weight instanceof PanelWeight w && k > MOST_STEPS && rows > FEW_ROWS) {
            blocks(op, w, row, rows, col, cols, scratch);
        } else if (weight instanceof PanelWeight w) {
            long vectorBytes = k * (long) product.lanes() * Float.BYTES;
            multiply(op, w.segment(), column(w, col, 0), vectorBytes, row, rows, col, cols, 0, k, 0, scratch);
        }
    }

    /** Whether compressed weights are decoded by machine code: blocks, and BF16 with an even k. */
    public boolean hasBlockCode() {
        return rowProduct != null;
    }

    /** What multiplies one row with a weight; null for none. */
    private @Nullable BlockProduct rowCode(PackedWeight weight) {
        boolean has = weight instanceof CompressedWeight w
                && w.layout() != CompressedLayout.F16
                && w.k() > 0
                && w.k() % w.layout().group() == 0
                && !product.isClosed();
        return has ? rowProduct : null;
    }

    private static void row(
            BlockProduct code, LinearOp op, CompressedWeight w, int row, int col, int colTo, MemorySegment scratch) {
        MemorySegment bias = op.bias;
        code.multiply(
                scratch,
                w.layout().codes(),
                colTo - col,
                w.k(),
                op.x,
                row * op.xStride,
                w.segment(),
                col / VectorWidth.LANES * w.layout().columnBytes(w.k()),
                bias == null ? MemorySegment.NULL : bias,
                col * (long) Float.BYTES,
                op.residual,
                row * op.residualStride + col * (long) Float.BYTES,
                flags(op),
                op.out,
                row * op.outStride + col * (long) Float.BYTES);
    }

    /** What becomes of the sums. */
    private static int flags(LinearOp op) {
        int into = switch (op.into) {
            case STORE -> 0;
            case ADD -> F32Product.ADD;
            case MULTIPLY -> F32Product.MULTIPLY;
        };
        return into | (op.bias == null ? 0 : F32Product.BIAS);
    }

    private int blockRows(int k) {
        int tile = product.tileRows();
        int steps = k > MOST_STEPS ? BLOCK_STEPS : Math.max(1, k);
        return Math.max(tile, Math.min(BLOCK_FLOATS / steps / tile * tile, BLOCK_ROWS));
    }

    /** k cut into blocks; the sums of a panel are in scratch meanwhile, for out may be what is added or multiplied at the end. */
    private void blocks(LinearOp op, PanelWeight w, int row, int rows, int col, int cols, MemorySegment scratch) {
        int panel = product.panelCols();
        long vectorBytes = w.k() * (long) product.lanes() * Float.BYTES;
        for (int c = col; c < col + cols; c += panel) {
            int width = Math.min(panel, col + cols - c);
            int flags = 0;
            int at = 0;
            for (; w.k() - at > BLOCK_STEPS; at += BLOCK_STEPS) {
                sum(op, w.segment(), column(w, c, at), vectorBytes, row, rows, width, at, BLOCK_STEPS, flags, scratch);
                flags = F32Product.CONTINUE;
            }
            multiply(
                    op,
                    w.segment(),
                    column(w, c, at),
                    vectorBytes,
                    row,
                    rows,
                    c,
                    width,
                    at,
                    w.k() - at,
                    flags,
                    scratch);
        }
    }

    /** The same of a compressed weight, a panel's block decoded into scratch for all rows. */
    private void blocks(LinearOp op, CompressedWeight w, int row, int rows, int col, int cols, MemorySegment scratch) {
        CompressedLayout layout = w.layout();
        int k = w.k();
        int panel = product.panelCols();
        int lanes = product.lanes();
        long columnBytes = layout.columnBytes(k);
        for (int c = col; c < col + cols; c += panel) {
            int width = Math.min(panel, col + cols - c);
            for (int at = 0; at < k; at += DECODED_STEPS) {
                int steps = Math.min(DECODED_STEPS, k - at);
                for (int j = 0; j < width; j += lanes) {
                    long from = (c + j) / lanes * columnBytes + layout.columnBytes(at);
                    long to = decodedAt() + j / lanes * DECODED_BYTES;
                    decode(layout, steps, w.segment(), from, scratch, to);
                }
                int flags = at == 0 ? 0 : F32Product.CONTINUE;
                if (at + steps < k) {
                    sum(op, scratch, decodedAt(), DECODED_BYTES, row, rows, width, at, steps, flags, scratch);
                } else {
                    multiply(op, scratch, decodedAt(), DECODED_BYTES, row, rows, c, width, at, steps, flags, scratch);
                }
            }
        }
    }

    private void decode(
            CompressedLayout layout, int steps, MemorySegment weights, long from, MemorySegment scratch, long to) {
        if (rowProduct != null && layout != CompressedLayout.F16 && steps % layout.group() == 0) {
            rowProduct.decode(scratch, layout.codes(), steps, weights, from, scratch, to);
        } else {
            VectorApi.load();
            CompressedKernels.decode(layout, steps, weights, from, scratch, to);
        }
    }

    private long sumsByteSize() {
        return BLOCK_ROWS * (long) product.panelCols() * Float.BYTES;
    }

    /** Where a decoded panel is in scratch. */
    private long decodedAt() {
        return F32Product.PARAMETER_BYTES + sumsByteSize();
    }

    /** Some steps of a panel, whose vectors are whole, into scratch. */
    private void sum(
            LinearOp op,
            MemorySegment b,
            long bAt,
            long bVector,
            int row,
            int rows,
            int cols,
            int at,
            int steps,
            int flags,
            MemorySegment scratch) {
        int lanes = product.lanes();
        product.multiply(
                scratch,
                rows,
                (cols + lanes - 1) / lanes * lanes,
                steps,
                op.x,
                row * op.xStride + at * (long) Float.BYTES,
                op.xStride,
                false,
                b,
                bAt,
                lanes * (long) Float.BYTES,
                bVector,
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
            MemorySegment b,
            long bAt,
            long bVector,
            int row,
            int rows,
            int col,
            int cols,
            int at,
            int steps,
            int flags,
            MemorySegment scratch) {
        MemorySegment bias = op.bias;
        product.multiply(
                scratch,
                rows,
                cols,
                steps,
                op.x,
                row * op.xStride + at * (long) Float.BYTES,
                op.xStride,
                false,
                b,
                bAt,
                product.lanes() * (long) Float.BYTES,
                bVector,
                bias == null ? MemorySegment.NULL : bias,
                col * (long) Float.BYTES,
                op.residual,
                row * op.residualStride + col * (long) Float.BYTES,
                op.residualStride,
                flags | flags(op),
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
        boolean whole = alpha == 1f && !bTransposed && n % product.lanes() == 0 && k > 0;
        if (!whole || product.isClosed()) {
            (VectorApi.isThere() ? vector() : new ScalarMatMul())
                    .multiply(
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
            return;
        }
        for (int i = 0; i < count; i++) {
            product.multiply(
                    scratch.segment(),
                    m,
                    n,
                    k,
                    a,
                    aOffset + i * aBatch,
                    aStride,
                    false,
                    b,
                    bOffset + i * bBatch,
                    bStride,
                    product.lanes() * (long) Float.BYTES,
                    MemorySegment.NULL,
                    0,
                    c,
                    cOffset + i * cBatch,
                    cStride,
                    accumulate ? F32Product.ADD : 0,
                    c,
                    cOffset + i * cBatch,
                    cStride);
        }
    }

    /** Made where it is needed, for most processes never do, and some lack the Vector API. */
    private VectorMatMul vector() {
        VectorMatMul there = vector;
        if (there == null) {
            VectorApi.load();
            there = new VectorMatMul();
            vector = there;
        }
        return there;
    }

    @Override
    public void close() {
        product.close();
        if (tileCode != null) {
            tileCode.close();
        }
        if (rowProduct != null) {
            rowProduct.close();
        }
        if (packing != null) {
            packing.close();
        }
        if (rowPacking != null) {
            rowPacking.close();
        }
    }
}
