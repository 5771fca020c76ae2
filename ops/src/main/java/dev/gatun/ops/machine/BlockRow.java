package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R10;
import static dev.gatun.ops.machine.Gpr.R11;
import static dev.gatun.ops.machine.Gpr.R13;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBP;
import static dev.gatun.ops.machine.Gpr.RBX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD213PS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD231PS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VPANDD;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;
import static dev.gatun.ops.machine.VectorInstruction.VSUBPS;

/**
 * Writes the product of one row with compressed weights, decoded in registers:
 *
 * <pre>
 * for each panel, some vectors of columns wide
 *     sums = 0
 *     for each group
 *         load scales (and minima)
 *         for each int of the group, for each code in it, for each vector of columns
 *             weight = fma(float(code), scale, min)
 *             sums += x * weight
 *     + bias; + added, or * c
 *     store the sums
 * </pre>
 *
 * <p>A code becomes a float where it stands in its int: with the exponent of 2<sup>23 - place</sup> put above it, it is that power
 * plus the code, and a multiply-add takes the power off again. That is exact, so a weight's bits are those of fma(code, scale,
 * min). So a code costs one table of bits ({@code vpternlogd}) and two multiply-adds, and half a rotation: 16 weights in under two
 * cycles.
 */
final class BlockRow {
    /** (a AND b) OR c, of the operands in their order. */
    private static final int AND_OR = 0xEA;
    /** a OR (b AND c). */
    private static final int OR_AND = 0xF8;

    /** Bytes between what is read of a column and what is prefetched: beyond the latency of DRAM at 16 GB/s. */
    private static final int AHEAD = 2048;

    private static final int VECTOR = 64;

    private final Assembler asm;
    private final BlockCodes codes;
    private final int vectors;
    private int constants;

    private BlockRow(Assembler asm, BlockCodes codes, int vectors) {
        this.asm = asm;
        this.codes = codes;
        this.vectors = vectors;
    }

    /** Vectors of the widest panel: 32 registers hold their sums, scales and what else a group has. */
    static int panelVectors(BlockCodes codes) {
        return codes.bits() == 16 ? 8 : codes.highBits() > 0 ? 3 : 4;
    }

    /** A function of the addresses of parameters, x, weights, out, bias and added. */
    static void write(Assembler asm, BlockCodes codes, int vectors) {
        new BlockRow(asm, codes, vectors).function();
    }

    /**
     * A function of the addresses of parameters, weights and out: of one column the weights, a vector for each step. Of the parameters
     * B_AT, C_AT and STEPS.
     */
    static void writeDecoder(Assembler asm, BlockCodes codes) {
        new BlockRow(asm, codes, 1).decoder();
    }

    private void decoder() {
        constants();
        CallFrame.enter(asm);
        asm.mov(RBX, RSI);
        asm.add(RBX, at(RDI, Parameters.B_AT));
        asm.add(RDX, at(RDI, Parameters.C_AT));
        asm.mov(RBP, at(RDI, Parameters.STEPS));
        Label group = asm.here();
        group((v, code, weight) -> asm.store(at(RDX, code * VECTOR), weight));
        asm.add(RDX, codes.group() * VECTOR);
        asm.sub(RBP, codes.group());
        asm.j(Condition.GREATER, group);
        CallFrame.leave(asm);
    }

    /** What is done with the weights of a vector of columns, code by code of a group. */
    private interface Use {
        void write(int v, int code, Vec weight);
    }

    // Registers: a few of each vector of columns, constants from the top.

    private Vec sum(int v) {
        return Vec.zmm(v);
    }

    private Vec scale(int v) {
        return Vec.zmm(vectors + v);
    }

    /** What a code at the lower place is added to: the minimum, or what takes the power and half of the codes off. */
    private Vec low(int v) {
        return Vec.zmm(2 * vectors + v);
    }

    /** Likewise at the upper place. */
    private Vec high(int v) {
        return Vec.zmm(3 * vectors + v);
    }

    /** The ints under way. */
    private Vec ints(int v) {
        return Vec.zmm((codes.bits() == 16 ? 1 : 4) * vectors + v);
    }

    private Vec upperBits(int v) {
        return Vec.zmm(5 * vectors + v);
    }

    private Vec temporary(int i) {
        int first = codes.bits() == 16 ? 2 * vectors : (codes.highBits() > 0 ? 6 : 5) * vectors;
        int count = 32 - first - constants;
        return Vec.zmm(first + i % count);
    }

    private Vec constant(int i) {
        return Vec.zmm(31 - i);
    }

    private boolean isTwofold() {
        return codes.min() || codes.highBits() > 0; // the power is taken off apart
    }

    private int place(int upper) {
        return codes.bits() == 8 ? upper == 0 ? 4 : 12 : upper == 0 ? 8 : 12;
    }

    private static float power(int place) {
        return Math.scalb(1f, 23 - place);
    }

    private void load(int constant, int bits) {
        asm.mov(RAX, bits);
        asm.vpbroadcastd(constant(constant), RAX);
    }

    private static final int MASK = 0;
    private static final int POWER = 2;
    private static final int OFFSET = 4;
    private static final int HIGH_MASK = 6;

    private void constants() {
        if (codes.bits() == 16) {
            load(0, 0xFFFF0000);
            constants = 1;
            return;
        }
        int ones = codes.bits() == 8 ? 0xFF : 0xF;
        for (int upper = 0; upper < 2; upper++) {
            int place = place(upper);
            load(MASK + upper, ones << place);
            load(POWER + upper, Float.floatToRawIntBits(power(place)));
            if (!isTwofold()) {
                load(OFFSET + upper, Float.floatToRawIntBits(-(power(place) + (1 << codes.bits() - 1))));
            }
            if (codes.highBits() > 0) {
                load(HIGH_MASK + upper, (1 << codes.highBits()) - 1 << place + 4);
            }
        }
        constants = codes.highBits() > 0 ? 8 : isTwofold() ? 4 : 6;
        if (codes.highBits() > 0 && !codes.min()) {
            load(OFFSET, Float.floatToRawIntBits(-(float) (1 << codes.bits() - 1)));
        }
    }

    private void function() {
        constants();
        var loop = new PanelLoop(asm, VectorSet.AVX512, vectors);
        Label panel = loop.begin();
        asm.mov(RBX, at(RDI, Parameters.B));
        asm.mov(R13, at(RDI, Parameters.B_VECTOR));
        asm.lea(R10, at(RBX, R13, 2));
        asm.add(R10, R13);
        asm.lea(R11, at(R10, R13, 2));
        asm.add(R11, R13);
        for (int v = 0; v < vectors; v++) {
            asm.op(VPXORD, sum(v), sum(v), sum(v));
        }
        asm.mov(RBP, at(RDI, Parameters.STEPS));
        Label group = asm.here();
        group((v, code, weight) ->
                asm.op(VFMADD231PS, sum(v), weight, at(RSI, code * Float.BYTES).toAllLanes()));
        asm.add(RSI, codes.group() * Float.BYTES);
        asm.sub(RBP, codes.group());
        asm.j(Condition.GREATER, group);
        new Epilogue(asm, VectorSet.AVX512, 1, vectors, temporary(0), (row, v) -> sum(v)).write();
        loop.end(panel);
    }

    /** Where the columns are, three from each base. */
    private Address column(int v) {
        Gpr base = v < 3 ? RBX : v < 6 ? R10 : R11;
        return v % 3 == 0 ? at(base) : at(base, R13, v % 3);
    }

    private void advance(int bytes) {
        asm.add(RBX, bytes);
        if (vectors > 3) {
            asm.add(R10, bytes);
        }
        if (vectors > 6) {
            asm.add(R11, bytes);
        }
    }

    private void group(Use use) {
        if (codes.bits() == 16) {
            floats(use);
            return;
        }
        for (int v = 0; v < vectors; v++) {
            asm.prefetcht0(column(v).plus(AHEAD));
            asm.op(VMOVUPS, scale(v), column(v));
            if (codes.min()) {
                asm.op(VMOVUPS, low(v), column(v).plus(VECTOR));
            } else if (isTwofold()) {
                asm.op(VMULPS, low(v), scale(v), constant(OFFSET));
            } else {
                asm.op(VMULPS, low(v), scale(v), constant(OFFSET));
                asm.op(VMULPS, high(v), scale(v), constant(OFFSET + 1));
            }
            if (codes.highBits() > 0) {
                asm.op(VMOVUPS, upperBits(v), column(v).plus(codes.min() ? 2 * VECTOR : VECTOR));
            }
        }
        int first = codes.groupVectors() - codes.group() / codes.perInt();
        for (int i = 0; i < codes.group() / codes.perInt(); i++) {
            ints(i, (first + i) * VECTOR, use);
        }
        advance(codes.groupVectors() * VECTOR);
    }

    /** The codes of the group's int i, which stands {@code at} bytes from the group's start. */
    private void ints(int i, int at, Use use) {
        for (int v = 0; v < vectors; v++) {
            asm.prefetcht0(column(v).plus(at + AHEAD));
            asm.op(VMOVUPS, ints(v), column(v).plus(at));
        }
        int perPlace = codes.bits() == 8 ? 16 : 8;
        int used = 0;
        for (int code = 0; code < codes.perInt(); code++) {
            int upper = code % 2;
            if (upper == 0 && code > 0) {
                for (int v = 0; v < vectors; v++) {
                    asm.vprord(ints(v), ints(v), perPlace);
                }
            }
            for (int v = 0; v < vectors; v++) {
                Vec weight = temporary(used++);
                asm.op(VMOVUPS, weight, ints(v));
                asm.vpternlogd(weight, constant(MASK + upper), constant(POWER + upper), AND_OR);
                if (codes.highBits() > 0) {
                    Vec bits = temporary(used++);
                    // bit highBits * (i * perInt + code) of the upper bits goes to place + 4
                    int from = codes.highBits() * (i * codes.perInt() + code);
                    int to = place(upper) + 4;
                    asm.vprord(bits, upperBits(v), from - to & 31);
                    asm.vpternlogd(weight, bits, constant(HIGH_MASK + upper), OR_AND);
                }
                if (isTwofold()) {
                    asm.op(VSUBPS, weight, weight, constant(POWER + upper));
                }
                asm.op(VFMADD213PS, weight, scale(v), isTwofold() || upper == 0 ? low(v) : high(v));
                use.write(v, i * codes.perInt() + code, weight);
            }
        }
    }

    /** Two BF16 of each column. */
    private void floats(Use use) {
        for (int v = 0; v < vectors; v++) {
            asm.prefetcht0(column(v).plus(AHEAD));
            asm.op(VMOVUPS, ints(v), column(v));
            asm.vpslld(temporary(v), ints(v), 16);
            use.write(v, 0, temporary(v));
        }
        for (int v = 0; v < vectors; v++) {
            asm.op(VPANDD, ints(v), ints(v), constant(0));
            use.write(v, 1, ints(v));
        }
        advance(VECTOR);
    }
}
