package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R13;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VADDPS;
import static dev.gatun.ops.machine.VectorInstruction.VDIVPS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD213PS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD231PS;
import static dev.gatun.ops.machine.VectorInstruction.VMAXPS;
import static dev.gatun.ops.machine.VectorInstruction.VMINPS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVAPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VPADDD;
import static dev.gatun.ops.machine.VectorInstruction.VPANDD;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;
import static dev.gatun.ops.machine.VectorInstruction.VSUBPS;

import java.util.List;

/** Writes kernels that take rows element by element: x in, out written, each function as its constants describe it. */
final class ElementCode {
    /** Bits of the first where the third is set, else of the second. */
    private static final int BY_MASK = 0xE4;

    private static final Vec X = Vec.zmm(0);
    private static final Mask KEPT = Mask.K2;

    private final Assembler asm;
    private final RowLoop loop;
    private int constants;

    private ElementCode(Assembler asm) {
        this.asm = asm;
        this.loop = new RowLoop(asm);
    }

    private Vec constant(float value) {
        Vec to = Vec.zmm(31 - constants++);
        ExpCode.load(asm, to, value);
        return to;
    }

    private Vec bits(int value) {
        Vec to = Vec.zmm(31 - constants++);
        asm.mov(RAX, value);
        asm.vpbroadcastd(to, RAX);
        return to;
    }

    private Vec zero() {
        Vec to = Vec.zmm(31 - constants++);
        asm.op(VPXORD, to, to, to);
        return to;
    }

    private interface Function {
        /** The result, of X, which may be used. */
        Vec write();
    }

    private void rows(Function function) {
        Label row = asm.here();
        loop.vectors(mask -> {
            loop.load(X, at(RDI, RAX, 1), mask);
            asm.store(at(RCX, RAX, 1), function.write(), mask);
        });
        loop.nextRow(row);
    }

    /** out = x OP b. */
    static void combine(Assembler asm, VectorInstruction instruction) {
        var loop = new RowLoop(asm);
        loop.enter();
        loop.secondStride(R13);
        Label row = asm.here();
        loop.vectors(mask -> {
            loop.load(X, at(RDI, RAX, 1), mask);
            if (mask == Mask.K0) {
                asm.op(instruction, X, X, at(RSI, RAX, 1));
            } else {
                asm.op(instruction, X, mask, X, at(RSI, RAX, 1));
            }
            asm.store(at(RCX, RAX, 1), X, mask);
        });
        asm.add(RSI, R13);
        loop.nextRow(row);
    }

    /** out = x times the first number. */
    static void scale(Assembler asm) {
        var code = new ElementCode(asm);
        code.loop.enter();
        code.loop.number(Vec.zmm(31), 0);
        code.rows(() -> {
            asm.op(VMULPS, X, X, Vec.zmm(31));
            return X;
        });
    }

    /** out = x minus the first number, minus the second. */
    static void subtract(Assembler asm) {
        var code = new ElementCode(asm);
        code.loop.enter();
        code.loop.number(Vec.zmm(31), 0);
        code.loop.number(Vec.zmm(30), 1);
        code.rows(() -> {
            asm.op(VSUBPS, X, X, Vec.zmm(31));
            asm.op(VSUBPS, X, X, Vec.zmm(30));
            return X;
        });
    }

    /** out = 0 where x is at most 0, else x. */
    static void relu(Assembler asm) {
        var code = new ElementCode(asm);
        code.loop.enter();
        Vec zero = code.zero();
        code.rows(() -> {
            code.relu(Vec.zmm(1), zero);
            return Vec.zmm(1);
        });
    }

    private void relu(Vec to, Vec zero) {
        asm.vcmpps(KEPT, X, Comparison.NOT_LESS_OR_EQUAL, zero);
        asm.opOrZero(VMOVAPS, to, KEPT, X);
    }

    /** A polynomial by Horner's rule, the coefficient of the highest power first. */
    private void polynomial(Vec to, Vec x, Vec[] coefficients) {
        asm.op(VMOVAPS, to, coefficients[1]);
        asm.op(VFMADD231PS, to, x, coefficients[0]);
        for (int i = 2; i < coefficients.length; i++) {
            asm.op(VFMADD213PS, to, x, coefficients[i]);
        }
    }

    private Vec[] constants(List<Float> values) {
        return values.stream().map(this::constant).toArray(Vec[]::new);
    }

    /**
     * a = |x|; t = a g(a) - 1; f = t - round(t); out = a (p(f) 2<sup>round(t)</sup>) + relu(x), but relu(x) where a is above {@code
     * most}.
     */
    static void gelu(Assembler asm, RowKernels.Gelu gelu) {
        var code = new ElementCode(asm);
        code.loop.enter();
        Vec zero = code.zero();
        Vec absolute = code.bits(0x7FFFFFFF);
        Vec most = code.constant(gelu.most());
        Vec round = code.constant(gelu.round());
        Vec minusOne = code.constant(-1f);
        Vec[] g = code.constants(gelu.g());
        Vec[] p = code.constants(gelu.p());
        Vec a = Vec.zmm(1);
        Vec t = Vec.zmm(2);
        Vec shifted = Vec.zmm(3);
        Vec f = Vec.zmm(4);
        Vec tail = Vec.zmm(5);
        Vec out = Vec.zmm(6);
        code.rows(() -> {
            asm.op(VPANDD, a, absolute, X);
            code.polynomial(t, a, g);
            asm.op(VFMADD213PS, t, a, minusOne);
            asm.op(VADDPS, shifted, t, round);
            asm.op(VSUBPS, f, shifted, round);
            asm.op(VSUBPS, f, t, f);
            code.polynomial(tail, f, p);
            asm.vpslld(shifted, shifted, 23);
            asm.op(VPADDD, tail, tail, shifted);
            code.relu(out, zero);
            asm.vcmpps(KEPT, a, Comparison.NOT_GREATER, most);
            asm.op(VFMADD231PS, out, KEPT, a, tail);
            return out;
        });
    }

    /** out = x / (1 + e<sup>z</sup>) with z = x (linear + cubic x&sup2;); or 1 / (1 + e<sup>z</sup>); 0 where z is above {@code most}. */
    static void gate(Assembler asm, RowKernels.Exp exp, float most, boolean times, float linear, float cubic) {
        var code = new ElementCode(asm);
        code.loop.enter();
        Power power = code.new Power(exp);
        Vec least = code.constant(exp.least());
        Vec mostZ = code.constant(most);
        Vec slope = code.constant(linear);
        Vec curve = code.constant(cubic);
        Vec z = Vec.zmm(1);
        Vec c = Vec.zmm(2);
        Vec divisor = Vec.zmm(3);
        code.rows(() -> {
            if (cubic == 0) {
                asm.op(VMULPS, z, X, slope);
            } else {
                asm.op(VMULPS, c, X, X);
                asm.op(VFMADD213PS, c, curve, slope);
                asm.op(VMULPS, z, X, c);
            }
            asm.op(VMAXPS, c, least, z);
            power.write(c);
            code.polynomial(divisor, power.r, power.q);
            asm.op(VFMADD213PS, divisor, power.r, power.one);
            asm.op(VFMADD213PS, divisor, power.r, power.one);
            asm.op(VFMADD213PS, divisor, power.power, power.one);
            asm.vcmpps(KEPT, z, Comparison.NOT_GREATER, mostZ);
            asm.opOrZero(VDIVPS, c, KEPT, times ? X : power.one, divisor);
            return c;
        });
    }

    /** out = first number times tanh(x times the second), odd; beyond {@code most} as there. */
    static void tanh(Assembler asm, RowKernels.Exp exp, float most) {
        var code = new ElementCode(asm);
        code.loop.enter();
        Power power = code.new Power(exp);
        Vec absolute = code.bits(0x7FFFFFFF);
        Vec mostA = code.constant(most);
        Vec two = code.constant(2f);
        Vec cap = Vec.zmm(1);
        Vec inverse = Vec.zmm(2);
        code.loop.number(cap, 0);
        code.loop.number(inverse, 1);
        Vec z = Vec.zmm(3);
        Vec q = Vec.zmm(4);
        Vec e = Vec.zmm(5);
        code.rows(() -> {
            asm.op(VMULPS, X, X, inverse);
            asm.op(VPANDD, z, absolute, X);
            asm.op(VMINPS, z, mostA, z);
            asm.op(VADDPS, z, z, z);
            power.write(z);
            code.polynomial(q, power.r, power.q);
            asm.op(VMULPS, e, power.r, power.r);
            asm.op(VFMADD213PS, q, e, power.r);
            asm.op(VSUBPS, e, power.power, power.one);
            asm.op(VFMADD231PS, e, power.power, q);
            asm.op(VADDPS, q, e, two);
            asm.op(VDIVPS, e, e, q);
            asm.vpternlogd(e, X, absolute, BY_MASK);
            asm.op(VMULPS, e, e, cap);
            return e;
        });
    }

    /** z = n ln 2 + r, r small, and 2<sup>n</sup>. */
    private final class Power {
        private final Vec log2e;
        private final Vec round;
        private final Vec minusLn2High;
        private final Vec minusLn2Low;
        private final Vec one = constant(1f);
        private final Vec[] q;
        private final Vec power = Vec.zmm(8);
        private final Vec n = Vec.zmm(9);
        private final Vec r = Vec.zmm(10);

        Power(RowKernels.Exp exp) {
            log2e = constant(exp.log2e());
            round = constant(exp.round());
            minusLn2High = constant(exp.minusLn2High());
            minusLn2Low = constant(exp.minusLn2Low());
            q = constants(exp.q());
        }

        void write(Vec z) {
            asm.op(VMOVAPS, power, round);
            asm.op(VFMADD231PS, power, z, log2e);
            asm.op(VSUBPS, n, power, round);
            asm.op(VMOVAPS, r, z);
            asm.op(VFMADD231PS, r, n, minusLn2High);
            asm.op(VFMADD231PS, r, n, minusLn2Low);
            asm.vpslld(power, power, 23);
        }
    }
}
