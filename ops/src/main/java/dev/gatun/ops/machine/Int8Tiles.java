package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R10;
import static dev.gatun.ops.machine.Gpr.R11;
import static dev.gatun.ops.machine.Gpr.R12;
import static dev.gatun.ops.machine.Gpr.R13;
import static dev.gatun.ops.machine.Gpr.R14;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VBROADCASTSS;
import static dev.gatun.ops.machine.VectorInstruction.VCVTDQ2PS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD213PS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VPBROADCASTD;
import static dev.gatun.ops.machine.VectorInstruction.VPDPBUSD;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;

/**
 * Writes a product of 8-bit matrices, {@link Int8Product}'s:
 *
 * <pre>
 * for each panel of weights, some vectors of columns wide
 *     for each tile of rows
 *         totals = 0, in memory that stays in L1
 *         for each block of 64 steps
 *             sums = -128 times the sums of the block's weights
 *             for each four bytes
 *                 load the panel's vectors of weights
 *                 for each row: broadcast four codes; sums += codes * weights, for each vector
 *             totals = sums * the row's scale of the block + totals
 *         totals * scales of the columns; + bias; + added, or * c
 *         store them
 * </pre>
 *
 * <p>A tile of 8 x 3 has 24 sums, of which a block takes 384 dot products, 24 conversions and 24 multiply-adds: 8 of 9 operations are
 * dot products.
 */
final class Int8Tiles {
    /** Dwords of codes in a block. */
    private static final int STEPS = 16;

    private static final int UNROLL = 4;

    /** Rows that are addressed from one register: once, and with the stride once and twice. */
    private static final int PER_BASE = 3;

    /** Bytes between what is read of a vector's column and what is prefetched, where a panel is read once. */
    private static final int AHEAD = 2048;

    private static final int VECTOR = 64;

    private static final Gpr[] BASES = {RSI, R10, R11};

    private final Assembler asm;
    private final VectorSet set = VectorSet.AVX512;
    private final int rows;
    private final int vectors;

    private Int8Tiles(Assembler asm, int rows, int vectors) {
        this.asm = asm;
        this.rows = rows;
        this.vectors = vectors;
    }

    /**
     * A function of the addresses of parameters, codes, weights, c, bias and added.
     *
     * @param rows of a tile; as many as are left are taken in the last one
     * @param vectors of a panel
     */
    static void write(Assembler asm, int rows, int vectors) {
        new Int8Tiles(asm, rows, vectors).function();
    }

    private void function() {
        var loop = new PanelLoop(asm, set, vectors);
        Label panel = loop.begin();
        asm.mov(RAX, RSI);
        asm.add(RAX, at(RDI, Parameters.SCALES_AT));
        asm.mov(at(RDI, Parameters.NEXT_SCALES), RAX);
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
        tile(rows);
        asm.mov(RAX, at(RDI, Parameters.ROWS_LEFT));
        asm.sub(RAX, rows);
        asm.jmp(next);
        asm.bind(rest);
        for (int r = rows - 1; r > 0; r--) {
            var fewer = new Label();
            asm.cmp(RAX, r);
            asm.j(Condition.NOT_EQUAL, fewer);
            tile(r);
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

    private Address codes(int row, int step) {
        return indexed(BASES[row / PER_BASE], R12, row % PER_BASE).plus(step * Integer.BYTES);
    }

    /** Vectors beyond the third are addressed from the registers that few rows leave. */
    private Address weights(int r, int vector) {
        Gpr base = vector < PER_BASE ? RBX : BASES[bases(r) + vector / PER_BASE - 1];
        return indexed(base, R13, vector % PER_BASE);
    }

    private static int bases(int count) {
        return (count + PER_BASE - 1) / PER_BASE;
    }

    private static Address indexed(Gpr base, Gpr stride, int times) {
        return times == 0 ? at(base) : at(base, stride, times);
    }

    private Address total(int row, int vector) {
        return at(RDI, Parameters.BYTES + (row * vectors + vector) * VECTOR);
    }

    /** r rows from RSI on, their part of c at RCX and of what is added at R9; afterwards those of the next row. */
    private void tile(int r) {
        asm.mov(R12, at(RDI, Parameters.A_STRIDE));
        for (int i = 1; i < bases(r); i++) {
            threeFurther(BASES[i], BASES[i - 1], R12);
        }
        int last = (r - 1) / PER_BASE;
        asm.lea(RDX, at(BASES[last], R12, 1));
        for (int i = r - 1 - last * PER_BASE; i > 0; i--) {
            asm.add(RDX, R12);
        }
        asm.mov(at(RDI, Parameters.NEXT_A), RDX);
        asm.mov(RBX, at(RDI, Parameters.B));
        asm.mov(R13, at(RDI, Parameters.B_VECTOR));
        for (int i = 1; i < bases(vectors); i++) {
            threeFurther(BASES[bases(r) + i - 1], i == 1 ? RBX : BASES[bases(r) + i - 2], R13);
        }
        asm.mov(R14, at(RDI, Parameters.NEXT_SCALES));
        asm.lea(RDX, at(R14, r * Float.BYTES));
        asm.mov(at(RDI, Parameters.NEXT_SCALES), RDX);
        blocks(r);
        scaled(r);
        new Epilogue(asm, set, r, vectors, broadcast(0), this::sum).write();
        asm.mov(RSI, at(RDI, Parameters.NEXT_A));
    }

    private void threeFurther(Gpr to, Gpr from, Gpr stride) {
        asm.lea(to, at(from, stride, 2));
        asm.add(to, stride);
    }

    private void blocks(int r) {
        asm.op(VPXORD, broadcast(0), broadcast(0), broadcast(0));
        for (int i = 0; i < r; i++) {
            for (int v = 0; v < vectors; v++) {
                asm.store(total(i, v), broadcast(0));
            }
        }
        asm.mov(RAX, at(RDI, Parameters.STEPS));
        asm.align(32);
        Label block = asm.here();
        for (int v = 0; v < vectors; v++) {
            for (int i = 0; i < r; i++) {
                asm.op(VMOVUPS, sum(i, v), weights(r, v));
            }
        }
        advanceWeights(r, VECTOR);
        asm.mov(RDX, STEPS / UNROLL);
        asm.align(32);
        Label steps = asm.here();
        for (int u = 0; u < UNROLL; u++) {
            step(r, u);
        }
        advanceWeights(r, UNROLL * VECTOR);
        for (int i = 0; i < bases(r); i++) {
            asm.add(BASES[i], UNROLL * Integer.BYTES);
        }
        asm.sub(RDX, 1);
        asm.j(Condition.NOT_EQUAL, steps);
        fold(r);
        asm.sub(RAX, 1);
        asm.j(Condition.NOT_EQUAL, block);
    }

    private void advanceWeights(int r, int bytes) {
        asm.add(RBX, bytes);
        for (int i = 1; i < bases(vectors); i++) {
            asm.add(BASES[bases(r) + i - 1], bytes);
        }
    }

    private void step(int r, int u) {
        for (int v = 0; v < vectors; v++) {
            asm.op(VMOVUPS, loaded(v), weights(r, v).plus(u * VECTOR));
        }
        if (r == rows && r < set.tileRows()) {
            prefetch(r, u);
        }
        for (int i = 0; i < r; i++) {
            asm.op(VPBROADCASTD, broadcast(i), codes(i, u));
            for (int v = 0; v < vectors; v++) {
                asm.op(VPDPBUSD, sum(i, v), broadcast(i), loaded(v));
            }
        }
    }

    /** What comes soon, where panels are read for one tile of rows only: more rows leave the hardware time to see streams. */
    private void prefetch(int r, int u) {
        for (int v = 0; v < vectors; v++) {
            asm.prefetcht0(weights(r, v).plus(u * VECTOR + AHEAD));
        }
    }

    /** A block's sums into the totals. */
    private void fold(int r) {
        for (int i = 0; i < r; i++) {
            asm.op(VBROADCASTSS, broadcast(i), at(R14, i * Float.BYTES));
            for (int v = 0; v < vectors; v++) {
                asm.op(VCVTDQ2PS, sum(i, v), sum(i, v));
                asm.op(VFMADD213PS, sum(i, v), broadcast(i), total(i, v));
                asm.store(total(i, v), sum(i, v));
            }
        }
        asm.add(R14, at(RDI, Parameters.SCALES_STEP));
    }

    /** Totals times the scales of their columns, which stand behind the last block. */
    private void scaled(int r) {
        for (int v = 0; v < vectors; v++) {
            asm.op(VMOVUPS, loaded(v), weights(r, v));
        }
        for (int i = 0; i < r; i++) {
            for (int v = 0; v < vectors; v++) {
                asm.op(VMULPS, sum(i, v), sum(i, v), loaded(v));
            }
        }
    }
}
