package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.VectorWidth.BYTES;
import static dev.gatun.ops.internal.VectorWidth.LANES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.DType;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import dev.gatun.ops.machine.RowPacking;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** How weights are packed for kernels whose lanes are columns of the output, and how a product is cut among threads. */
final class PanelLayout {
    /**
     * Rows of the largest tile: 8 x 3 accumulators where there are 32 vector registers (AVX-512, and all of AArch64), 4 x 3 where
     * there are 16 (AVX2, SSE). A tile reads b once for all its rows: with 8 rows 16 bytes a cycle at the FMA peak, which L2
     * delivers.
     */
    static final int ROWS = LANES == 16 || "aarch64".equals(System.getProperty("os.arch")) ? 8 : 4;

    /** Columns of the widest tile. */
    static final int PANEL = MatMulKernels.VECTORS * LANES;

    /** Columns whose sums stand beside each other in an array before they are written out: whole panels at any width. */
    static final int STRIP = 480;

    /** Rows that share what L2 holds of b: 128 x 512 of a are 264 KiB. */
    static final int BLOCK_ROWS = 128;

    private PanelLayout() {}

    static long byteSize(Tensor weight) {
        if (Compression.is16Bit(weight)) {
            return Compression.byteSize(weight);
        }
        return (weight.dim(0) + LANES - 1) / LANES * BYTES * weight.dim(1);
    }

    /** W [n, k] of any strides as [vectors][k][lanes], zeros beyond n. */
    static PackedWeight pack(Tensor weight, Arena arena) {
        if (Compression.is16Bit(weight)) {
            return Compression.pack(weight, arena);
        }
        int n = weight.dim(0);
        int k = weight.dim(1);
        MemorySegment packed = arena.allocate(byteSize(weight), Tensor.ALIGNMENT);
        try (Arena temporary = Arena.ofConfined()) {
            Tensor source = weight.toF32(temporary);
            long kStride = source.stride(1) * Float.BYTES;
            long rowStride = source.stride(0) * Float.BYTES;
            for (int first = 0; first < n; first += LANES) {
                int count = Math.min(LANES, n - first);
                long to = first * (long) Float.BYTES * k;
                packColumns(source.segment(), first * rowStride, kStride, rowStride, k, count, packed, to);
            }
        }
        return new PanelWeight(packed, LANES, n, k);
    }

    /** The same; rows that lie whole and are not widened by machine code, which knows columns of 16. */
    static PackedWeight pack(Tensor weight, RowPacking code, Arena arena) {
        int n = weight.dim(0);
        int k = weight.dim(1);
        boolean halves = weight.dtype() == DType.BF16;
        int elements = halves ? k / 2 : k;
        boolean whole = weight.stride(1) == 1
                && (weight.dtype() == DType.F32 || halves && k % 2 == 0)
                && elements % RowPacking.SIDE == 0
                && n % RowPacking.SIDE == 0
                && elements > 0;
        if (!whole) {
            return pack(weight, arena);
        }
        MemorySegment packed = arena.allocate(byteSize(weight), Tensor.ALIGNMENT);
        long stride = weight.stride(0) * weight.dtype().byteSize();
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment parameters = temporary.allocate(RowPacking.PARAMETER_BYTES, Tensor.ALIGNMENT);
            int squares = elements / RowPacking.SIDE;
            for (int row = 0; row < n; row += RowPacking.SIDE) {
                long to = row * (long) elements * Integer.BYTES;
                code.pack(parameters, squares, weight.segment(), row * stride, stride, packed, to);
            }
        }
        return halves
                ? new CompressedWeight(packed, CompressedLayout.BF16, n, k)
                : new PanelWeight(packed, LANES, n, k);
    }

    /** Up to a vector of columns, zeros beyond them. */
    static void packColumns(
            MemorySegment from,
            long fromAt,
            long kStride,
            long colStride,
            int k,
            int count,
            MemorySegment to,
            long toAt) {
        for (int i = 0; i < k; i++) {
            for (int j = 0; j < LANES; j++) {
                float value = j < count ? from.get(JAVA_FLOAT_UNALIGNED, fromAt + i * kStride + j * colStride) : 0f;
                to.set(JAVA_FLOAT_UNALIGNED, toAt + i * BYTES + j * (long) Float.BYTES, value);
            }
        }
    }

    /** Whole blocks where there are enough for all threads; then each tile copies its rows of x once. */
    static int tileRows(int m, int threads) {
        if (threads == 1 || m < 2 * ROWS * threads) {
            return m;
        }
        int tile = (m + 4 * threads - 1) / (4 * threads);
        return Math.clamp((tile + ROWS - 1L) / ROWS * ROWS, Math.min(m, 4 * ROWS), BLOCK_ROWS);
    }

    /** Whole panels; wide ones, for each tile of few rows copies them all. */
    static int tileCols(int m, int n, int k, int threads) {
        if (threads == 1 || tileRows(m, threads) < m) {
            return n;
        }
        int panels = (n + PANEL - 1) / PANEL;
        long work = (long) m * n * k;
        int tiles = work < 4_000_000 ? threads : 2 * threads; // 4 million FMAs: some 50 us on one core
        return Math.min(n, (panels + tiles - 1) / tiles * PANEL);
    }

    static int gatedCols(int n) {
        return Math.min(n, STRIP);
    }
}
