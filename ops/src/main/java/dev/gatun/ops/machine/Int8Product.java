package dev.gatun.ops.machine;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Products of 8-bit rows and weights, for AVX-512 with VNNI: sums over blocks of 64 are exact integers. Thread-safe; its owner closes
 * it after the last call. Code is written at the first call that needs it.
 *
 * <p>Rows are codes above 128 (1 to 255), four of a block in a dword: 16 apart. Weights lie in columns of 16 output features: of each
 * block 16 ints, -128 times the sum of a feature's codes, then 16 times the four signed codes of each feature that belong to a dword;
 * behind the last block the 16 scales.
 */
public final class Int8Product implements AutoCloseable {
    /** Steps of a block. */
    public static final int BLOCK = 64;

    /** Output features of a column. */
    public static final int LANES = 16;

    /** Bytes of a column's block: the corrections, the codes. */
    public static final int BLOCK_BYTES = LANES * Integer.BYTES + LANES * BLOCK;

    /** Bytes of a column's scales. */
    public static final int SCALE_BYTES = LANES * Float.BYTES;

    /** Bytes of memory, aligned to 64, that a call needs for itself: its parameters, and a tile's totals. */
    public static final long PARAMETER_BYTES = Parameters.BYTES + 25 * 64; // 5 rows of 5 vectors are most

    /**
     * How floats become codes.
     *
     * @param offset added to a scaled float, so that its lowest byte is the code above 128
     * @param mostCode the code of the largest absolute value
     * @param perCode the largest absolute value times this is the scale
     * @param least the largest absolute value below which a block is zeros
     */
    public record Rounding(float offset, float mostCode, float perCode, float least) {}

    private final MachineHost host;
    private final CodeMemory quantize;
    private final MemorySegment quantizeEntry;
    private final AtomicReferenceArray<PanelFunctions> byRows = new AtomicReferenceArray<>(VectorSet.AVX512.tileRows());
    private volatile boolean closed;

    private Int8Product(MachineHost host, CodeMemory quantize) {
        this.host = host;
        this.quantize = quantize;
        this.quantizeEntry = quantize.entry(0);
    }

    /**
     * Writes what quantises rows.
     *
     * @throws MachineUnavailableException if the CPU has no AVX-512 with VNNI
     */
    public static Int8Product open(MachineHost host, Rounding rounding) {
        CpuFeatures cpu = host.cpu();
        if (!cpu.vnni()) {
            throw new MachineUnavailableException("machine code: 8-bit products need AVX-512 with VNNI: AVX-512 "
                    + cpu.avx512() + ", VNNI " + cpu.vnni());
        }
        var written = new NamedCode("int8");
        QuantizeRows.write(written.begin("quantize"), rounding);
        return new Int8Product(host, host.load(written));
    }

    /** Whether it can't be called any more. */
    public boolean isClosed() {
        return closed;
    }

    /**
     * Codes and scales of rows. Offsets and strides are in bytes; sizes are at least 1.
     *
     * @param scratch takes {@link #PARAMETER_BYTES} from its start for this call alone, and codes and scales
     * @param x [rows, k], rows {@code xStride} apart
     * @param codesAt [rows][blocks][64 bytes]
     * @param scalesAt [blocks][rows] floats
     * @throws IndexOutOfBoundsException if an operand reaches beyond its segment
     * @throws IllegalStateException if this, or memory of an operand, is closed
     */
    public void quantize(
            MemorySegment scratch,
            int rows,
            int k,
            MemorySegment x,
            long xAt,
            long xStride,
            long codesAt,
            long scalesAt) {
        int blocks = (k + BLOCK - 1) / BLOCK;
        checkRows("x", x, xAt, rows, xStride, k * (long) Float.BYTES);
        check("codes", scratch, codesAt, (long) rows * blocks * BLOCK);
        check("scales", scratch, scalesAt, (long) rows * blocks * Float.BYTES);
        scratch.set(JAVA_LONG, QuantizeRows.X_AT, xAt);
        scratch.set(JAVA_LONG, QuantizeRows.CODES_AT, codesAt);
        scratch.set(JAVA_LONG, QuantizeRows.SCALES_AT, scalesAt);
        scratch.set(JAVA_LONG, QuantizeRows.ROWS, rows);
        scratch.set(JAVA_LONG, QuantizeRows.X_STRIDE, xStride);
        scratch.set(JAVA_LONG, QuantizeRows.CODES_STRIDE, (long) blocks * BLOCK);
        scratch.set(JAVA_LONG, QuantizeRows.SCALES_STEP, (long) rows * Float.BYTES);
        scratch.set(JAVA_LONG, QuantizeRows.BLOCKS, k / BLOCK);
        int rest = k % BLOCK;
        scratch.set(JAVA_LONG, QuantizeRows.MASKS, rest == 0 ? 0 : -1L >>> BLOCK - rest);
        FunctionCall.call(quantizeEntry, scratch, x);
    }

    /**
     * out[rows, cols] = codes times weights, scaled, and what {@code flags} add to it. Offsets and strides are in bytes; sizes are at
     * least 1.
     *
     * @param scratch takes {@link #PARAMETER_BYTES} from its start for this call alone, and has codes and scales
     * @param codesAt [rows][blocks][64 bytes]
     * @param scalesAt [blocks][scaleRows] floats, from the first row's on
     * @param weights whole columns, all blocks of one after another
     * @param bias [cols], read with {@link F32Product#BIAS}
     * @param added [rows, cols], read with {@link F32Product#ADD}; may be out
     * @param flags a sum of {@link F32Product}'s BIAS, ADD and MULTIPLY
     * @throws IndexOutOfBoundsException if an operand reaches beyond its segment
     * @throws IllegalStateException if this, or memory of an operand, is closed
     */
    public void multiply(
            MemorySegment scratch,
            int rows,
            int cols,
            int blocks,
            long codesAt,
            long scalesAt,
            int scaleRows,
            MemorySegment weights,
            long weightsAt,
            MemorySegment bias,
            long biasAt,
            MemorySegment added,
            long addedAt,
            long addedRow,
            int flags,
            MemorySegment out,
            long outAt,
            long outRow) {
        int vectors = (cols + LANES - 1) / LANES;
        long columnBytes = (long) blocks * BLOCK_BYTES + SCALE_BYTES;
        long floats = cols * (long) Float.BYTES;
        check("codes", scratch, codesAt, (long) rows * blocks * BLOCK);
        check("scales", scratch, scalesAt, ((long) scaleRows * (blocks - 1) + rows) * Float.BYTES);
        check("weights", weights, weightsAt, vectors * columnBytes);
        checkRows("out", out, outAt, rows, outRow, floats);
        if ((flags & F32Product.BIAS) != 0) {
            check("bias", bias, biasAt, floats);
        }
        if ((flags & F32Product.ADD) != 0) {
            checkRows("added", added, addedAt, rows, addedRow, floats);
        }
        int tileRows = VectorSet.AVX512.tileRows();
        PanelFunctions functions = functions(Math.min(rows, tileRows));
        scratch.set(JAVA_LONG, Parameters.A_AT, codesAt);
        scratch.set(JAVA_LONG, Parameters.A_STRIDE, (long) blocks * BLOCK);
        scratch.set(JAVA_LONG, Parameters.SCALES_AT, scalesAt - codesAt);
        scratch.set(JAVA_LONG, Parameters.SCALES_STEP, scaleRows * (long) Float.BYTES);
        scratch.set(JAVA_LONG, Parameters.ROWS, rows);
        scratch.set(JAVA_LONG, Parameters.STEPS, blocks);
        scratch.set(JAVA_LONG, Parameters.C_ROW, outRow);
        scratch.set(JAVA_LONG, Parameters.ADDED_ROW, addedRow);
        scratch.set(JAVA_LONG, Parameters.FLAGS, flags);
        int panel = functions.most();
        for (int v = 0; v < vectors; ) {
            int left = vectors - v;
            int width = left == 4 && panel == 3 ? 2 : Math.min(left, panel);
            int panels = width < panel || left % panel != 1 || panel != 3 ? left / width : (left - 4) / panel;
            functions.run(
                    scratch,
                    v,
                    width,
                    panels,
                    cols,
                    LANES,
                    scratch,
                    weights,
                    weightsAt,
                    columnBytes,
                    out,
                    outAt,
                    bias,
                    biasAt,
                    added,
                    addedAt);
            v += panels * width;
        }
    }

    private static void checkRows(String name, MemorySegment segment, long at, long rows, long stride, long bytes) {
        check(name, segment, at, Math.addExact(Math.multiplyExact(rows - 1, stride), bytes));
    }

    private static void check(String name, MemorySegment segment, long at, long bytes) {
        if (at < 0 || bytes < 1 || at > segment.byteSize() - bytes) {
            throw new IndexOutOfBoundsException("machine product: " + bytes + " bytes of " + name + " from " + at
                    + " on are not within " + segment.byteSize() + " bytes");
        }
    }

    private PanelFunctions functions(int rows) {
        PanelFunctions functions = byRows.getPlain(rows - 1);
        return functions != null ? functions : written(rows);
    }

    private synchronized PanelFunctions written(int rows) {
        if (closed) {
            throw new IllegalStateException("machine product: the backend is closed");
        }
        PanelFunctions functions = byRows.get(rows - 1);
        if (functions == null) {
            functions = PanelFunctions.write(
                    host,
                    "int8 " + rows,
                    VectorSet.AVX512.panelVectors(rows),
                    (asm, vectors) -> Int8Tiles.write(asm, rows, vectors));
            byRows.set(rows - 1, functions);
        }
        return functions;
    }

    @Override
    public synchronized void close() {
        closed = true;
        quantize.close();
        for (int i = 0; i < byRows.length(); i++) {
            PanelFunctions functions = byRows.getAndSet(i, null);
            if (functions != null) {
                functions.close();
            }
        }
    }
}
