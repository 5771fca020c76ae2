package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.MatMulKernels.PITCH;
import static dev.gatun.ops.internal.MatMulKernels.STEPS;
import static dev.gatun.ops.internal.PanelLayout.PANEL;
import static dev.gatun.ops.internal.PanelLayout.ROWS;
import static dev.gatun.ops.internal.PanelLayout.STRIP;
import static dev.gatun.ops.internal.Species.BYTES;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Products by Vector API kernels, the same bits as {@link ScalarMatMul}: lanes are columns of the output, so that each keeps its
 * own chain. Weights are packed once, at load, into columns of one vector; rows of x are copied beside each other as the
 * kernels want them (1/N of the work), and sums are kept in an array until a strip of columns is done. Then one pass adds the
 * bias and what else is asked for, and writes the strip out.
 */
public final class VectorMatMul implements MatMul {
    /** Floats of a that scratch holds, more only where {@link PanelLayout#ROWS} rows need it. */
    private static final int BLOCK_FLOATS = 1 << 19;

    @Override
    public String name() {
        return "vector";
    }

    private static int vectors(int cols) {
        return (cols + LANES - 1) / LANES;
    }

    /** Writes [k, cols] with any strides as [vectors][k][lanes], zeros beyond cols. */
    private static void packColumns(
            MemorySegment from, long fromOffset, long kStride, long colStride, int k, int cols, MemorySegment to) {
        for (int first = 0; first < cols; first += LANES) {
            int count = Math.min(LANES, cols - first);
            long source = fromOffset + first * colStride;
            long target = first * (long) Float.BYTES * k;
            if (count == LANES && colStride == Float.BYTES) {
                copyColumns(from, source, kStride, k, to, target);
            } else {
                PanelLayout.packColumns(from, source, kStride, colStride, k, count, to, target);
            }
        }
    }

    /** A whole vector of columns that lie side by side. */
    private static void copyColumns(
            MemorySegment from, long fromOffset, long kStride, int k, MemorySegment to, long toOffset) {
        from = OffHeap.of(from);
        to = OffHeap.of(to);
        for (int i = 0; i < k; i++) {
            FloatVector.fromMemorySegment(FLOATS, from, fromOffset + i * kStride, ORDER)
                    .intoMemorySegment(to, toOffset + i * BYTES, ORDER);
        }
    }

    @Override
    public long packedByteSize(Tensor weight) {
        return PanelLayout.byteSize(weight);
    }

    @Override
    public PackedWeight pack(Tensor weight, Arena arena) {
        return PanelLayout.pack(weight, arena);
    }

    @Override
    public long packedByteSize(QuantizedMatrix weight) {
        return Compression.byteSize(weight);
    }

    @Override
    public PackedWeight pack(QuantizedMatrix weight, Arena arena) {
        return Compression.pack(weight, arena);
    }

    @Override
    public long scratchByteSize() {
        return STEPS * MatMulKernels.VECTORS * BYTES;
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
        assert colFrom % PANEL == 0;
        PackedWeight weight = op.weight();
        int k = weight.k();
        int blockRows = blockRows(k);
        float[] c = scratch.c(padded(Math.min(blockRows, rowTo - rowFrom)) * PITCH);
        for (int row = rowFrom; row < rowTo; row += blockRows) {
            int rows = Math.min(blockRows, rowTo - row);
            float[] a = copyRows(op.x, row * op.xStride, op.xStride, rows, k, scratch);
            for (int col = colFrom; col < colTo; ) {
                int cols = strip(colTo - col);
                zero(c, rows, vectors(cols));
                if (weight instanceof PanelWeight w) {
                    strip(w, col / LANES, vectors(cols), rows, a, c);
                } else if (weight instanceof CompressedWeight w) {
                    strip(w, col / LANES, vectors(cols), rows, a, c, scratch.segment());
                } else {
                    throw new IllegalArgumentException(
                            "linear: the weight was packed by another backend than " + name());
                }
                write(op, row, rows, col, cols, c);
                op.finish(row, row + rows, col, col + cols);
                col += cols;
            }
        }
    }

    /** The sums of {@code vectors} columns from column {@code first}. */
    private static void strip(PanelWeight w, int first, int vectors, int rows, float[] a, float[] c) {
        int k = w.k();
        for (int at = 0; at < k; at += STEPS) {
            int steps = Math.min(STEPS, k - at);
            for (int v = 0; v < vectors; ) {
                int width = width(rows, vectors - v);
                long from = ((first + v) * (long) k + at) * BYTES;
                tiles(rows, width, steps, a, aAt(rows, at), w.segment(), from, k * BYTES, c, v * LANES);
                v += width;
            }
        }
    }

    /** The same of a compressed weight: one row by kernels of its own, more by way of scratch, decoded once for all of them. */
    private static void strip(
            CompressedWeight w, int first, int vectors, int rows, float[] a, float[] c, MemorySegment scratch) {
        int k = w.k();
        long columnBytes = w.layout().columnBytes(k);
        if (k % 2 == 1) {
            a[aAt(rows, k / STEPS * STEPS) + k % STEPS] = 0f; // times the -0 after an odd k: a sum keeps its bits
        }
        for (int v = 0; v < vectors; ) {
            int width = rows == 1 ? Math.min(vectors - v, w.layout().rowVectors()) : width(rows, vectors - v);
            long column = (first + v) * columnBytes;
            for (int at = 0; at < k; at += STEPS) {
                int steps = Math.min(STEPS, k - at);
                long from = column + w.layout().columnBytes(at);
                int aAt = aAt(rows, at);
                if (rows == 1) {
                    CompressedKernels.row(
                            w.layout(), width, steps, a, aAt, w.segment(), from, columnBytes, c, v * LANES);
                } else {
                    for (int j = 0; j < width; j++) {
                        long to = (long) j * STEPS * BYTES;
                        CompressedKernels.decode(w.layout(), steps, w.segment(), from + j * columnBytes, scratch, to);
                    }
                    tiles(rows, width, steps, a, aAt, scratch, 0, STEPS * BYTES, c, v * LANES);
                }
            }
            v += width;
        }
    }

    /** Rows of a block: scratch has room for all of k. */
    private static int blockRows(int k) {
        int steps = Math.max(1, (k + STEPS - 1) / STEPS);
        return Math.clamp(BLOCK_FLOATS / ((long) steps * PITCH) / ROWS * ROWS, ROWS, PanelLayout.BLOCK_ROWS);
    }

    /** Columns of the next strip; not so many that one vector is left, whose tile would wait for its own sums. */
    private static int strip(int cols) {
        return cols <= STRIP ? cols : cols <= STRIP + LANES ? STRIP - PANEL : STRIP;
    }

    /** Vectors of the next tile: 3, but 2 and 2 for the last 4; 6 for a single row. */
    private static int width(int rows, int vectors) {
        if (rows == 1 && vectors >= MatMulKernels.ONE_ROW_VECTORS) {
            return MatMulKernels.ONE_ROW_VECTORS;
        }
        return vectors == 4 ? 2 : Math.min(vectors, MatMulKernels.VECTORS);
    }

    /** Rows of the tile that the next {@code rows} rows begin with. */
    private static int tileRows(int rows) {
        return rows >= ROWS ? ROWS : rows <= 2 ? rows : rows <= 4 ? 4 : 8;
    }

    /** Rows up to the end of the last tile. */
    static int padded(int rows) {
        int rest = rows % ROWS;
        return rest == 0 ? rows : rows - rest + tileRows(rest);
    }

    /** Where the rows of a begin for the steps from {@code at}, a multiple of {@link MatMulKernels#STEPS}. */
    static int aAt(int rows, int at) {
        return at / STEPS * padded(rows) * PITCH;
    }

    /** Rows of x as kernels read them: [k / STEPS][padded rows][PITCH]. */
    private static float[] copyRows(MemorySegment x, long xAt, long xStride, int rows, int k, ProductScratch scratch) {
        float[] a = scratch.a(aAt(rows, k + STEPS - 1));
        for (int at = 0; at < k; at += STEPS) {
            int steps = Math.min(STEPS, k - at);
            int to = aAt(rows, at);
            for (int i = 0; i < rows; i++) {
                long from = xAt + i * xStride + at * (long) Float.BYTES;
                MemorySegment.copy(x, JAVA_FLOAT_UNALIGNED, from, a, to + i * PITCH, steps);
            }
        }
        return a;
    }

    private static void zero(float[] c, int rows, int vectors) {
        int padded = padded(rows);
        for (int i = 0; i < padded; i++) {
            Arrays.fill(c, i * PITCH, i * PITCH + vectors * LANES, 0f);
        }
    }

    /** All rows of one panel and block of k. */
    static void tiles(
            int rows,
            int vectors,
            int k,
            float[] a,
            int aAt,
            MemorySegment b,
            long bAt,
            long bStep,
            float[] c,
            int cAt) {
        for (int row = 0; row < rows; ) {
            int tile = tileRows(rows - row);
            MatMulKernels.tile(tile, vectors, k, a, aAt + row * PITCH, b, bAt, bStep, c, cAt + row * PITCH);
            row += tile;
        }
    }

    static void write(LinearOp op, int row, int rows, int col, int cols, float[] c) {
        for (int i = 0; i < rows; i++) {
            long colAt = col * (long) Float.BYTES;
            long outAt = (row + i) * op.outStride + colAt;
            long residualAt = (row + i) * op.residualStride + colAt;
            if (op.bias != null) {
                addBias(c, i * PITCH, op.bias, colAt, cols);
            }
            switch (op.into) {
                case STORE -> MemorySegment.copy(c, i * PITCH, op.out, JAVA_FLOAT_UNALIGNED, outAt, cols);
                case ADD -> add(c, i * PITCH, op.residual, residualAt, op.out, outAt, cols);
                case MULTIPLY -> multiply(c, i * PITCH, op.out, outAt, cols);
            }
        }
    }

    private static void addBias(float[] c, int cAt, MemorySegment bias, long biasAt, int cols) {
        bias = OffHeap.of(bias);
        int j = 0;
        for (; j <= cols - LANES; j += LANES) {
            FloatVector.fromArray(FLOATS, c, cAt + j)
                    .add(FloatVector.fromMemorySegment(FLOATS, bias, biasAt + j * 4L, ORDER))
                    .intoArray(c, cAt + j);
        }
        for (; j < cols; j++) {
            c[cAt + j] += bias.get(JAVA_FLOAT_UNALIGNED, biasAt + j * 4L);
        }
    }

    private static void add(
            float[] c, int cAt, MemorySegment added, long addedAt, MemorySegment out, long outAt, int cols) {
        added = OffHeap.of(added);
        out = OffHeap.of(out);
        int j = 0;
        for (; j <= cols - LANES; j += LANES) {
            FloatVector.fromArray(FLOATS, c, cAt + j)
                    .add(FloatVector.fromMemorySegment(FLOATS, added, addedAt + j * 4L, ORDER))
                    .intoMemorySegment(out, outAt + j * 4L, ORDER);
        }
        for (; j < cols; j++) {
            float sum = c[cAt + j] + added.get(JAVA_FLOAT_UNALIGNED, addedAt + j * 4L);
            out.set(JAVA_FLOAT_UNALIGNED, outAt + j * 4L, sum);
        }
    }

    private static void multiply(float[] c, int cAt, MemorySegment out, long outAt, int cols) {
        out = OffHeap.of(out);
        int j = 0;
        for (; j <= cols - LANES; j += LANES) {
            FloatVector.fromMemorySegment(FLOATS, out, outAt + j * 4L, ORDER)
                    .mul(FloatVector.fromArray(FLOATS, c, cAt + j))
                    .intoMemorySegment(out, outAt + j * 4L, ORDER);
        }
        for (; j < cols; j++) {
            float product = out.get(JAVA_FLOAT_UNALIGNED, outAt + j * 4L) * c[cAt + j];
            out.set(JAVA_FLOAT_UNALIGNED, outAt + j * 4L, product);
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
            ProductScratch scratch) {
        assert !accumulate || alpha == 1f;
        long bCol = bTransposed ? bStride : Float.BYTES;
        long bStep = bTransposed ? Float.BYTES : bStride;
        int blockRows = blockRows(k);
        float[] sums = scratch.c(padded(Math.min(blockRows, m)) * PITCH);
        for (int batch = 0; batch < count; batch++) {
            for (int row = 0; row < m; row += blockRows) {
                int rows = Math.min(blockRows, m - row);
                float[] left = copyRows(a, aOffset + batch * aBatch + row * aStride, aStride, rows, k, scratch);
                for (int col = 0; col < n; col += PANEL) {
                    int cols = Math.min(PANEL, n - col);
                    zero(sums, rows, vectors(cols));
                    for (int at = 0; at < k; at += STEPS) {
                        int steps = Math.min(STEPS, k - at);
                        long bAt = bOffset + batch * bBatch + col * bCol + at * bStep;
                        packColumns(b, bAt, bStep, bCol, steps, cols, scratch.segment());
                        int leftAt = aAt(rows, at);
                        MemorySegment panel = scratch.segment();
                        tiles(rows, vectors(cols), steps, left, leftAt, panel, 0, steps * BYTES, sums, 0);
                    }
                    long cAt = cOffset + batch * cBatch + row * cStride + col * (long) Float.BYTES;
                    for (int i = 0; i < rows; i++) {
                        long to = cAt + i * cStride;
                        if (accumulate) {
                            add(sums, i * PITCH, c, to, c, to, cols);
                        } else {
                            scale(alpha, sums, i * PITCH, c, to, cols);
                        }
                    }
                }
            }
        }
    }

    private static void scale(float factor, float[] sums, int at, MemorySegment c, long cAt, int cols) {
        c = OffHeap.of(c);
        int j = 0;
        for (; j <= cols - LANES; j += LANES) {
            FloatVector.fromArray(FLOATS, sums, at + j).mul(factor).intoMemorySegment(c, cAt + j * 4L, ORDER);
        }
        for (; j < cols; j++) {
            c.set(JAVA_FLOAT_UNALIGNED, cAt + j * 4L, factor * sums[at + j]);
        }
    }
}
