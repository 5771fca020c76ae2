package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R13;
import static dev.gatun.ops.machine.Gpr.R14;
import static dev.gatun.ops.machine.Gpr.R15;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBP;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD213PS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD231PS;
import static dev.gatun.ops.machine.VectorInstruction.VFMSUB213PS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVAPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VPMOVZXDQ;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;

/**
 * Writes rotary positions, cosines in b and sines in c, rows of both as far apart: out1 = x1 cos - x2 sin, out2 = x2 cos + x1 sin.
 * The columns of the call are those of a row that are turned, or half of them.
 */
final class RopeCode {
    private static final Vec COS = Vec.zmm(0);
    private static final Vec SIN = Vec.zmm(1);
    private static final Vec X1 = Vec.zmm(2);
    private static final Vec X2 = Vec.zmm(3);
    private static final Vec OUT = Vec.zmm(4);

    private RopeCode() {}

    private static void nextRow(Assembler asm, RowLoop loop, Label row) {
        asm.add(RSI, RBP);
        asm.add(RDX, RBP);
        loop.nextRow(row);
    }

    /** Of pairs (i, i + columns); the first number is the bytes between them. */
    static void halves(Assembler asm) {
        var loop = new RowLoop(asm);
        loop.enter();
        loop.secondStride(RBP);
        loop.number(R13, 0);
        Label row = asm.here();
        asm.lea(R14, at(RDI, R13, 1));
        asm.lea(R15, at(RCX, R13, 1));
        loop.vectors(mask -> {
            loop.load(COS, at(RSI, RAX, 1), mask);
            loop.load(SIN, at(RDX, RAX, 1), mask);
            loop.load(X1, at(RDI, RAX, 1), mask);
            loop.load(X2, at(R14, RAX, 1), mask);
            asm.op(VMULPS, OUT, X2, SIN);
            asm.op(VMULPS, SIN, X1, SIN);
            asm.op(VFMSUB213PS, X1, COS, OUT);
            asm.op(VFMADD213PS, X2, COS, SIN);
            asm.store(at(RCX, RAX, 1), X1, mask);
            asm.store(at(R15, RAX, 1), X2, mask);
        });
        nextRow(asm, loop, row);
    }

    /** Of pairs (2i, 2i + 1). */
    static void pairs(Assembler asm) {
        Vec sign = Vec.zmm(31);
        Vec signs = Vec.zmm(30);
        var loop = new RowLoop(asm);
        loop.enter();
        asm.mov(RAX, Integer.MIN_VALUE);
        asm.vpbroadcastd(signs, RAX);
        asm.mov(RAX, 0x5555);
        asm.kmovw(Mask.K3, RAX);
        asm.opOrZero(VMOVAPS, sign, Mask.K3, signs);
        asm.kmovw(R13, Mask.K1); // two lanes a pair: K2 has one
        asm.mov(R14, 0);
        var counted = new Label();
        Label count = asm.here();
        asm.cmp(R13, 0);
        asm.j(Condition.EQUAL, counted);
        asm.shr(R13, 2);
        asm.add(R14, R14);
        asm.add(R14, 1);
        asm.jmp(count);
        asm.bind(counted);
        asm.kmovw(Mask.K2, R14);
        loop.secondStride(RBP);
        Label row = asm.here();
        loop.vectors(mask -> {
            asm.mov(R13, RAX);
            asm.shr(R13, 1);
            Mask pairs = mask == Mask.K0 ? Mask.K0 : Mask.K2;
            twice(asm, COS, at(RSI, R13, 1), pairs);
            twice(asm, SIN, at(RDX, R13, 1), pairs);
            asm.op(VPXORD, SIN, SIN, sign);
            loop.load(X1, at(RDI, RAX, 1), mask);
            asm.vpshufd(X2, X1, 0xB1);
            asm.op(VMULPS, X2, X2, SIN);
            asm.op(VFMADD231PS, X2, X1, COS);
            asm.store(at(RCX, RAX, 1), X2, mask);
        });
        nextRow(asm, loop, row);
    }

    /** Each of eight floats twice. */
    private static void twice(Assembler asm, Vec to, Address from, Mask mask) {
        if (mask == Mask.K0) {
            asm.op(VPMOVZXDQ, to, from);
        } else {
            asm.opOrZero(VPMOVZXDQ, to, mask, from);
        }
        asm.vpshufd(to, to, 0xA0);
    }
}
