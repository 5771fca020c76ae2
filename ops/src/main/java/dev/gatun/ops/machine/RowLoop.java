package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R10;
import static dev.gatun.ops.machine.Gpr.R11;
import static dev.gatun.ops.machine.Gpr.R12;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.R9;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.Gpr.RSP;

/**
 * How a kernel on rows begins, and its loops over a row's vectors; the arguments are those of {@link FunctionCall#rows}. Then there
 * are x in RDI, b in RSI, c in RDX, out in RCX, the strides of x and out in R8 and R9, rows in R10, the bytes of a row's whole vectors
 * in R11, of its columns beyond them the bits in K1 and R12.
 */
record RowLoop(Assembler asm) {
    static final int VECTOR = 64;

    /** What is on the stack above the return address and the registers that a function saves. */
    private static final int ARGUMENTS = 56;

    /** Parts of a row. */
    interface Part {
        /** Of one vector, RAX bytes from the row's start; of the lanes of a mask, {@link Mask#K0} being all. */
        void write(Mask mask);
    }

    /** A number of the call, from the offset of x on. */
    private static Address argument(int i) {
        return at(RSP, ARGUMENTS + 8 * (2 + i));
    }

    /** One of the numbers of the call, a float, in all lanes. */
    void number(Vec to, int i) {
        asm.op(VectorInstruction.VBROADCASTSS, to, argument(7 + i));
    }

    /** The same as an integer. */
    void number(Gpr to, int i) {
        asm.mov(to, argument(7 + i));
    }

    /** Bytes from one row of b, and of c, to the next. */
    void secondStride(Gpr to) {
        asm.mov(to, argument(4));
    }

    void enter() {
        CallFrame.enter(asm);
        asm.mov(R8, argument(-2));
        asm.mov(R9, argument(-1));
        asm.add(RDI, argument(0));
        asm.add(RSI, argument(1));
        asm.add(RDX, argument(2));
        asm.add(RCX, argument(3));
        asm.mov(R10, argument(5));
        columns();
    }

    /** R11, R12 and K1 from the call's columns; RAX and RBX are used. */
    private void columns() {
        asm.mov(R11, argument(6));
        mask(Mask.K1, R11, R12, 16);
        asm.shl(R11, 2);
        asm.and(R11, -VECTOR);
    }

    /** The lanes of what is left of {@code count} beyond a multiple of {@code lanes}, as a mask and in {@code bits}; RAX and RBX are used. */
    void mask(Mask to, Gpr count, Gpr bits, int lanes) {
        asm.mov(RBX, count);
        asm.and(RBX, lanes - 1);
        asm.mov(bits, 0);
        var done = new Label();
        asm.cmp(RBX, 0);
        asm.j(Condition.EQUAL, done);
        Label next = asm.here();
        asm.add(bits, bits);
        asm.add(bits, 1);
        asm.sub(RBX, 1);
        asm.j(Condition.NOT_EQUAL, next);
        asm.bind(done);
        asm.kmovw(to, bits);
    }

    /** The vectors of a row. */
    void vectors(Part part) {
        var tail = new Label();
        var done = new Label();
        asm.mov(RAX, 0);
        asm.cmp(R11, 0);
        asm.j(Condition.EQUAL, tail);
        asm.align(32);
        Label vector = asm.here();
        part.write(Mask.K0);
        asm.add(RAX, VECTOR);
        asm.cmp(RAX, R11);
        asm.j(Condition.LESS, vector);
        asm.bind(tail);
        asm.cmp(R12, 0);
        asm.j(Condition.EQUAL, done);
        part.write(Mask.K1);
        asm.bind(done);
    }

    /** A vector from memory; zeros in the lanes outside the mask. */
    void load(Vec to, Address from, Mask mask) {
        if (mask == Mask.K0) {
            asm.op(VectorInstruction.VMOVUPS, to, from);
        } else {
            asm.opOrZero(VectorInstruction.VMOVUPS, to, mask, from);
        }
    }

    /** The same with lanes of {@code other} in the place of zeros. */
    void load(Vec to, Address from, Mask mask, Vec other) {
        if (mask != Mask.K0) {
            asm.op(VectorInstruction.VMOVAPS, to, other);
        }
        asm.op(VectorInstruction.VMOVUPS, to, mask, from);
    }

    /** On to the next row of x and out, or the function's end. */
    void nextRow(Label row) {
        asm.add(RDI, R8);
        asm.add(RCX, R9);
        asm.sub(R10, 1);
        asm.j(Condition.NOT_EQUAL, row);
        CallFrame.leave(asm);
    }
}
