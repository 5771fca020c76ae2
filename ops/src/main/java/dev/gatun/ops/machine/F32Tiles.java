package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R10;
import static dev.gatun.ops.machine.Gpr.R11;
import static dev.gatun.ops.machine.Gpr.R12;
import static dev.gatun.ops.machine.Gpr.R13;
import static dev.gatun.ops.machine.Gpr.R14;
import static dev.gatun.ops.machine.Gpr.R15;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBP;
import static dev.gatun.ops.machine.Gpr.RBX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VBROADCASTSS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD231PS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;

/**
 * Writes a product of F32 matrices, {@code c[rows, panels * vectors] = a[rows, steps] b[steps, panels * vectors]}:
 *
 * <pre>
 * for each panel of b, some vectors wide
 *     for each tile of rows
 *         sums = 0, or those of an earlier call
 *         for each step
 *             load the panel's vectors of b
 *             prefetch a little of the next panel
 *             for each row: broadcast a; sums += a * vector, for each vector
 *         + bias; + added, or * c
 *         store the sums
 * </pre>
 *
 * <p>Lanes are columns of c, so that each element is one chain of fused multiply-adds in the order of the steps. A tile of 8 x 3
 * needs 11 loads for 24 multiply-adds, of which a core does two of each a cycle.
 */
final class F32Tiles {
    /** Rows that are addressed from one register: once, and with the stride once and twice. */
    private static final int PER_BASE = 3;

    /** Bytes between what is read of a vector's column and what is prefetched. */
    private static final int AHEAD = 1024;

    private static final Gpr[] A_BASES = {RSI, R10, R11};

    private final Assembler asm;
    private final VectorSet set;
    private final boolean byColumns;
    private final int rows;
    private final int vectors;

    private F32Tiles(Assembler asm, VectorSet set, boolean byColumns, int rows, int vectors) {
        this.asm = asm;
        this.set = set;
        this.byColumns = byColumns;
        this.rows = rows;
        this.vectors = vectors;
    }

    /**
     * A function of the addresses of parameters, a, b, c, bias and added.
     *
     * @param byColumns whether a's columns are contiguous, not its rows
     * @param rows of a tile; as many as are left are taken in the last one
     * @param vectors of a panel
     */
    static void write(Assembler asm, VectorSet set, boolean byColumns, int rows, int vectors) {
        new F32Tiles(asm, set, byColumns, rows, vectors).function();
    }

    private void function() {
        var loop = new PanelLoop(asm, set, vectors);
        Label panel = loop.begin();
        asm.lea(RAX, at(RDI, Parameters.BYTES));
        asm.mov(at(RDI, Parameters.SUMS), RAX);
        asm.mov(RBP, at(RDI, Parameters.B));
        asm.add(RBP, at(RDI, Parameters.B_PANEL));
        asm.mov(R15, at(RDI, Parameters.PREFETCH));
        asm.mov(RAX, at(RDI, Parameters.ROWS));
        allRows();
        loop.end(panel);
    }

    /** Whole tiles, then one of the rows that are left; RAX is how many there are. */
    private void allRows() {
        var rest = new Label();
        var done = new Label();
        Label next = asm.here();
        asm.mov(at(RDI, Parameters.ROWS_LEFT), RAX);
        asm.cmp(RAX, rows);
        asm.j(Condition.LESS, rest);
        tile(rows, 4);
        asm.mov(RAX, at(RDI, Parameters.ROWS_LEFT));
        asm.sub(RAX, rows);
        asm.jmp(next);
        asm.bind(rest);
        for (int r = rows - 1; r > 0; r--) {
            var fewer = new Label();
            asm.cmp(RAX, r);
            asm.j(Condition.NOT_EQUAL, fewer);
            tile(r, 2);
            asm.jmp(done);
            asm.bind(fewer);
        }
        asm.bind(done);
    }

    private Vec sum(int row, int vector) {
        return set.register(row * vectors + vector);
    }

    private Vec loaded(int vector) {
        return set.register(rows * vectors + vector);
    }

    /** One of the registers that are left, in turn. */
    private Vec broadcast(int row) {
        int left = set.registers() - (rows + 1) * vectors;
        return set.register(set.registers() - 1 - row % left);
    }

    private Address a(int row, int step) {
        if (byColumns) {
            return at(RSI, row * Float.BYTES);
        }
        return indexed(A_BASES[row / PER_BASE], R12, row % PER_BASE).plus(step * Float.BYTES);
    }

    /** Vectors beyond the third are addressed from the registers that few rows leave. */
    private Address b(int r, int vector) {
        int others = byColumns ? 1 : (r + PER_BASE - 1) / PER_BASE;
        Gpr base = vector < PER_BASE ? RBX : A_BASES[others + vector / PER_BASE - 1];
        return indexed(base, R13, vector % PER_BASE);
    }

    private static Address indexed(Gpr base, Gpr stride, int times) {
        return times == 0 ? at(base) : at(base, stride, times);
    }

    /** r rows from RSI on, their part of c at RCX and of what is added at R9; afterwards those of the next row. */
    private void tile(int r, int unroll) {
        asm.mov(R12, at(RDI, Parameters.A_STRIDE));
        int aBases = byColumns ? 1 : (r + PER_BASE - 1) / PER_BASE;
        for (int i = 1; i < aBases; i++) {
            threeFurther(A_BASES[i], A_BASES[i - 1], R12);
        }
        if (byColumns) {
            asm.lea(RDX, at(RSI, r * Float.BYTES));
        } else {
            int last = (r - 1) / PER_BASE;
            asm.lea(RDX, at(A_BASES[last], R12, 1));
            for (int i = r - 1 - last * PER_BASE; i > 0; i--) {
                asm.add(RDX, R12);
            }
        }
        asm.mov(at(RDI, Parameters.NEXT_A), RDX);
        asm.mov(RBX, at(RDI, Parameters.B));
        asm.mov(R13, at(RDI, Parameters.B_VECTOR));
        asm.mov(R14, at(RDI, Parameters.B_STEP));
        int bBases = (vectors + PER_BASE - 1) / PER_BASE;
        for (int i = 1; i < bBases; i++) {
            threeFurther(A_BASES[aBases + i - 1], i == 1 ? RBX : A_BASES[aBases + i - 2], R13);
        }
        begin(r);
        steps(r, unroll, aBases, bBases);
        finish(r);
        asm.mov(RSI, at(RDI, Parameters.NEXT_A));
    }

    private void threeFurther(Gpr to, Gpr from, Gpr stride) {
        asm.lea(to, at(from, stride, 2));
        asm.add(to, stride);
    }

    /** Sums start from zero, or from those of an earlier call. */
    private void begin(int r) {
        for (int i = 0; i < r; i++) {
            for (int v = 0; v < vectors; v++) {
                asm.op(VPXORD, sum(i, v), sum(i, v), sum(i, v));
            }
        }
        Label fresh = unless(F32Product.CONTINUE);
        asm.mov(RDX, at(RDI, Parameters.SUMS_ROW));
        asm.mov(RAX, at(RDI, Parameters.SUMS));
        for (int i = 0; i < r; i++) {
            for (int v = 0; v < vectors; v++) {
                asm.op(VMOVUPS, sum(i, v), at(RAX, v * set.bytes()));
            }
            asm.add(RAX, RDX);
        }
        asm.mov(at(RDI, Parameters.SUMS), RAX);
        asm.bind(fresh);
    }

    private void steps(int r, int unroll, int aBases, int bBases) {
        var few = new Label();
        var end = new Label();
        asm.mov(RAX, at(RDI, Parameters.STEPS));
        asm.sub(RAX, unroll);
        asm.j(Condition.LESS, few);
        asm.align(32);
        Label loop = asm.here();
        for (int u = 0; u < unroll; u++) {
            step(r, u, bBases, aBases);
        }
        advanceA(aBases, unroll);
        asm.sub(RAX, unroll);
        asm.j(Condition.GREATER_OR_EQUAL, loop);
        asm.bind(few);
        asm.add(RAX, unroll);
        asm.j(Condition.EQUAL, end);
        Label one = asm.here();
        step(r, 0, bBases, aBases);
        advanceA(aBases, 1);
        asm.sub(RAX, 1);
        asm.j(Condition.NOT_EQUAL, one);
        asm.bind(end);
    }

    private void advanceA(int aBases, int steps) {
        if (!byColumns) {
            for (int i = 0; i < aBases; i++) {
                asm.add(A_BASES[i], steps * Float.BYTES);
            }
        }
    }

    private void step(int r, int u, int bBases, int aBases) {
        for (int v = 0; v < vectors; v++) {
            asm.op(VMOVUPS, loaded(v), b(r, v));
        }
        if (r == rows) {
            prefetch(r);
        }
        for (int i = 0; i < r; i++) {
            asm.op(VBROADCASTSS, broadcast(i), a(i, u));
            for (int v = 0; v < vectors; v++) {
                asm.op(VFMADD231PS, sum(i, v), broadcast(i), loaded(v));
            }
        }
        asm.add(RBX, R14);
        for (int i = 1; i < bBases; i++) {
            asm.add(A_BASES[aBases + i - 1], R14);
        }
        if (byColumns) {
            asm.add(RSI, R12);
        }
    }

    /** A part of the next panel; or, where panels are read for one tile of rows only, what comes soon in this one. */
    private void prefetch(int r) {
        if (r < set.tileRows()) {
            for (int v = 0; v < vectors; v++) {
                asm.prefetcht0(b(r, v).plus(AHEAD));
            }
            return;
        }
        for (int v = 0; v < vectors; v++) {
            asm.prefetcht0(at(RBP));
            asm.add(RBP, R15);
        }
    }

    private void finish(int r) {
        new Epilogue(asm, set, r, vectors, set.register(set.registers() - 1), this::sum).write();
    }

    private Label unless(int flag) {
        return Epilogue.unless(asm, flag);
    }
}
