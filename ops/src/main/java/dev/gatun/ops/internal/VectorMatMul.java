package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.MatMulKernels.rows1vectors1;
import static dev.gatun.ops.internal.MatMulKernels.rows1vectors2;
import static dev.gatun.ops.internal.MatMulKernels.rows1vectors3;
import static dev.gatun.ops.internal.MatMulKernels.rows4vectors1;
import static dev.gatun.ops.internal.MatMulKernels.rows4vectors2;
import static dev.gatun.ops.internal.MatMulKernels.rows4vectors3;
import static dev.gatun.ops.internal.MatMulKernels.rows8vectors1;
import static dev.gatun.ops.internal.MatMulKernels.rows8vectors2;
import static dev.gatun.ops.internal.MatMulKernels.rows8vectors3;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.DType;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Products by Vector API kernels, the same bits as {@link ScalarMatMul}: lanes are columns of the output, so that each keeps its
 * own chain. A bias starts the chains. Weights are packed once, at load, into panels of three vectors; what cannot be read as whole vectors (a transposed
 * operand, the last columns) is packed into scratch on the way.
 */
public final class VectorMatMul implements MatMul {
    private static final int LANES = Species.FLOATS.length();
    private static final int VECTORS = 3;

    /** Columns of a panel. 8 rows x 3 vectors reach the FMA peak with 32 registers (docs/PERFORMANCE.md). */
    private static final int PANEL = VECTORS * LANES;

    /**
     * Rows of a register tile: 8 x 3 accumulators where there are 32 vector registers (AVX-512, and all of AArch64), 4 x 3 where
     * there are 16 (AVX2, SSE).
     */
    private static final int ROWS = LANES == 16 || "aarch64".equals(System.getProperty("os.arch")) ? 8 : 4;

    /** Steps of k that scratch holds a panel of: 96 KiB at 512 bits, in the L2 of every CPU with such vectors. */
    private static final int SCRATCH_K = 512;

    private static final long PANEL_BYTES = (long) PANEL * Float.BYTES;

    // A thread's scratch: a panel's width of zeros, which are never written; a register tile; a panel of SCRATCH_K
    // steps.
    private static final long TILE_OFFSET = PANEL_BYTES;
    private static final long PANEL_OFFSET = TILE_OFFSET + 8 * PANEL_BYTES;

    @Override
    public String name() {
        return "vector";
    }

    private static int vectors(int cols) {
        return (Math.min(cols, PANEL) + LANES - 1) / LANES;
    }

    @Override
    public long packedByteSize(Tensor weight) {
        int n = weight.dim(0);
        long columns = n / PANEL * (long) PANEL + (long) vectors(n % PANEL) * LANES;
        return columns * weight.dim(1) * Float.BYTES;
    }

    @Override
    public PackedWeight pack(Tensor weight, Arena arena) {
        int n = weight.dim(0);
        int k = weight.dim(1);
        MemorySegment panels = arena.allocate(packedByteSize(weight), Tensor.ALIGNMENT);
        try (Arena temporary = Arena.ofConfined()) {
            Tensor source = weight;
            if (weight.dtype() != DType.F32) {
                source = Tensor.allocate(temporary, DType.F32, weight.shape());
                source.copyFrom(weight);
            }
            for (int column = 0; column < n; column += PANEL) {
                int cols = Math.min(PANEL, n - column);
                pack(
                        source.segment(),
                        column * source.stride(0) * Float.BYTES,
                        source.stride(1) * Float.BYTES,
                        source.stride(0) * Float.BYTES,
                        k,
                        cols,
                        panels,
                        (long) column * k * Float.BYTES);
            }
        }
        return new PanelWeight(panels, PANEL, n, k);
    }

    /** Writes [k, cols] with any strides as k rows of whole vectors, zeros beyond cols. */
    private static void pack(
            MemorySegment from,
            long fromOffset,
            long kStride,
            long colStride,
            int k,
            int cols,
            MemorySegment to,
            long toOffset) {
        int padded = vectors(cols) * LANES;
        for (int i = 0; i < k; i++) {
            long source = fromOffset + i * kStride;
            long target = toOffset + (long) i * padded * Float.BYTES;
            for (int j = 0; j < cols; j++) {
                to.set(
                        JAVA_FLOAT_UNALIGNED,
                        target + j * (long) Float.BYTES,
                        from.get(JAVA_FLOAT_UNALIGNED, source + j * colStride));
            }
            for (int j = cols; j < padded; j++) {
                to.set(JAVA_FLOAT_UNALIGNED, target + j * (long) Float.BYTES, 0f);
            }
        }
    }

    @Override
    public long scratchByteSize() {
        return PANEL_OFFSET + SCRATCH_K * PANEL_BYTES;
    }

    @Override
    public int tileRows(int m, int n, int k, int threads) {
        return threads == 1 ? m : Math.min(m, 128);
    }

    /** Whole panels, about four tiles a thread so that an uneven end costs little, none so small that starting it shows. */
    @Override
    public int tileCols(int m, int n, int k, int threads) {
        if (threads == 1) {
            return n;
        }
        int panels = (n + PANEL - 1) / PANEL;
        int rowTiles = (m + tileRows(m, n, k, threads) - 1) / tileRows(m, n, k, threads);
        int wanted = Math.max(1, panels * rowTiles / (4 * threads));
        long panelWork = (long) Math.min(m, 128) * k * PANEL;
        int least = (int) Math.min(panels, 1 + 500_000 / Math.max(1, panelWork)); // 500,000 FMAs: 10 us on one core
        return Math.min(n, Math.max(wanted, least) * PANEL);
    }

    @Override
    public boolean batchesHeads() {
        return false;
    }

    @Override
    public void linear(
            MemorySegment x,
            long xOffset,
            long xStride,
            PackedWeight weight,
            @Nullable MemorySegment bias,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rowFrom,
            int rowTo,
            int colFrom,
            int colTo,
            MemorySegment scratch,
            long scratchOffset) {
        PanelWeight w = (PanelWeight) weight;
        assert colFrom % PANEL == 0;
        for (int column = colFrom; column < colTo; column += PANEL) {
            int cols = Math.min(PANEL, w.n() - column);
            long colOffset = column * (long) Float.BYTES;
            tiles(
                    rowTo - rowFrom,
                    cols,
                    w.k(),
                    x,
                    xOffset + rowFrom * xStride,
                    xStride,
                    w.segment(),
                    colOffset * w.k(),
                    vectors(cols) * (long) LANES * Float.BYTES,
                    bias == null ? scratch : bias,
                    bias == null ? scratchOffset : colOffset,
                    0,
                    out,
                    outOffset + rowFrom * outStride + colOffset,
                    outStride,
                    scratch,
                    scratchOffset);
        }
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
            MemorySegment scratch,
            long scratchOffset) {
        assert !accumulate || alpha == 1f;
        long bCol = bTransposed ? bStride : Float.BYTES;
        long bStep = bTransposed ? Float.BYTES : bStride;
        for (int batch = 0; batch < count; batch++) {
            long aFirst = aOffset + batch * aBatch;
            long bFirst = bOffset + batch * bBatch;
            long cFirst = cOffset + batch * cBatch;
            for (int column = 0; column < n; column += PANEL) {
                int cols = Math.min(PANEL, n - column);
                boolean inPlace = !bTransposed && cols % LANES == 0;
                int block = inPlace ? Math.max(1, k) : SCRATCH_K;
                long bColumn = bFirst + column * bCol;
                long cColumn = cFirst + column * (long) Float.BYTES;
                int from = 0;
                do { // at least once: k = 0 stores zeros
                    int steps = Math.min(block, k - from);
                    if (!inPlace) {
                        pack(
                                b,
                                bColumn + from * bStep,
                                bStep,
                                bCol,
                                steps,
                                cols,
                                scratch,
                                scratchOffset + PANEL_OFFSET);
                    }
                    boolean fromZero = !accumulate && from == 0;
                    tiles(
                            m,
                            cols,
                            steps,
                            a,
                            aFirst + from * (long) Float.BYTES,
                            aStride,
                            inPlace ? b : scratch,
                            inPlace ? bColumn : scratchOffset + PANEL_OFFSET,
                            inPlace ? bStep : vectors(cols) * (long) LANES * Float.BYTES,
                            fromZero ? scratch : c,
                            fromZero ? scratchOffset : cColumn,
                            fromZero ? 0 : cStride,
                            c,
                            cColumn,
                            cStride,
                            scratch,
                            scratchOffset);
                    from += steps;
                } while (from < k);
            }
            if (alpha != 1f) {
                scale(alpha, m, n, c, cFirst, cStride);
            }
        }
    }

    private static void scale(float alpha, int m, int n, MemorySegment c, long cOffset, long cStride) {
        int whole = Species.FLOATS.loopBound(n);
        for (int i = 0; i < m; i++) {
            long row = cOffset + i * cStride;
            for (int j = 0; j < whole; j += LANES) {
                long at = row + j * (long) Float.BYTES;
                FloatVector.fromMemorySegment(Species.FLOATS, c, at, ByteOrder.LITTLE_ENDIAN)
                        .mul(alpha)
                        .intoMemorySegment(c, at, ByteOrder.LITTLE_ENDIAN);
            }
            for (int j = whole; j < n; j++) {
                long at = row + j * (long) Float.BYTES;
                c.set(JAVA_FLOAT_UNALIGNED, at, alpha * c.get(JAVA_FLOAT_UNALIGNED, at));
            }
        }
    }

    /**
     * All rows of one panel, a register tile at a time: c = start + a b. Where cols are not whole vectors, a tile is started and
     * stored by way of scratch.
     */
    private static void tiles(
            int m,
            int cols,
            int k,
            MemorySegment a,
            long aOffset,
            long aStride,
            MemorySegment b,
            long bOffset,
            long bStep,
            MemorySegment start,
            long startOffset,
            long startStride,
            MemorySegment c,
            long cOffset,
            long cStride,
            MemorySegment scratch,
            long scratchOffset) {
        boolean whole = cols % LANES == 0;
        int vectors = vectors(cols);
        for (int row = 0; row < m; ) {
            int left = m - row;
            int rows = left == 1 ? 1 : left <= 4 ? left : Math.min(left, ROWS);
            long aAt = aOffset + row * aStride;
            long startAt = startOffset + row * startStride;
            long cAt = cOffset + row * cStride;
            if (whole) {
                tile(
                        rows,
                        vectors,
                        k,
                        a,
                        aAt,
                        aStride,
                        b,
                        bOffset,
                        bStep,
                        start,
                        startAt,
                        startStride,
                        c,
                        cAt,
                        cStride);
            } else {
                long tile = scratchOffset + TILE_OFFSET;
                copy(rows, cols, start, startAt, startStride, scratch, tile, PANEL_BYTES);
                tile(
                        rows,
                        vectors,
                        k,
                        a,
                        aAt,
                        aStride,
                        b,
                        bOffset,
                        bStep,
                        scratch,
                        tile,
                        PANEL_BYTES,
                        scratch,
                        tile,
                        PANEL_BYTES);
                copy(rows, cols, scratch, tile, PANEL_BYTES, c, cAt, cStride);
            }
            row += rows;
        }
    }

    private static void copy(
            int rows,
            int cols,
            MemorySegment from,
            long fromOffset,
            long fromStride,
            MemorySegment to,
            long toOffset,
            long toStride) {
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < cols; j++) {
                to.set(
                        JAVA_FLOAT_UNALIGNED,
                        toOffset + i * toStride + j * (long) Float.BYTES,
                        from.get(JAVA_FLOAT_UNALIGNED, fromOffset + i * fromStride + j * (long) Float.BYTES));
            }
        }
    }

    private static void tile(
            int rows,
            int vectors,
            int k,
            MemorySegment a,
            long aAt,
            long aStride,
            MemorySegment b,
            long bAt,
            long bStep,
            MemorySegment start,
            long startAt,
            long startStride,
            MemorySegment c,
            long cAt,
            long cStride) {
        if (rows == 1) {
            switch (vectors) {
                case 1 ->
                    rows1vectors1(1, k, a, aAt, aStride, b, bAt, bStep, start, startAt, startStride, c, cAt, cStride);
                case 2 ->
                    rows1vectors2(1, k, a, aAt, aStride, b, bAt, bStep, start, startAt, startStride, c, cAt, cStride);
                default ->
                    rows1vectors3(1, k, a, aAt, aStride, b, bAt, bStep, start, startAt, startStride, c, cAt, cStride);
            }
        } else if (rows <= 4) {
            switch (vectors) {
                case 1 ->
                    rows4vectors1(
                            rows, k, a, aAt, aStride, b, bAt, bStep, start, startAt, startStride, c, cAt, cStride);
                case 2 ->
                    rows4vectors2(
                            rows, k, a, aAt, aStride, b, bAt, bStep, start, startAt, startStride, c, cAt, cStride);
                default ->
                    rows4vectors3(
                            rows, k, a, aAt, aStride, b, bAt, bStep, start, startAt, startStride, c, cAt, cStride);
            }
        } else {
            switch (vectors) {
                case 1 ->
                    rows8vectors1(
                            rows, k, a, aAt, aStride, b, bAt, bStep, start, startAt, startStride, c, cAt, cStride);
                case 2 ->
                    rows8vectors2(
                            rows, k, a, aAt, aStride, b, bAt, bStep, start, startAt, startStride, c, cAt, cStride);
                default ->
                    rows8vectors3(
                            rows, k, a, aAt, aStride, b, bAt, bStep, start, startAt, startStride, c, cAt, cStride);
            }
        }
    }
}
