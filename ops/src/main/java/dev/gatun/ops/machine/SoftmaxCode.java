package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R11;
import static dev.gatun.ops.machine.Gpr.R12;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.VectorInstruction.VADDPS;
import static dev.gatun.ops.machine.VectorInstruction.VDIVPS;
import static dev.gatun.ops.machine.VectorInstruction.VMAXPS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVAPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;

/** Writes softmax of rows, and what log-softmax and argmax need to know of a row. */
final class SoftmaxCode {
    private static final Vec X = Vec.zmm(0);
    private static final Vec MAX = Vec.zmm(4);
    private static final Vec SHIFT = Vec.zmm(5);
    private static final Vec SUM = Vec.zmm(6);
    private static final Vec OTHER = Vec.zmm(7);
    private static final Vec ZERO = Vec.zmm(20);
    private static final Vec ONE = Vec.zmm(21);
    private static final Vec HIDDEN = Vec.zmm(31);

    private final Assembler asm;
    private final RowLoop loop;
    private final ExpCode exp;

    private SoftmaxCode(Assembler asm) {
        this.asm = asm;
        this.loop = new RowLoop(asm);
        this.exp = new ExpCode(asm, 22);
    }

    private void enter() {
        loop.enter();
        asm.op(VPXORD, ZERO, ZERO, ZERO);
        ExpCode.load(asm, HIDDEN, Float.NEGATIVE_INFINITY);
    }

    /** The largest number in all lanes, +0 for -0, -inf if there is none: of two that compare false VMAXPS has the second. */
    private void maximum() {
        asm.op(VMOVAPS, MAX, HIDDEN);
        loop.vectors(mask -> {
            loop.load(X, at(RDI, RAX, 1), mask, HIDDEN);
            asm.op(VMAXPS, MAX, X, MAX);
        });
        ExpCode.fold(asm, VMAXPS, MAX, OTHER);
        asm.op(VADDPS, MAX, MAX, ZERO);
    }

    /** What is subtracted: the maximum, but 0 where that is -inf. */
    private void shift() {
        asm.vcmpps(Mask.K2, MAX, Comparison.NOT_EQUAL, HIDDEN);
        asm.opOrZero(VMOVAPS, SHIFT, Mask.K2, MAX);
    }

    /** e to the power of each x minus the shift, and their sum in all lanes; lanes beyond the row count as -inf. */
    private void weights(RowLoop.Part part) {
        asm.op(VPXORD, SUM, SUM, SUM);
        loop.vectors(mask -> {
            loop.load(X, at(RDI, RAX, 1), mask, HIDDEN);
            exp.write(X, SHIFT);
            asm.op(VADDPS, SUM, SUM, X);
            part.write(mask);
        });
        ExpCode.sum(asm, SUM, OTHER);
    }

    /** out = softmax(x). */
    static void rows(Assembler asm, ScoreSoftmax.Exp constants) {
        var code = new SoftmaxCode(asm);
        code.enter();
        code.exp.load(constants);
        ExpCode.load(asm, ONE, 1f);
        Label row = asm.here();
        code.maximum();
        code.shift();
        code.weights(mask -> asm.store(at(RCX, RAX, 1), X, mask));
        asm.vcmpps(Mask.K2, SUM, Comparison.NOT_EQUAL, ZERO);
        asm.opOrZero(VDIVPS, SUM, Mask.K2, ONE, SUM);
        code.loop.vectors(mask -> {
            code.loop.load(X, at(RCX, RAX, 1), mask);
            asm.op(VMULPS, X, X, SUM);
            asm.store(at(RCX, RAX, 1), X, mask);
        });
        code.loop.nextRow(row);
    }

    /** Returns the bits of the shift, and above them those of the sum of the exponentials. */
    static void sum(Assembler asm, ScoreSoftmax.Exp constants) {
        var code = new SoftmaxCode(asm);
        code.enter();
        code.exp.load(constants);
        code.maximum();
        code.shift();
        code.weights(mask -> {});
        asm.vmovd(RBX, SHIFT);
        asm.vmovd(RAX, SUM);
        asm.shl(RAX, 32);
        asm.or(RAX, RBX);
        CallFrame.leave(asm);
    }

    /** Returns the first index of the largest number, 0 if there is none. */
    static void argMax(Assembler asm) {
        var code = new SoftmaxCode(asm);
        code.enter();
        code.maximum();
        var found = new Label();
        var tail = new Label();
        asm.mov(R8, 0);
        asm.cmp(R11, 0);
        asm.j(Condition.EQUAL, tail);
        Label vector = asm.here();
        asm.vcmpps(Mask.K2, MAX, Comparison.EQUAL, at(RDI, R8, 1));
        asm.kmovw(RBX, Mask.K2);
        asm.cmp(RBX, 0);
        asm.j(Condition.NOT_EQUAL, found);
        asm.add(R8, RowLoop.VECTOR);
        asm.cmp(R8, R11);
        asm.j(Condition.LESS, vector);
        asm.bind(tail);
        asm.vcmpps(Mask.K2, Mask.K1, MAX, Comparison.EQUAL, at(RDI, R8, 1));
        asm.kmovw(RBX, Mask.K2);
        asm.cmp(RBX, 0);
        asm.j(Condition.NOT_EQUAL, found);
        asm.mov(RAX, 0);
        CallFrame.leave(asm);
        asm.bind(found);
        asm.tzcnt(RAX, RBX);
        asm.mov(R12, R8);
        asm.shr(R12, 2);
        asm.add(RAX, R12);
        CallFrame.leave(asm);
    }
}
