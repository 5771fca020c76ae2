package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R10;
import static dev.gatun.ops.machine.Gpr.R11;
import static dev.gatun.ops.machine.Gpr.R12;
import static dev.gatun.ops.machine.Gpr.R13;
import static dev.gatun.ops.machine.Gpr.R14;
import static dev.gatun.ops.machine.Gpr.R15;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.R9;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBP;
import static dev.gatun.ops.machine.Gpr.RBX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.Gpr.RSP;
import static dev.gatun.ops.machine.VectorInstruction.VADDPS;
import static dev.gatun.ops.machine.VectorInstruction.VDIVPS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD213PS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD231PS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVAPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;
import static dev.gatun.ops.machine.VectorInstruction.VSQRTPS;
import static dev.gatun.ops.machine.VectorInstruction.VSUBPS;

import java.util.List;
import java.util.function.IntConsumer;

/**
 * Writes layer norm and RMS norm, the weight in b and the bias in c, epsilon and the number of columns as a float the numbers:
 *
 * <pre>
 * for each four rows, the last one again for those that are not there
 *     layer norm: mean = sum(x) / columns
 *     squares = sum((x - mean)^2), of RMS norm sum((x factor)^2): factor is 1, and less where that is infinite
 *     inverse = 1 / sqrt(squares / columns + epsilon factor^2)
 *     out = (x - mean) inverse weight + bias, x factor inverse weight
 * </pre>
 *
 * <p>Four rows, for a sum is one chain of additions of 4 cycles each. A row that is computed twice is written twice, after it was
 * read twice. While rows are written, those after them are fetched from memory.
 */
final class NormCode {
    private static final int ROWS = 4;
    private static final List<Gpr> X = List.of(RDI, R12, R13, R14);
    private static final List<Gpr> OUT = List.of(RCX, R15, RBP, RBX);

    private static final Vec INFINITY = Vec.zmm(26);
    private static final Vec SHRINK = Vec.zmm(27);
    private static final Vec COLS = Vec.zmm(28);
    private static final Vec EPSILON = Vec.zmm(29);
    private static final Vec ONE = Vec.zmm(30);

    private final Assembler asm;
    private final RowLoop loop;

    private NormCode(Assembler asm) {
        this.asm = asm;
        this.loop = new RowLoop(asm);
    }

    private static Vec sum(int row) {
        return Vec.zmm(row);
    }

    private static Vec value(int row) {
        return Vec.zmm(4 + row);
    }

    private static Vec mean(int row) {
        return Vec.zmm(8 + row);
    }

    private static Vec inverse(int row) {
        return Vec.zmm(12 + row);
    }

    private static Vec factor(int row) {
        return Vec.zmm(16 + row);
    }

    private static Address x(int row) {
        return at(X.get(row), RAX, 1);
    }

    private static void each(IntConsumer row) {
        for (int i = 0; i < ROWS; i++) {
            row.accept(i);
        }
    }

    /** Layer norm. */
    static void layer(Assembler asm, boolean bias) {
        var code = new NormCode(asm);
        code.groups(() -> {
            code.sums(mask -> each(i -> {
                code.loop.load(value(i), x(i), mask);
                asm.op(VADDPS, sum(i), sum(i), value(i));
            }));
            each(i -> asm.op(VDIVPS, mean(i), sum(i), COLS));
            code.sums(mask -> each(i -> {
                code.loop.load(value(i), x(i), mask);
                if (mask == Mask.K0) {
                    asm.op(VSUBPS, value(i), value(i), mean(i));
                } else {
                    asm.opOrZero(VSUBPS, value(i), mask, value(i), mean(i));
                }
                asm.op(VFMADD231PS, sum(i), value(i), value(i));
            }));
            each(i -> code.inverse(i, EPSILON));
            code.write(bias, i -> asm.op(VSUBPS, value(i), value(i), mean(i)));
        });
    }

    /** RMS norm; rows whose squares are infinite are multiplied by {@code shrink}. */
    static void rms(Assembler asm, float shrink) {
        var code = new NormCode(asm);
        code.groups(() -> {
            ExpCode.load(asm, INFINITY, Float.POSITIVE_INFINITY);
            ExpCode.load(asm, SHRINK, shrink);
            each(i -> asm.op(VMOVAPS, factor(i), ONE));
            code.squares();
            asm.mov(R8, 0);
            each(i -> {
                asm.vcmpps(Mask.K2, sum(i), Comparison.EQUAL, INFINITY);
                asm.op(VMOVAPS, factor(i), Mask.K2, SHRINK);
                asm.kmovw(RAX, Mask.K2);
                asm.or(R8, RAX);
            });
            var finite = new Label();
            asm.cmp(R8, 0);
            asm.j(Condition.EQUAL, finite);
            code.squares();
            asm.bind(finite);
            each(i -> {
                asm.op(VMULPS, value(i), EPSILON, factor(i));
                asm.op(VMULPS, value(i), value(i), factor(i));
                code.inverse(i, value(i));
            });
            code.write(false, i -> asm.op(VMULPS, value(i), value(i), factor(i)));
        });
    }

    private void squares() {
        sums(mask -> each(i -> {
            loop.load(value(i), x(i), mask);
            asm.op(VMULPS, value(i), value(i), factor(i));
            asm.op(VFMADD231PS, sum(i), value(i), value(i));
        }));
    }

    /** The stride of x is on top of the stack, since R8 is used. */
    private void groups(Runnable group) {
        loop.enter();
        loop.number(EPSILON, 0);
        loop.number(COLS, 1);
        ExpCode.load(asm, ONE, 1f);
        asm.push(R8);
        Label next = asm.here();
        asm.mov(R8, at(RSP));
        for (int i = 1; i < ROWS; i++) {
            var none = new Label();
            asm.mov(X.get(i), X.get(i - 1));
            asm.mov(OUT.get(i), OUT.get(i - 1));
            asm.cmp(R10, i);
            asm.j(Condition.LESS_OR_EQUAL, none);
            asm.add(X.get(i), R8);
            asm.add(OUT.get(i), R9);
            asm.bind(none);
        }
        group.run();
        asm.mov(RDI, R8);
        asm.mov(RCX, RBX);
        asm.add(RCX, R9);
        asm.sub(R10, ROWS);
        asm.j(Condition.GREATER, next);
        asm.pop(RAX);
        CallFrame.leave(asm);
    }

    /** The vectors of four rows: there is no register for whether there is a rest, and a rest of no lanes does nothing. */
    private void vectors(RowLoop.Part part) {
        var rest = new Label();
        asm.mov(RAX, 0);
        asm.cmp(R11, 0);
        asm.j(Condition.EQUAL, rest);
        asm.align(32);
        Label vector = asm.here();
        part.write(Mask.K0);
        asm.add(RAX, RowLoop.VECTOR);
        asm.cmp(RAX, R11);
        asm.j(Condition.LESS, vector);
        asm.bind(rest);
        part.write(Mask.K1);
    }

    private void sums(RowLoop.Part part) {
        each(i -> asm.op(VPXORD, sum(i), sum(i), sum(i)));
        vectors(part);
        each(i -> ExpCode.sum(asm, sum(i), value(i)));
    }

    private void inverse(int row, Vec epsilon) {
        asm.op(VDIVPS, inverse(row), sum(row), COLS);
        asm.op(VADDPS, inverse(row), inverse(row), epsilon);
        asm.op(VSQRTPS, inverse(row), inverse(row));
        asm.op(VDIVPS, inverse(row), ONE, inverse(row));
    }

    private void write(boolean bias, IntConsumer centre) {
        Vec weight = Vec.zmm(24);
        Vec added = Vec.zmm(25);
        asm.mov(R8, at(RSP));
        asm.add(R8, R14);
        vectors(mask -> {
            loop.load(weight, at(RSI, RAX, 1), mask);
            if (bias) {
                loop.load(added, at(RDX, RAX, 1), mask);
            }
            each(i -> {
                loop.load(value(i), x(i), mask);
                // The rows that come next, if they lie one after another.
                asm.prefetcht0(at(R8, RAX, ROWS).plus(i * RowLoop.VECTOR));
            });
            each(i -> {
                centre.accept(i);
                asm.op(VMULPS, value(i), value(i), inverse(i));
                if (bias) {
                    asm.op(VFMADD213PS, value(i), weight, added);
                } else {
                    asm.op(VMULPS, value(i), value(i), weight);
                }
            });
            each(i -> asm.store(at(OUT.get(i), RAX, 1), value(i), mask));
        });
    }
}
