package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R10;
import static dev.gatun.ops.machine.Gpr.R11;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.R9;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VDIVPS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD213PS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVAPS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;
import static dev.gatun.ops.machine.VectorInstruction.VPANDD;
import static dev.gatun.ops.machine.VectorInstruction.VPMAXSD;

/**
 * Writes the quantisation of rows, {@link Int8Product}'s:
 *
 * <pre>
 * for each row
 *     for each block of 64 floats, zeros beyond the row
 *         most = the largest absolute value; scale = most / 127
 *         code = x * (127 / most) + 128, to the nearest integer, by the bits of a float whose unit is 1
 *         the codes of floats i, i + 16, i + 32, i + 48 in one dword
 * </pre>
 */
final class QuantizeRows {
    /** Offsets of parameters. */
    static final int X_AT = 0;

    /** From the parameters to the codes. */
    static final int CODES_AT = 8;

    static final int SCALES_AT = 16;
    static final int ROWS = 24;
    static final int X_STRIDE = 32;
    static final int CODES_STRIDE = 40;
    static final int SCALES_STEP = 48;
    /** Whole blocks of a row. */
    static final int BLOCKS = 56;
    /** Lanes of the last block's four vectors, where it is not whole; 16 bits each. */
    static final int MASKS = 64;

    private static final int VECTORS = 4;
    private static final int VECTOR = 64;

    /** The second operand's bits where the third's are set, else the first's. */
    private static final int BY_MASK = 0xD8;

    private static final Mask FIRST_LANE = Mask.K7;

    private static final Mask SMALL = Mask.K5;
    private static final Mask INFINITE = Mask.K6;

    // zmm0 to 3 are the block's floats, 4 and 5 temporary, 6 the block's inverse, 7 its scale.
    private static final Vec ABSOLUTE = Vec.zmm(16);
    private static final Vec FIRST_BYTE = Vec.zmm(17);
    private static final Vec FIRST_HALF = Vec.zmm(18);
    private static final Vec OFFSET = Vec.zmm(19);
    private static final Vec MOST_CODE = Vec.zmm(20);
    private static final Vec PER_CODE = Vec.zmm(21);
    private static final Vec LEAST = Vec.zmm(22);
    private static final Vec INFINITY = Vec.zmm(23);
    private static final Vec NAN = Vec.zmm(24);

    private final Assembler asm;
    private final Int8Product.Rounding rounding;

    private QuantizeRows(Assembler asm, Int8Product.Rounding rounding) {
        this.asm = asm;
        this.rounding = rounding;
    }

    /** A function of the addresses of parameters and x. */
    static void write(Assembler asm, Int8Product.Rounding rounding) {
        new QuantizeRows(asm, rounding).function();
    }

    private void load(Vec constant, int bits) {
        asm.mov(RAX, bits);
        asm.vpbroadcastd(constant, RAX);
    }

    private void function() {
        CallFrame.enter(asm);
        load(ABSOLUTE, 0x7FFFFFFF);
        load(FIRST_BYTE, 0xFF);
        load(FIRST_HALF, 0xFFFF);
        load(OFFSET, Float.floatToRawIntBits(rounding.offset()));
        load(MOST_CODE, Float.floatToRawIntBits(rounding.mostCode()));
        load(PER_CODE, Float.floatToRawIntBits(rounding.perCode()));
        load(LEAST, Float.floatToRawIntBits(rounding.least()));
        load(INFINITY, Float.floatToRawIntBits(Float.POSITIVE_INFINITY));
        load(NAN, Float.floatToRawIntBits(Float.NaN));
        asm.mov(RAX, 1);
        asm.kmovw(FIRST_LANE, RAX);
        asm.mov(RAX, at(RDI, MASKS));
        for (int v = 0; v < VECTORS; v++) {
            asm.kmovw(mask(v), RAX);
            asm.shr(RAX, 16);
        }
        asm.add(RSI, at(RDI, X_AT));
        asm.mov(R8, RDI);
        asm.add(R8, at(RDI, CODES_AT));
        asm.mov(R9, RDI);
        asm.add(R9, at(RDI, SCALES_AT));
        asm.mov(RBX, at(RDI, ROWS));
        Label row = asm.here();
        row();
        asm.add(RSI, at(RDI, X_STRIDE));
        asm.add(R8, at(RDI, CODES_STRIDE));
        asm.add(R9, Float.BYTES);
        asm.sub(RBX, 1);
        asm.j(Condition.NOT_EQUAL, row);
        CallFrame.leave(asm);
    }

    private static Mask mask(int vector) {
        return Mask.of(1 + vector);
    }

    /** RDX where the block's floats are, RCX its codes, R10 its scale. */
    private void row() {
        asm.mov(RDX, RSI);
        asm.mov(RCX, R8);
        asm.mov(R10, R9);
        asm.mov(R11, at(RDI, SCALES_STEP));
        asm.mov(RAX, at(RDI, BLOCKS));
        var rest = new Label();
        var done = new Label();
        asm.cmp(RAX, 0);
        asm.j(Condition.EQUAL, rest);
        asm.align(32);
        Label block = asm.here();
        for (int v = 0; v < VECTORS; v++) {
            asm.op(VMOVUPS, Vec.zmm(v), at(RDX, v * VECTOR));
        }
        block();
        asm.add(RDX, VECTORS * VECTOR);
        asm.add(RCX, VECTOR);
        asm.add(R10, R11);
        asm.sub(RAX, 1);
        asm.j(Condition.NOT_EQUAL, block);
        asm.bind(rest);
        asm.mov(RAX, at(RDI, MASKS));
        asm.cmp(RAX, 0);
        asm.j(Condition.EQUAL, done);
        for (int v = 0; v < VECTORS; v++) {
            asm.opOrZero(VMOVUPS, Vec.zmm(v), mask(v), at(RDX, v * VECTOR));
        }
        block();
        asm.bind(done);
    }

    private void block() {
        Vec most = Vec.zmm(4);
        Vec other = Vec.zmm(5);
        asm.op(VPANDD, most, ABSOLUTE, Vec.zmm(0));
        for (int v = 1; v < VECTORS; v++) {
            asm.op(VPANDD, other, ABSOLUTE, Vec.zmm(v));
            asm.op(VPMAXSD, most, most, other);
        }
        asm.vshufi32x4(other, most, most, 0x4E);
        asm.op(VPMAXSD, most, most, other);
        asm.vshufi32x4(other, most, most, 0xB1);
        asm.op(VPMAXSD, most, most, other);
        asm.vpshufd(other, most, 0x4E);
        asm.op(VPMAXSD, most, most, other);
        asm.vpshufd(other, most, 0xB1);
        asm.op(VPMAXSD, most, most, other);
        Vec inverse = Vec.zmm(6);
        Vec scale = Vec.zmm(7);
        asm.op(VDIVPS, half(inverse), half(MOST_CODE), half(most));
        asm.vcmpps(SMALL, half(most), Comparison.NOT_LESS, half(LEAST));
        asm.vcmpps(INFINITE, half(most), Comparison.NOT_LESS, half(INFINITY));
        asm.opOrZero(VMULPS, half(scale), SMALL, half(most), half(PER_CODE));
        asm.op(VMULPS, half(scale), INFINITE, half(NAN), half(NAN));
        asm.store(at(R10), Vec.xmm(scale.number()), FIRST_LANE);
        asm.opOrZero(VMOVAPS, half(inverse), SMALL, half(inverse));
        asm.op(VectorInstruction.VBROADCASTSS, inverse, Vec.xmm(inverse.number()));
        for (int v = 0; v < VECTORS; v++) {
            asm.op(VFMADD213PS, Vec.zmm(v), inverse, OFFSET);
        }
        asm.vpslld(Vec.zmm(1), Vec.zmm(1), 8);
        asm.vpslld(Vec.zmm(3), Vec.zmm(3), 8);
        asm.vpternlogd(Vec.zmm(1), Vec.zmm(0), FIRST_BYTE, BY_MASK);
        asm.vpternlogd(Vec.zmm(3), Vec.zmm(2), FIRST_BYTE, BY_MASK);
        asm.vpslld(Vec.zmm(3), Vec.zmm(3), 16);
        asm.vpternlogd(Vec.zmm(3), Vec.zmm(1), FIRST_HALF, BY_MASK);
        asm.store(at(RCX), Vec.zmm(3));
    }

    private static Vec half(Vec v) {
        return Vec.ymm(v.number());
    }
}
