package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.R9;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VADDPS;
import static dev.gatun.ops.machine.VectorInstruction.VBROADCASTF32X4;
import static dev.gatun.ops.machine.VectorInstruction.VBROADCASTSS;
import static dev.gatun.ops.machine.VectorInstruction.VDIVPS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VPADDD;
import static dev.gatun.ops.machine.VectorInstruction.VPBROADCASTD;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Attention's queries and its result, 16 of them at a time, between rows that lie anywhere and columns of a matrix whose rows are
 * dimensions:
 *
 * <pre>
 * fromRows:  column[d][i] = row[i][d] * scale
 * toRows:    row[i][d] = column[d][i] * (1 / sum[i]) + 0, but 0 where the sum is 0
 * </pre>
 *
 * and what columns begin with, and scores of keys that they do not see.
 *
 * <p>The first two by squares of 16 x 16 ({@link Square}). For AVX-512. Thread-safe; its owner closes it after the last call.
 */
public final class QueryColumns implements AutoCloseable {
    /** Columns of a call, and dimensions of a square. */
    public static final int SIDE = 16;

    // Of fill and hide.
    private static final int AT = 0;
    private static final int VECTORS = 8;
    private static final int VALUE = 16;
    private static final int KEYS = 24;
    private static final int FIRST_KEY = 32;
    private static final int LOW_AT = 40;
    private static final int HIGH_AT = 48;

    private static final int COLUMNS_AT = 0;
    private static final int SUMS_AT = 8;
    private static final int SQUARES = 16;
    private static final int SCALE = 24;
    private static final int ROWS = 32;

    /** Bytes of memory, aligned to 8, that a call needs for itself. */
    public static final long PARAMETER_BYTES = ROWS + SIDE * Long.BYTES;

    private static final int VECTOR = SIDE * Float.BYTES;
    private static final int QUARTER = Square.QUARTER;

    private final CodeMemory code;
    private final MemorySegment fromRows;
    private final MemorySegment toRows;
    private final MemorySegment fill;
    private final MemorySegment hide;
    private final int columnStep;

    private QueryColumns(CodeMemory code, int columnStep) {
        this.code = code;
        this.fromRows = code.entry(0);
        this.toRows = code.entry(1);
        this.fill = code.entry(2);
        this.hide = code.entry(3);
        this.columnStep = columnStep;
    }

    /**
     * Writes the code.
     *
     * @param columnStep bytes from one dimension of the columns to the next
     * @throws MachineUnavailableException if the CPU has no AVX-512, or the system does not let such code run
     */
    public static QueryColumns open(MachineHost host, int columnStep) {
        if (!host.cpu().avx512()) {
            throw new MachineUnavailableException("machine code: the kernels for attention's columns need AVX-512");
        }
        var written = new NamedCode("attention");
        new Writer(written.begin("rows to columns"), columnStep).fromRows();
        new Writer(written.begin("columns to rows"), columnStep).toRows();
        new Writer(written.begin("fill"), columnStep).fill();
        new Writer(written.begin("hide"), columnStep).hide();
        return new QueryColumns(host.load(written), columnStep);
    }

    /**
     * Sets whole vectors of floats to {@code value}.
     *
     * @param parameters {@link #PARAMETER_BYTES} for this call alone
     * @throws IndexOutOfBoundsException if they are not within the segment
     */
    public void fill(MemorySegment parameters, MemorySegment memory, long at, int vectors, float value) {
        within("filled floats", memory, at, vectors * (long) VECTOR);
        if (vectors < 1) {
            return;
        }
        parameters.set(JAVA_LONG, AT, at);
        parameters.set(JAVA_LONG, VECTORS, vectors);
        parameters.set(JAVA_FLOAT, VALUE, value);
        FunctionCall.call(fill, parameters, memory);
    }

    /**
     * Sets scores [keys, vectors of columns] to -inf where a column does not see the key: it sees those from its low up to before its
     * high.
     *
     * @param parameters {@link #PARAMETER_BYTES} for this call alone
     * @param firstKey number of the first row's key
     * @param lowAt where the columns' lows are, ints of the same segment; {@code highAt} likewise
     * @throws IndexOutOfBoundsException if one of them is not within the segment
     */
    public void hide(
            MemorySegment parameters,
            MemorySegment memory,
            long scoresAt,
            int firstKey,
            int keys,
            int vectors,
            long lowAt,
            long highAt) {
        long row = vectors * (long) VECTOR;
        within("scores", memory, scoresAt, (keys - 1L) * columnStep + row);
        within("lows", memory, lowAt, row);
        within("highs", memory, highAt, row);
        if (keys < 1 || vectors < 1) {
            return;
        }
        parameters.set(JAVA_LONG, AT, scoresAt);
        parameters.set(JAVA_LONG, VECTORS, vectors);
        parameters.set(JAVA_LONG, KEYS, keys);
        parameters.set(JAVA_LONG, FIRST_KEY, firstKey);
        parameters.set(JAVA_LONG, LOW_AT, lowAt);
        parameters.set(JAVA_LONG, HIGH_AT, highAt);
        FunctionCall.call(hide, parameters, memory);
    }

    private static void within(String name, MemorySegment memory, long at, long bytes) {
        if (at < 0 || at > memory.byteSize() - bytes) {
            throw new IndexOutOfBoundsException("attention's columns: " + bytes + " bytes of " + name + " at " + at
                    + " are not within " + memory.byteSize());
        }
    }

    /**
     * Rows to columns, each float times {@code scale}. Offsets in bytes.
     *
     * @param parameters {@link #PARAMETER_BYTES} for this call alone
     * @param squares dimensions / 16
     * @param from with {@link #SIDE} rows at {@code rows}, from index {@code first} on
     * @param to whose columns are at {@code toAt}
     * @throws IndexOutOfBoundsException if one of them is not within its segment
     */
    public void fromRows(
            MemorySegment parameters,
            int squares,
            float scale,
            MemorySegment from,
            long[] rows,
            int first,
            MemorySegment to,
            long toAt) {
        operands(parameters, squares, from, rows, first, to, toAt);
        parameters.set(JAVA_FLOAT, SCALE, scale);
        FunctionCall.call(fromRows, parameters, from, to);
    }

    /**
     * Columns to rows, divided by their sums. Of rows at one place the first is what remains.
     *
     * @param sumsAt where the 16 sums are in {@code from}
     * @param to with {@link #SIDE} rows at {@code rows}, from index {@code first} on
     * @throws IndexOutOfBoundsException if one of them is not within its segment
     */
    public void toRows(
            MemorySegment parameters,
            int squares,
            MemorySegment from,
            long fromAt,
            long sumsAt,
            MemorySegment to,
            long[] rows,
            int first) {
        operands(parameters, squares, to, rows, first, from, fromAt);
        if (sumsAt < 0 || sumsAt > from.byteSize() - VECTOR) {
            throw new IndexOutOfBoundsException(
                    "attention's columns: sums at " + sumsAt + " of " + from.byteSize() + " bytes");
        }
        parameters.set(JAVA_LONG, SUMS_AT, sumsAt);
        FunctionCall.call(toRows, parameters, from, to);
    }

    private void operands(
            MemorySegment parameters,
            int squares,
            MemorySegment byRows,
            long[] rows,
            int first,
            MemorySegment byColumns,
            long columnsAt) {
        long least = rows[first];
        long most = least;
        for (int i = 0; i < SIDE; i++) {
            long row = rows[first + i];
            least = Math.min(least, row);
            most = Math.max(most, row);
            parameters.set(JAVA_LONG, ROWS + i * (long) Long.BYTES, row);
        }
        long columns = (squares * (long) SIDE - 1) * columnStep + VECTOR;
        if (squares < 1
                || least < 0
                || most > byRows.byteSize() - squares * (long) VECTOR
                || columnsAt < 0
                || columnsAt > byColumns.byteSize() - columns) {
            throw new IndexOutOfBoundsException("attention's columns: " + squares + " squares, rows from " + least
                    + " to " + most + " of " + byRows.byteSize() + " bytes, columns at " + columnsAt + " of "
                    + byColumns.byteSize());
        }
        parameters.set(JAVA_LONG, COLUMNS_AT, columnsAt);
        parameters.set(JAVA_LONG, SQUARES, squares);
    }

    @Override
    public void close() {
        code.close();
    }

    /** RSI is read from, RDX written to, RCX squares left. */
    private record Writer(Assembler asm, int columnStep) {
        private static final Vec SCALE_OF_ALL = Vec.zmm(31);
        private static final Vec ZERO = Vec.zmm(30);

        void fromRows() {
            asm.op(VBROADCASTSS, SCALE_OF_ALL, at(RDI, SCALE));
            asm.add(RDX, at(RDI, COLUMNS_AT));
            Label square = begin();
            for (int row = 0; row < SIDE; row++) {
                asm.mov(RAX, at(RDI, ROWS + row * Long.BYTES));
                Square.read(asm, row, at(RSI, RAX, 1));
            }
            for (int quarter = 0; quarter < QUARTER; quarter++) {
                Square.exchange(asm, quarter);
                for (int j = 0; j < QUARTER; j++) {
                    asm.op(VMULPS, Square.exchanged(j), Square.exchanged(j), SCALE_OF_ALL);
                    asm.store(at(RDX, (quarter * QUARTER + j) * columnStep), Square.exchanged(j));
                }
            }
            end(square, VECTOR, SIDE * columnStep);
        }

        void toRows() {
            asm.mov(RAX, at(RDI, SUMS_AT));
            inverses(at(RSI, RAX, 1));
            asm.add(RSI, at(RDI, COLUMNS_AT));
            Label square = begin();
            for (int row = 0; row < SIDE; row++) {
                Square.read(asm, row, at(RSI, row * columnStep));
            }
            for (int quarter = QUARTER - 1; quarter >= 0; quarter--) {
                for (int i = 0; i < QUARTER; i++) {
                    Vec x = Square.quarter(quarter, i);
                    asm.op(VMULPS, x, x, inverse(quarter));
                    asm.opOrZero(VADDPS, x, counts(quarter), x, ZERO);
                }
                Square.exchange(asm, quarter);
                for (int j = QUARTER - 1; j >= 0; j--) {
                    asm.mov(RAX, at(RDI, ROWS + (quarter * QUARTER + j) * Long.BYTES));
                    asm.store(at(RDX, RAX, 1), Square.exchanged(j));
                }
            }
            end(square, SIDE * columnStep, VECTOR);
        }

        void fill() {
            asm.op(VBROADCASTSS, Vec.zmm(0), at(RDI, VALUE));
            asm.add(RSI, at(RDI, AT));
            asm.mov(RCX, at(RDI, VECTORS));
            Label vector = asm.here();
            asm.store(at(RSI), Vec.zmm(0));
            asm.add(RSI, VECTOR);
            asm.sub(RCX, 1);
            asm.j(Condition.NOT_EQUAL, vector);
            asm.vzeroupper();
            asm.ret();
        }

        void hide() {
            Vec hidden = Vec.zmm(0);
            Vec low = Vec.zmm(1);
            Vec high = Vec.zmm(2);
            Vec key = Vec.zmm(3);
            Vec one = Vec.zmm(4);
            ExpCode.load(asm, hidden, Float.NEGATIVE_INFINITY);
            asm.mov(RAX, 1);
            asm.vpbroadcastd(one, RAX);
            asm.mov(RCX, at(RDI, VECTORS));
            asm.mov(R8, at(RDI, LOW_AT));
            asm.add(R8, RSI);
            asm.mov(R9, at(RDI, HIGH_AT));
            asm.add(R9, RSI);
            asm.add(RSI, at(RDI, AT));
            Label vector = asm.here();
            asm.op(VMOVUPS, low, at(R8));
            asm.op(VMOVUPS, high, at(R9));
            asm.op(VPBROADCASTD, key, at(RDI, FIRST_KEY));
            asm.mov(RDX, RSI);
            asm.mov(RAX, at(RDI, KEYS));
            Label row = asm.here();
            asm.vpcmpled(Mask.K1, high, key);
            asm.vpcmpnled(Mask.K2, low, key);
            asm.store(at(RDX), hidden, Mask.K1);
            asm.store(at(RDX), hidden, Mask.K2);
            asm.op(VPADDD, key, key, one);
            asm.add(RDX, columnStep);
            asm.sub(RAX, 1);
            asm.j(Condition.NOT_EQUAL, row);
            for (Gpr pointer : List.of(RSI, R8, R9)) {
                asm.add(pointer, VECTOR);
            }
            asm.sub(RCX, 1);
            asm.j(Condition.NOT_EQUAL, vector);
            asm.vzeroupper();
            asm.ret();
        }

        private Label begin() {
            asm.mov(RCX, at(RDI, SQUARES));
            return asm.here();
        }

        private void end(Label square, int readStep, int writtenStep) {
            asm.add(RSI, readStep);
            asm.add(RDX, writtenStep);
            asm.sub(RCX, 1);
            asm.j(Condition.NOT_EQUAL, square);
            asm.vzeroupper();
            asm.ret();
        }

        /** Of one column's sum each, four times over, for the columns of a quarter. */
        private static Vec inverse(int quarter) {
            return Vec.zmm(26 + quarter);
        }

        /** Where a sum is not 0. */
        private static Mask counts(int quarter) {
            return Mask.of(1 + quarter);
        }

        private void inverses(Address sums) {
            asm.op(VPXORD, ZERO, ZERO, ZERO);
            asm.mov(RCX, Float.floatToRawIntBits(1f));
            asm.vpbroadcastd(Vec.zmm(0), RCX);
            for (int quarter = 0; quarter < QUARTER; quarter++) {
                Vec sum = inverse(quarter);
                asm.op(VBROADCASTF32X4, sum, sums.plus(quarter * QUARTER * Float.BYTES));
                asm.vcmpps(counts(quarter), sum, Comparison.NOT_EQUAL, ZERO);
                asm.opOrZero(VDIVPS, sum, counts(quarter), Vec.zmm(0), sum);
            }
        }
    }
}
