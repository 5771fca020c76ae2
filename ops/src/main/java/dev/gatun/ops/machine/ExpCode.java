package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.VectorInstruction.VADDPS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD213PS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD231PS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVAPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VSUBPS;

/**
 * Writes e<sup>z</sup> of scores below their maximum.
 *
 * @param first of the {@link #CONSTANTS} registers that hold the constants
 */
record ExpCode(Assembler asm, int first) {
    /** Registers of the constants. */
    static final int CONSTANTS = 9;

    private Vec constant(int i) {
        return Vec.zmm(first + i);
    }

    /** A float in all lanes of a register; RAX is used. */
    static void load(Assembler asm, Vec to, float value) {
        asm.mov(RAX, Float.floatToRawIntBits(value));
        asm.vpbroadcastd(to, RAX);
    }

    /** Loads the constants; RAX is used. */
    void load(ScoreSoftmax.Exp exp) {
        float[] constants = {
            exp.log2e(), exp.round(), exp.minusLn2(), exp.s3(), exp.s2(), exp.s1(), exp.s0(), 1f, exp.least()
        };
        for (int i = 0; i < CONSTANTS; i++) {
            load(asm, constant(i), constants[i]);
        }
    }

    /** e to the power of a register minus {@code shift}, in place; the three registers after it and K2 are used. */
    void write(Vec z, Vec shift) {
        Vec shifted = Vec.zmm(z.number() + 1);
        Vec r = Vec.zmm(z.number() + 2);
        Vec q = Vec.zmm(z.number() + 3);
        Vec round = constant(1);
        Vec one = constant(7);
        asm.op(VSUBPS, z, z, shift);
        asm.op(VMOVAPS, shifted, round);
        asm.op(VFMADD231PS, shifted, z, constant(0));
        asm.vcmpps(Mask.K2, z, Comparison.NOT_LESS, constant(8));
        asm.op(VSUBPS, r, shifted, round);
        asm.op(VFMADD213PS, r, constant(2), z);
        asm.op(VMOVAPS, q, constant(4));
        asm.op(VFMADD231PS, q, r, constant(3));
        asm.op(VFMADD213PS, q, r, constant(5));
        asm.op(VFMADD213PS, q, r, constant(6));
        asm.op(VFMADD213PS, q, r, one);
        asm.op(VFMADD213PS, q, r, one);
        asm.vpslld(shifted, shifted, 23);
        asm.opOrZero(VMULPS, z, Mask.K2, q, shifted);
    }

    /** What is combined of the lanes of {@code v} by halves, in all lanes; {@code other} is used. */
    static void fold(Assembler asm, VectorInstruction combine, Vec v, Vec other) {
        asm.vshufi32x4(other, v, v, 0x4E);
        asm.op(combine, v, v, other);
        asm.vshufi32x4(other, v, v, 0xB1);
        asm.op(combine, v, v, other);
        asm.vpshufd(other, v, 0x4E);
        asm.op(combine, v, v, other);
        asm.vpshufd(other, v, 0xB1);
        asm.op(combine, v, v, other);
    }

    /** The sum of the lanes of {@code v} by halves, in all lanes; {@code other} is used. */
    static void sum(Assembler asm, Vec v, Vec other) {
        fold(asm, VADDPS, v, other);
    }
}
