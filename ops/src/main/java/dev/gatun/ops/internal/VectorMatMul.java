package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.MatMulKernels.rows1vectors1;
import static dev.gatun.ops.internal.MatMulKernels.rows1vectors2;
import static dev.gatun.ops.internal.MatMulKernels.rows1vectors3;
import static dev.gatun.ops.internal.MatMulKernels.rows1vectors4;
import static dev.gatun.ops.internal.MatMulKernels.rows4vectors1;
import static dev.gatun.ops.internal.MatMulKernels.rows4vectors2;
import static dev.gatun.ops.internal.MatMulKernels.rows4vectors3;
import static dev.gatun.ops.internal.MatMulKernels.rows4vectors4;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Products by Vector API kernels, the same bits as {@link ScalarMatMul}: lanes are columns of the output, so that each keeps its
 * own chain. Weights are packed once, at load, into panels of a few vectors; what cannot be read as whole vectors (a transposed
 * operand, the last columns) is packed into scratch on the way.
 */
public final class VectorMatMul implements MatMul {
    private static final int LANES = Species.FLOATS.length();

    /** Rows of a register tile. Why there are no more: see {@link MatMulKernels}. */
    private static final int ROWS = 4;

    /**
     * Vectors of a panel: 4 x 4 accumulators where there are 32 vector registers (AVX-512, and all of AArch64), 4 x 3 where there
     * are 16 (AVX2, SSE).
     */
    private static final int VECTORS = LANES == 16 || "aarch64".equals(System.getProperty("os.arch")) ? 4 : 3;

    /** Columns of a panel. */
    private static final int PANEL = VECTORS * LANES;

    /** Steps of k that scratch holds a panel of: 128 KiB at 512 bits, in the L2 of every CPU with such vectors. */
    private static final int SCRATCH_K = 512;

    private static final long PANEL_BYTES = (long) PANEL * Float.BYTES;

    // A thread's scratch: a register tile, then a panel of SCRATCH_K steps.
    private static final long PANEL_OFFSET = ROWS * PANEL_BYTES;

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
            Tensor source = weight.toF32(temporary);
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
        long rowBytes = vectors(cols) * (long) LANES * Float.BYTES;
        // 16 columns at a time: where columns are rows of a matrix, 2 KiB apart say, more of them would put each other
        // out of L1.
        for (int first = 0; first < cols; first += 16) {
            int end = Math.min(cols, first + 16);
            for (int i = 0; i < k; i++) {
                long source = fromOffset + i * kStride;
                long target = toOffset + i * rowBytes;
                for (int j = first; j < end; j++) {
                    float value = from.get(JAVA_FLOAT_UNALIGNED, source + j * colStride);
                    to.set(JAVA_FLOAT_UNALIGNED, target + j * (long) Float.BYTES, value);
                }
            }
        }
        long colBytes = cols * (long) Float.BYTES;
        for (int i = 0; i < k && colBytes < rowBytes; i++) {
            for (long at = colBytes; at < rowBytes; at += Float.BYTES) {
                to.set(JAVA_FLOAT_UNALIGNED, toOffset + i * rowBytes + at, 0f);
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
            long xStride,
            PackedWeight weight,
            @Nullable MemorySegment bias,
            MemorySegment out,
            long outStride,
            int rowFrom,
            int rowTo,
            int colFrom,
            int colTo,
            MemorySegment scratch,
            long scratchOffset) {
        if (!(weight instanceof PanelWeight w)) {
            throw new IllegalArgumentException("linear: the weight was packed by another backend than " + name());
        }
        assert colFrom % PANEL == 0;
        for (int column = colFrom; column < colTo; column += PANEL) {
            int cols = Math.min(PANEL, w.n() - column);
            long colOffset = column * (long) Float.BYTES;
            tiles(
                    rowTo - rowFrom,
                    cols,
                    w.k(),
                    x,
                    rowFrom * xStride,
                    xStride,
                    w.segment(),
                    colOffset * w.k(),
                    vectors(cols) * (long) LANES * Float.BYTES,
                    1f,
                    bias,
                    colOffset,
                    0,
                    out,
                    rowFrom * outStride + colOffset,
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
                long bColumn = bFirst + column * bCol;
                long cColumn = cFirst + column * (long) Float.BYTES;
                // Rows far apart put each other out of L1: with many rows of a to come, a copy side by side pays.
                boolean apart = m >= 4 * ROWS && k <= SCRATCH_K && bStep > PANEL_BYTES;
                boolean inPlace = !bTransposed && cols % LANES == 0 && !apart;
                if (!inPlace && k > SCRATCH_K) {
                    longChains(
                            m,
                            cols,
                            k,
                            alpha,
                            a,
                            aFirst,
                            aStride,
                            b,
                            bColumn,
                            bStep,
                            bCol,
                            accumulate,
                            c,
                            cColumn,
                            cStride);
                    continue;
                }
                if (!inPlace) {
                    pack(b, bColumn, bStep, bCol, k, cols, scratch, scratchOffset + PANEL_OFFSET);
                }
                tiles(
                        m,
                        cols,
                        k,
                        a,
                        aFirst,
                        aStride,
                        inPlace ? b : scratch,
                        inPlace ? bColumn : scratchOffset + PANEL_OFFSET,
                        inPlace ? bStep : vectors(cols) * (long) LANES * Float.BYTES,
                        alpha,
                        accumulate ? c : null,
                        cColumn,
                        cStride,
                        c,
                        cColumn,
                        cStride,
                        scratch,
                        scratchOffset);
            }
        }
    }

    /** A panel that scratch does not hold, element by element: no model has one, for weights are packed and dK is short. */
    private static void longChains(
            int m,
            int cols,
            int k,
            float alpha,
            MemorySegment a,
            long aOffset,
            long aStride,
            MemorySegment b,
            long bOffset,
            long bStep,
            long bCol,
            boolean accumulate,
            MemorySegment c,
            long cOffset,
            long cStride) {
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < cols; j++) {
                float sum = ScalarMatMul.chain(a, aOffset + i * aStride, b, bOffset + j * bCol, bStep, k);
                long at = cOffset + i * cStride + j * (long) Float.BYTES;
                c.set(JAVA_FLOAT_UNALIGNED, at, accumulate ? sum + c.get(JAVA_FLOAT_UNALIGNED, at) : alpha * sum);
            }
        }
    }

    /**
     * All rows of one panel, a register tile at a time: c = alpha a b + added. A tile goes by way of scratch where cols are not
     * whole vectors, or where c itself is added.
     *
     * @param added rows {@code addedStride} bytes apart, 0 for the same row each time; or null
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
            float alpha,
            @Nullable MemorySegment added,
            long addedOffset,
            long addedStride,
            MemorySegment c,
            long cOffset,
            long cStride,
            MemorySegment scratch,
            long scratchOffset) {
        boolean direct = cols % LANES == 0 && (added == null || addedStride == 0);
        int vectors = vectors(cols);
        for (int row = 0; row < m; ) {
            int rows = Math.min(m - row, ROWS);
            long aAt = aOffset + row * aStride;
            long cAt = cOffset + row * cStride;
            if (direct) {
                tile(rows, vectors, k, a, aAt, aStride, b, bOffset, bStep, c, cAt, cStride);
                if (added != null || alpha != 1f) {
                    finish(rows, cols, alpha, c, cAt, cStride, added, addedOffset, 0, c, cAt, cStride);
                }
            } else {
                tile(rows, vectors, k, a, aAt, aStride, b, bOffset, bStep, scratch, scratchOffset, PANEL_BYTES);
                long addedAt = addedOffset + row * addedStride;
                finish(
                        rows,
                        cols,
                        alpha,
                        scratch,
                        scratchOffset,
                        PANEL_BYTES,
                        added,
                        addedAt,
                        addedStride,
                        c,
                        cAt,
                        cStride);
            }
            row += rows;
        }
    }

    /** c = alpha tile + added. The tile was just written: it is in L1. */
    private static void finish(
            int rows,
            int cols,
            float alpha,
            MemorySegment tile,
            long tileOffset,
            long tileStride,
            @Nullable MemorySegment added,
            long addedOffset,
            long addedStride,
            MemorySegment c,
            long cOffset,
            long cStride) {
        long whole = Species.FLOATS.loopBound(cols) * (long) Float.BYTES;
        long end = cols * (long) Float.BYTES;
        for (int i = 0; i < rows; i++) {
            long from = tileOffset + i * tileStride;
            long add = addedOffset + i * addedStride;
            long to = cOffset + i * cStride;
            for (long at = 0; at < whole; at += Species.BYTES) {
                FloatVector value = FloatVector.fromMemorySegment(Species.FLOATS, tile, from + at, Species.ORDER)
                        .mul(alpha);
                if (added != null) {
                    value = value.add(FloatVector.fromMemorySegment(Species.FLOATS, added, add + at, Species.ORDER));
                }
                value.intoMemorySegment(c, to + at, Species.ORDER);
            }
            for (long at = whole; at < end; at += Float.BYTES) {
                float value = alpha * tile.get(JAVA_FLOAT_UNALIGNED, from + at);
                if (added != null) {
                    value += added.get(JAVA_FLOAT_UNALIGNED, add + at);
                }
                c.set(JAVA_FLOAT_UNALIGNED, to + at, value);
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
            MemorySegment c,
            long cAt,
            long cStride) {
        if (rows == 1) {
            switch (vectors) {
                case 1 -> rows1vectors1(1, k, a, aAt, aStride, b, bAt, bStep, c, cAt, cStride);
                case 2 -> rows1vectors2(1, k, a, aAt, aStride, b, bAt, bStep, c, cAt, cStride);
                case 3 -> rows1vectors3(1, k, a, aAt, aStride, b, bAt, bStep, c, cAt, cStride);
                default -> rows1vectors4(1, k, a, aAt, aStride, b, bAt, bStep, c, cAt, cStride);
            }
        } else {
            switch (vectors) {
                case 1 -> rows4vectors1(rows, k, a, aAt, aStride, b, bAt, bStep, c, cAt, cStride);
                case 2 -> rows4vectors2(rows, k, a, aAt, aStride, b, bAt, bStep, c, cAt, cStride);
                case 3 -> rows4vectors3(rows, k, a, aAt, aStride, b, bAt, bStep, c, cAt, cStride);
                default -> rows4vectors4(rows, k, a, aAt, aStride, b, bAt, bStep, c, cAt, cStride);
            }
        }
    }
}
