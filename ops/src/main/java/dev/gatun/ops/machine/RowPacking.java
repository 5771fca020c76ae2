package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/**
 * Brings rows of a matrix into columns of 16 rows side by side, elements of 4 bytes, floats or pairs of halves, as they are:
 *
 * <pre>
 * column[i][row] = row[i]
 * </pre>
 *
 * <p>For AVX-512. Thread-safe; its owner closes it after the last call.
 */
public final class RowPacking implements AutoCloseable {
    /** Rows of a column, and elements that a call takes a multiple of. */
    public static final int SIDE = Square.SIDE;

    /** Bytes of memory, aligned to 8, that a call needs for itself. */
    public static final long PARAMETER_BYTES = 32;

    private static final int FROM = 0;
    private static final int STRIDE = 8;
    private static final int TO = 16;
    private static final int SQUARES = 24;

    private static final int VECTOR = SIDE * Integer.BYTES;

    private final CodeMemory code;

    private RowPacking(MachineHost host) {
        var written = new NamedCode("packing");
        write(written.begin("rows"));
        code = host.load(written);
    }

    /**
     * Writes the code.
     *
     * @throws MachineUnavailableException if the CPU has no AVX-512, or the system does not let such code run
     */
    public static RowPacking open(MachineHost host) {
        if (!host.cpu().avx512()) {
            throw new MachineUnavailableException("machine code: packing of rows needs AVX-512");
        }
        return new RowPacking(host);
    }

    /**
     * Sixteen rows, or a part of them, to a column.
     *
     * @param parameters {@link #PARAMETER_BYTES} for this call alone
     * @param squares elements of a row / 16
     * @param stride bytes from one row to the next
     * @throws IndexOutOfBoundsException if rows or column are not within their segment
     */
    public void pack(
            MemorySegment parameters,
            int squares,
            MemorySegment from,
            long fromAt,
            long stride,
            MemorySegment to,
            long toAt) {
        long rowBytes = squares * (long) VECTOR;
        if (squares < 1
                || fromAt < 0
                || stride < 0
                || stride > from.byteSize()
                || fromAt > from.byteSize() - rowBytes - (SIDE - 1) * stride
                || toAt < 0
                || toAt > to.byteSize() - SIDE * rowBytes) {
            throw new IndexOutOfBoundsException("packing rows of " + squares + " squares, " + stride + " bytes apart: "
                    + fromAt + " of " + from.byteSize() + " bytes to " + toAt + " of " + to.byteSize());
        }
        parameters.set(JAVA_LONG, FROM, fromAt);
        parameters.set(JAVA_LONG, STRIDE, stride);
        parameters.set(JAVA_LONG, TO, toAt);
        parameters.set(JAVA_LONG, SQUARES, squares);
        FunctionCall.call(code.entry(0), parameters, from, to);
    }

    /** RSI a square of the first row, RDX its columns, RCX squares left. */
    private static void write(Assembler asm) {
        asm.add(RSI, at(RDI, FROM));
        asm.add(RDX, at(RDI, TO));
        asm.mov(R8, at(RDI, STRIDE));
        asm.mov(RCX, at(RDI, SQUARES));
        Label square = asm.here();
        asm.mov(RAX, RSI);
        for (int row = 0; row < SIDE; row++) {
            Square.read(asm, row, at(RAX));
            asm.add(RAX, R8);
        }
        for (int quarter = 0; quarter < Square.QUARTER; quarter++) {
            Square.exchange(asm, quarter);
            for (int j = 0; j < Square.QUARTER; j++) {
                asm.store(at(RDX, (quarter * Square.QUARTER + j) * VECTOR), Square.exchanged(j));
            }
        }
        asm.add(RSI, VECTOR);
        asm.add(RDX, SIDE * VECTOR);
        asm.sub(RCX, 1);
        asm.j(Condition.NOT_EQUAL, square);
        asm.vzeroupper();
        asm.ret();
    }

    @Override
    public void close() {
        code.close();
    }
}
