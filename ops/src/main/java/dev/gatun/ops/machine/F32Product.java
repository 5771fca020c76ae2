package dev.gatun.ops.machine;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Products of F32 matrices, c[rows, cols] = a[rows, steps] b[steps, cols]: each element one chain of fused multiply-adds in the
 * order of the steps. Thread-safe; its owner closes it after the last call.
 *
 * <p>b lies in vectors of {@link #lanes} columns: of each of which all steps, a fixed distance apart. Code is written at the first
 * call that needs it, in about a millisecond, and for each number of rows up to a tile's: few rows take wider panels of b.
 */
public final class F32Product implements AutoCloseable {
    /** Flag: sums go on from those that stand behind the parameters, [rows, {@link #panelCols}]; cols is at most a panel's. */
    public static final int CONTINUE = 1;

    /** Flag: bias is added to each row after the last step. */
    public static final int BIAS = 2;

    /** Flag: a matrix is added, after the bias; it may be c. */
    public static final int ADD = 4;

    /** Flag: what stands in c is multiplied by the sums, bias included. */
    public static final int MULTIPLY = 8;

    /** Flag: c is multiplied by {@code bias}, column by column, and the sums are added, rounded once; cols are whole vectors. */
    public static final int CORRECT = 16;

    /** Bytes of memory, aligned to 64, that a call needs for itself. */
    public static final long PARAMETER_BYTES = Parameters.BYTES;

    /** Columns of attention's blocks, in vectors: for exactly so many a lower and wider tile is taken. */
    private static final int ATTENTION_VECTORS = 4;

    private final VectorSet set;
    private final MachineHost host;
    private final AtomicReferenceArray<PanelFunctions> byRows;
    private final AtomicReferenceArray<PanelFunctions> byColumns;
    private volatile boolean closed;

    private F32Product(MachineHost host, VectorSet set) {
        this.host = host;
        this.set = set;
        this.byRows = new AtomicReferenceArray<>(set.tileRows());
        this.byColumns = new AtomicReferenceArray<>(set.tileRows());
    }

    /**
     * Kernels for columns in vectors of {@code lanes} floats.
     *
     * @throws MachineUnavailableException if the CPU has no such vectors
     */
    public static F32Product open(MachineHost host, int lanes) {
        CpuFeatures cpu = host.cpu();
        if (lanes == 16 && cpu.avx512()) {
            return new F32Product(host, VectorSet.AVX512);
        }
        if (lanes == 8 && cpu.avx2()) {
            return new F32Product(host, VectorSet.AVX2);
        }
        throw new MachineUnavailableException("machine code: the CPU has no kernels for vectors of " + lanes
                + " floats: AVX2 " + cpu.avx2() + ", AVX-512 " + cpu.avx512());
    }

    /** Whether it can't be called any more. */
    public boolean isClosed() {
        return closed;
    }

    /** Columns of a vector. */
    public int lanes() {
        return set.bytes() / Float.BYTES;
    }

    /** Rows of the largest tile: calls of a multiple of it are the fastest. */
    public int tileRows() {
        return set.tileRows();
    }

    /** Columns of the panels that many rows are multiplied with. */
    public int panelCols() {
        return set.panelVectors(set.tileRows()) * lanes();
    }

    /** Whether cols may be any number, not only whole vectors. */
    public boolean hasMasks() {
        return set.hasMasks();
    }

    /**
     * One product on this thread. Offsets and strides are in bytes; sizes are at least 1.
     *
     * @param parameters {@link #PARAMETER_BYTES} for this call alone, and behind them what {@link #CONTINUE} reads
     * @param aByColumns whether a's columns are contiguous and {@code aStride} is from one to the next; else its rows
     * @param b starts with a vector of columns; all vectors are whole, beyond {@code cols} too
     * @param bStep from one step of a vector to the next
     * @param bVector from one vector to the next
     * @param bias [cols], read with {@link #BIAS} and {@link #CORRECT}
     * @param added [rows, cols], read with {@link #ADD}
     * @param c does not overlap a or b
     * @param flags a sum of the constants here
     * @throws IndexOutOfBoundsException if an operand reaches beyond its segment
     * @throws IllegalStateException if this, or memory of an operand, is closed
     */
    public void multiply(
            MemorySegment parameters,
            int rows,
            int cols,
            int steps,
            MemorySegment a,
            long aAt,
            long aStride,
            boolean aByColumns,
            MemorySegment b,
            long bAt,
            long bStep,
            long bVector,
            MemorySegment bias,
            long biasAt,
            MemorySegment added,
            long addedAt,
            long addedRow,
            int flags,
            MemorySegment c,
            long cAt,
            long cRow) {
        int lanes = lanes();
        int vectors = (cols + lanes - 1) / lanes;
        int rest = cols % lanes;
        if (rest != 0 && !set.hasMasks()) {
            throw new IllegalArgumentException(
                    "machine product: " + cols + " columns are not whole vectors of " + lanes);
        }
        check("a", a, aAt, aByColumns ? steps : rows, aStride, aByColumns ? rows : steps);
        check("b", b, bAt, steps, bStep, lanes);
        check("b", b, bAt + (steps - 1) * bStep, vectors, bVector, lanes);
        check("c", c, cAt, rows, cRow, cols);
        if ((flags & (BIAS | CORRECT)) != 0) {
            check("bias", bias, biasAt, 1, 0, cols);
        }
        if ((flags & ADD) != 0) {
            check("added", added, addedAt, rows, addedRow, cols);
        }
        long sumsRow = panelCols() * (long) Float.BYTES;
        if ((flags & CONTINUE) != 0) {
            check("sums", parameters, PARAMETER_BYTES, rows, sumsRow, panelCols());
        }
        int tileRows = vectors == ATTENTION_VECTORS ? set.attentionRows() : set.tileRows();
        PanelFunctions functions = functions(aByColumns, aByColumns ? tileRows : Math.min(rows, tileRows));
        int panel = functions.most();
        int tiles = (rows + set.tileRows() - 1) / set.tileRows();
        parameters.set(JAVA_LONG, Parameters.A_AT, aAt);
        parameters.set(JAVA_LONG, Parameters.ADDED_ROW, addedRow);
        parameters.set(JAVA_LONG, Parameters.A_STRIDE, aStride);
        parameters.set(JAVA_LONG, Parameters.ROWS, rows);
        parameters.set(JAVA_LONG, Parameters.STEPS, steps);
        parameters.set(JAVA_LONG, Parameters.B_STEP, bStep);
        parameters.set(JAVA_LONG, Parameters.C_ROW, cRow);
        parameters.set(JAVA_LONG, Parameters.FLAGS, flags);
        parameters.set(JAVA_LONG, Parameters.SUMS_ROW, sumsRow);
        parameters.set(JAVA_LONG, Parameters.PREFETCH, aByColumns ? 0 : 64L / tiles);
        for (int v = 0; v < vectors; ) {
            int left = vectors - v;
            int width = left == 4 && panel == 3 ? 2 : Math.min(left, panel);
            int panels = width < panel || left % panel != 1 || panel != 3 ? left / width : (left - 4) / panel;
            functions.run(
                    parameters,
                    v,
                    width,
                    panels,
                    cols,
                    lanes,
                    a,
                    b,
                    bAt,
                    bVector,
                    c,
                    cAt,
                    bias,
                    biasAt,
                    added,
                    addedAt);
            v += panels * width;
        }
    }

    /** All of rows [count, floats], {@code stride} bytes apart, lies in the segment. */
    private static void check(String name, MemorySegment segment, long at, long count, long stride, long floats) {
        long end = Math.addExact(at, Math.addExact(Math.multiplyExact(count - 1, stride), floats * Float.BYTES));
        if (count < 1 || floats < 1 || at < 0 || stride < 0 || end > segment.byteSize()) {
            throw new IndexOutOfBoundsException("machine product: " + name + " of " + count + " x " + floats
                    + " floats, " + stride + " bytes apart from " + at + " on, is not within "
                    + segment.byteSize() + " bytes");
        }
    }

    private PanelFunctions functions(boolean columns, int rows) {
        PanelFunctions functions = (columns ? byColumns : byRows).getPlain(rows - 1);
        return functions != null ? functions : written(columns, rows);
    }

    private synchronized PanelFunctions written(boolean columns, int rows) {
        if (closed) {
            throw new IllegalStateException("machine product: the backend is closed");
        }
        AtomicReferenceArray<PanelFunctions> all = columns ? byColumns : byRows;
        PanelFunctions functions = all.get(rows - 1);
        if (functions == null) {
            functions = PanelFunctions.write(
                    host,
                    "f32 " + rows + (columns ? " by columns" : ""),
                    set.panelVectors(rows),
                    (asm, vectors) -> F32Tiles.write(asm, set, columns, rows, vectors));
            all.set(rows - 1, functions);
        }
        return functions;
    }

    @Override
    public synchronized void close() {
        closed = true;
        close(byRows);
        close(byColumns);
    }

    private static void close(AtomicReferenceArray<PanelFunctions> all) {
        for (int i = 0; i < all.length(); i++) {
            PanelFunctions functions = all.getAndSet(i, null);
            if (functions != null) {
                functions.close();
            }
        }
    }
}
