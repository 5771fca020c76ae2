package dev.gatun.ops.machine;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Writes x86-64 machine code, one method an instruction, destination first as in Intel's manual. Registers below 16 and of at most
 * 32 bytes get VEX encodings, so that the same kernel can be written for AVX2; all others EVEX.
 *
 * <p>What can't be encoded is an {@link IllegalArgumentException}: a fault of the kernel, found by its first test.
 */
final class Assembler {
    private byte[] code = new byte[4096];
    private int size;

    /** The code written so far; all labels must be bound. */
    byte[] code() {
        return Arrays.copyOf(code, size);
    }

    /** Bytes written so far. */
    int size() {
        return size;
    }

    private void put(int... bytes) {
        if (size + bytes.length > code.length) {
            code = Arrays.copyOf(code, 2 * code.length);
        }
        for (int b : bytes) {
            code[size++] = (byte) b;
        }
    }

    private void put32(int value) {
        put(value, value >> 8, value >> 16, value >> 24);
    }

    private static boolean fits8(int value) {
        return value == (byte) value;
    }

    // Jumps

    /** The label is here. */
    void bind(Label label) {
        if (label.at >= 0) {
            throw new IllegalArgumentException("label is bound already, at " + label.at);
        }
        label.at = size;
        for (int place : label.waiting) {
            int distance = size - (place + 4);
            for (int i = 0; i < 4; i++) {
                code[place + i] = (byte) (distance >> 8 * i);
            }
        }
    }

    /** A label that is here. */
    Label here() {
        var label = new Label();
        bind(label);
        return label;
    }

    /** Jumps to a label if {@code condition} holds. */
    void j(Condition condition, Label to) {
        put(0x0F, 0x80 | condition.code());
        distance(to);
    }

    void jmp(Label to) {
        put(0xE9);
        distance(to);
    }

    private void distance(Label to) {
        if (to.at >= 0) {
            put32(to.at - (size + 4));
        } else {
            to.waiting.add(size);
            put32(0);
        }
    }

    /** Fills up with one-byte NOPs. */
    void align(int bytes) {
        while (size % bytes != 0) {
            put(0x90);
        }
    }

    void ret() {
        put(0xC3);
    }

    /** Has the upper halves of the registers forgotten, without which SSE code runs slower. */
    void vzeroupper() {
        put(0xC5, 0xF8, 0x77);
    }

    // General-purpose registers

    void push(Gpr register) {
        if (register.high()) {
            put(0x41);
        }
        put(0x50 + register.low());
    }

    void pop(Gpr register) {
        if (register.high()) {
            put(0x41);
        }
        put(0x58 + register.low());
    }

    void mov(Gpr to, Gpr from) {
        registers(0x89, from, to);
    }

    void mov(Gpr to, Address from) {
        memory(0x8B, to, from);
    }

    void mov(Address to, Gpr from) {
        memory(0x89, from, to);
    }

    /** A number, sign-extended. */
    void mov(Gpr to, int value) {
        put(0x48 | (to.high() ? 1 : 0), 0xC7, 0xC0 | to.low());
        put32(value);
    }

    void lea(Gpr to, Address address) {
        memory(0x8D, to, address);
    }

    void add(Gpr to, Gpr from) {
        registers(0x01, from, to);
    }

    void sub(Gpr to, Gpr from) {
        registers(0x29, from, to);
    }

    void cmp(Gpr left, Gpr right) {
        registers(0x39, right, left);
    }

    void test(Gpr left, Gpr right) {
        registers(0x85, right, left);
    }

    void add(Gpr to, Address from) {
        memory(0x03, to, from);
    }

    void add(Gpr to, int value) {
        immediate(0, to, value);
    }

    void and(Gpr to, int value) {
        immediate(4, to, value);
    }

    void sub(Gpr to, int value) {
        immediate(5, to, value);
    }

    void cmp(Gpr left, int value) {
        immediate(7, left, value);
    }

    void shl(Gpr register, int bits) {
        put(0x48 | (register.high() ? 1 : 0), 0xC1, 0xE0 | register.low(), bits);
    }

    void shr(Gpr register, int bits) {
        put(0x48 | (register.high() ? 1 : 0), 0xC1, 0xE8 | register.low(), bits);
    }

    /** The number of zeros below the lowest one. BMI1, which AVX2 CPUs have. */
    void tzcnt(Gpr to, Gpr from) {
        put(0xF3, 0x48 | (to.high() ? 4 : 0) | (from.high() ? 1 : 0), 0x0F, 0xBC, 0xC0 | to.low() << 3 | from.low());
    }

    void or(Gpr to, Gpr from) {
        registers(0x09, from, to);
    }

    /** The CPU's description of itself: leaf in EAX, subleaf in ECX; answers in EAX, EBX, ECX, EDX. */
    void cpuid() {
        put(0x0F, 0xA2);
    }

    /** What the system saves of the registers: number in ECX, answer in EAX and EDX. */
    void xgetbv() {
        put(0x0F, 0x01, 0xD0);
    }

    private void registers(int opcode, Gpr register, Gpr rm) {
        put(0x48 | (register.high() ? 4 : 0) | (rm.high() ? 1 : 0), opcode, 0xC0 | register.low() << 3 | rm.low());
    }

    private void memory(int opcode, Gpr register, Address address) {
        Gpr index = address.index();
        put(0x48
                | (register.high() ? 4 : 0)
                | (index != null && index.high() ? 2 : 0)
                | (address.base().high() ? 1 : 0));
        put(opcode);
        address(register.low(), address, 1);
    }

    private void immediate(int extension, Gpr register, int value) {
        put(0x48 | (register.high() ? 1 : 0));
        if (fits8(value)) {
            put(0x83, 0xC0 | extension << 3 | register.low(), value);
        } else if (register == Gpr.RAX) {
            put(extension << 3 | 5);
            put32(value);
        } else {
            put(0x81, 0xC0 | extension << 3 | register.low());
            put32(value);
        }
    }

    /** Brings a cache line to L1. */
    void prefetcht0(Address address) {
        prefetch(1, address);
    }

    /** Brings a cache line to L2. */
    void prefetcht1(Address address) {
        prefetch(2, address);
    }

    private void prefetch(int hint, Address address) {
        Gpr index = address.index();
        int rex = (index != null && index.high() ? 2 : 0) | (address.base().high() ? 1 : 0);
        if (rex != 0) {
            put(0x40 | rex);
        }
        put(0x0F, 0x18);
        address(hint, address, 1);
    }

    /** ModRM, SIB and displacement, in the fewest bytes; an 8-bit displacement counts in units of {@code unit} bytes. */
    private void address(int register, Address address, int unit) {
        Gpr base = address.base();
        Gpr index = address.index();
        int displacement = address.displacement();
        boolean none = displacement == 0 && base.low() != 5; // RBP and R13 without one would mean something else
        boolean small = displacement % unit == 0 && fits8(displacement / unit);
        int mod = none ? 0 : small ? 0x40 : 0x80;
        if (index != null || base.low() == 4) { // RSP and R12 as ModRM would announce a SIB
            put(mod | register << 3 | 4);
            int scale = Integer.numberOfTrailingZeros(address.scale());
            put(scale << 6 | (index == null ? 4 : index.low()) << 3 | base.low());
        } else {
            put(mod | register << 3 | base.low());
        }
        if (!none) {
            if (small) {
                put(displacement / unit);
            } else {
                put32(displacement);
            }
        }
    }

    // Masks

    /** The low bits of a general-purpose register. AVX512F. */
    void kmovw(Mask to, Gpr from) {
        if (from.high()) {
            put(0xC4, 0xC1, 0x78, 0x92, 0xC0 | to.number() << 3 | from.low());
        } else {
            put(0xC5, 0xF8, 0x92, 0xC0 | to.number() << 3 | from.low());
        }
    }

    /** A mask, zeros above it. AVX512F. */
    void kmovw(Gpr to, Mask from) {
        put(0xC5, to.high() ? 0x78 : 0xF8, 0x93, 0xC0 | to.low() << 3 | from.number());
    }

    /** A mask of another. AVX512F. */
    void kmovw(Mask to, Mask from) {
        put(0xC5, 0xF8, 0x90, 0xC0 | to.number() << 3 | from.number());
    }

    // Vectors

    /** {@code to = left OP right}; for fused multiply-adds and dot products {@code to} is an operand too. */
    void op(VectorInstruction instruction, Vec to, Vec left, Operand right) {
        vector(instruction, instruction.opcode, to.number(), left.number(), to.bytes(), right, Mask.K0, false);
    }

    /** As {@link #op(VectorInstruction, Vec, Vec, Operand)}, in the lanes of the mask; the others keep what they have. */
    void op(VectorInstruction instruction, Vec to, Mask mask, Vec left, Operand right) {
        vector(instruction, instruction.opcode, to.number(), left.number(), to.bytes(), right, mask, false);
    }

    /** {@code to = OP from}: loads, broadcasts, conversions. */
    void op(VectorInstruction instruction, Vec to, Operand from) {
        vector(instruction, instruction.opcode, to.number(), 0, to.bytes(), from, Mask.K0, false);
    }

    /** As {@link #op(VectorInstruction, Vec, Operand)}, in the lanes of the mask; the others keep what they have. */
    void op(VectorInstruction instruction, Vec to, Mask mask, Operand from) {
        vector(instruction, instruction.opcode, to.number(), 0, to.bytes(), from, mask, false);
    }

    /** As {@link #op(VectorInstruction, Vec, Operand)}, in the lanes of the mask, zero in the others; memory of those isn't touched. */
    void opOrZero(VectorInstruction instruction, Vec to, Mask mask, Operand from) {
        vector(instruction, instruction.opcode, to.number(), 0, to.bytes(), from, mask, true);
    }

    /** {@code to = left OP right} in the lanes of the mask, zero in the others. */
    void opOrZero(VectorInstruction instruction, Vec to, Mask mask, Vec left, Operand right) {
        vector(instruction, instruction.opcode, to.number(), left.number(), to.bytes(), right, mask, true);
    }

    /** The low half of a general-purpose register, in all 32-bit lanes. AVX-512. */
    void vpbroadcastd(Vec to, Gpr from) {
        evex(1, 2, 0, 0x7C, to.number(), 0, to.bytes(), new Vec(from.number(), 16), Mask.K0, false, 1);
    }

    /** The lowest lane. */
    void vmovd(Gpr to, Vec from) {
        vex(1, 1, 0, 0x7E, from.number(), 0, 16, new Vec(to.number(), 16));
    }

    /**
     * 32-bit lanes from base + the index's lane + displacement, in the lanes of the mask, which is cleared; the others keep what they
     * have. AVX-512, 64 bytes.
     */
    void vpgatherdd(Vec to, Mask mask, Gpr base, Vec index, int displacement) {
        int r = (to.number() & 8) == 0 ? 0x80 : 0;
        int r2 = (to.number() & 16) == 0 ? 0x10 : 0;
        int x = (index.number() & 8) == 0 ? 0x40 : 0;
        int v2 = (index.number() & 16) == 0 ? 8 : 0;
        int b = base.high() ? 0 : 0x20;
        put(0x62, r | x | b | r2 | 2, 0x7D, 0x40 | v2 | mask.number(), 0x90);
        boolean none = displacement == 0 && base.low() != 5;
        boolean small = displacement % Integer.BYTES == 0 && fits8(displacement / Integer.BYTES);
        put((none ? 0 : small ? 0x40 : 0x80) | (to.number() & 7) << 3 | 4, (index.number() & 7) << 3 | base.low());
        if (!none && small) {
            put(displacement / Integer.BYTES);
        } else if (!none) {
            put32(displacement);
        }
    }

    /** The lower halves of 32-bit lanes, in a register of half the width. AVX-512. */
    void vpmovdw(Vec to, Vec from) {
        evex(2, 2, 0, 0x33, from.number(), 0, from.bytes(), to, Mask.K0, false, to.bytes());
    }

    /** Stores a vector. */
    void store(Address to, Vec from) {
        store(to, from, Mask.K0);
    }

    /** Stores the lanes of the mask. */
    void store(Address to, Vec from, Mask mask) {
        vector(VectorInstruction.VMOVUPS, 0x11, from.number(), 0, from.bytes(), to, mask, false);
    }

    /** Any function of three bits: bit 4 to + 2 a + b of the table, on every bit. AVX-512. */
    void vpternlogd(Vec to, Vec a, Operand b, int table) {
        op(VectorInstruction.VPTERNLOGD, to, a, b);
        put(table);
    }

    /** Of each four lanes two of {@code a} and two of {@code b}, two bits of {@code choice} for the number of each, lowest first. */
    void vshufps(Vec to, Vec a, Operand b, int choice) {
        op(VectorInstruction.VSHUFPS, to, a, b);
        put(choice);
    }

    /** {@code a} with four lanes of memory, or of an xmm register, as its quarter {@code place}. AVX-512. */
    void vinsertf32x4(Vec to, Vec a, Operand b, int place) {
        op(VectorInstruction.VINSERTF32X4, to, a, b);
        put(place);
    }

    /** Of each 128 bits the 32-bit lanes that four pairs of bits name. */
    void vpshufd(Vec to, Vec from, int lanes) {
        vectorByOpcode(1, 1, 0, 0x70, to.number(), 0, to.bytes(), from, Mask.K0, false, to.bytes());
        put(lanes);
    }

    /** Quarters of 128 bits that four pairs of bits name, the first two of {@code a}, the others of {@code b}. AVX-512, 64 bytes. */
    void vshufi32x4(Vec to, Vec a, Vec b, int quarters) {
        evex(1, 3, 0, 0x43, to.number(), a.number(), to.bytes(), b, Mask.K0, false, to.bytes());
        put(quarters);
    }

    /** Rotates 32-bit lanes to the right. AVX-512. */
    void vprord(Vec to, Vec from, int bits) {
        evex(1, 1, 0, 0x72, 0, to.number(), to.bytes(), from, Mask.K0, false, to.bytes());
        put(bits);
    }

    /** Shifts 32-bit lanes to the left. */
    void vpslld(Vec to, Vec from, int bits) {
        vectorByOpcode(1, 1, 0, 0x72, 6, to.number(), to.bytes(), from, Mask.K0, false, to.bytes());
        put(bits);
    }

    /** Shifts 32-bit lanes to the right, zeros from the left. */
    void vpsrld(Vec to, Vec from, int bits) {
        vectorByOpcode(1, 1, 0, 0x72, 2, to.number(), to.bytes(), from, Mask.K0, false, to.bytes());
        put(bits);
    }

    /** The mask of the lanes for which a comparison holds. AVX-512. */
    void vcmpps(Mask to, Vec left, Comparison comparison, Operand right) {
        vcmpps(to, Mask.K0, left, comparison, right);
    }

    /** As {@link #vcmpps(Mask, Vec, Comparison, Operand)}, of the lanes of a mask; no others are in the result. */
    void vcmpps(Mask to, Mask within, Vec left, Comparison comparison, Operand right) {
        int unit = VectorInstruction.Tuple.FULL.bytes(left.bytes(), right instanceof Address a && a.broadcast());
        evex(0, 1, 0, 0xC2, to.number(), left.number(), left.bytes(), right, within, false, unit);
        put(comparison.predicate());
    }

    /** The mask of the signed 32-bit lanes that are at most those of the other operand. AVX-512. */
    void vpcmpled(Mask to, Vec left, Vec right) {
        vpcmpd(to, left, right, 2);
    }

    /** The mask of the signed 32-bit lanes that are greater than those of the other operand. AVX-512. */
    void vpcmpnled(Mask to, Vec left, Vec right) {
        vpcmpd(to, left, right, 6);
    }

    private void vpcmpd(Mask to, Vec left, Vec right, int predicate) {
        evex(1, 3, 0, 0x1F, to.number(), left.number(), left.bytes(), right, Mask.K0, false, left.bytes());
        put(predicate);
    }

    private void vector(
            VectorInstruction i, int opcode, int register, int v, int bytes, Operand rm, Mask mask, boolean zero) {
        int unit = i.tuple.bytes(bytes, rm instanceof Address a && a.broadcast());
        vectorByOpcode(i.prefix, i.map, i.w, opcode, register, v, bytes, rm, mask, zero, unit);
    }

    private void vectorByOpcode(
            int prefix,
            int map,
            int w,
            int opcode,
            int register,
            int v,
            int bytes,
            Operand rm,
            Mask mask,
            boolean zero,
            int unit) {
        boolean broadcast = rm instanceof Address a && a.broadcast();
        boolean low = register < 16 && v < 16 && !(rm instanceof Vec r && r.number() > 15);
        if (low && bytes < 64 && mask == Mask.K0 && !broadcast) {
            vex(prefix, map, w, opcode, register, v, bytes, rm);
        } else {
            evex(prefix, map, w, opcode, register, v, bytes, rm, mask, zero, unit);
        }
    }

    private void vex(int prefix, int map, int w, int opcode, int register, int v, int bytes, Operand rm) {
        int r = register < 8 ? 0x80 : 0;
        int x = highIndex(rm) ? 0 : 0x40;
        int b = highBase(rm) ? 0 : 0x20;
        int last = (~v & 15) << 3 | (bytes == 32 ? 4 : 0) | prefix;
        if (x != 0 && b != 0 && map == 1 && w == 0) {
            put(0xC5, r | last);
        } else {
            put(0xC4, r | x | b | map, w << 7 | last);
        }
        put(opcode);
        operand(register & 7, rm, 1);
    }

    private void evex(
            int prefix,
            int map,
            int w,
            int opcode,
            int register,
            int v,
            int bytes,
            Operand rm,
            Mask mask,
            boolean zero,
            int unit) {
        int r = (register & 8) == 0 ? 0x80 : 0;
        int r2 = (register & 16) == 0 ? 0x10 : 0;
        // With a register as the last operand, X is the fifth bit of its number.
        int x = (rm instanceof Vec m ? m.number() > 15 : highIndex(rm)) ? 0 : 0x40;
        int b = highBase(rm) ? 0 : 0x20;
        int v2 = (v & 16) == 0 ? 8 : 0;
        int length = bytes == 64 ? 0x40 : bytes == 32 ? 0x20 : 0;
        int broadcast = rm instanceof Address a && a.broadcast() ? 0x10 : 0;
        put(0x62, r | x | b | r2 | map, w << 7 | (~v & 15) << 3 | 4 | prefix);
        put((zero ? 0x80 : 0) | length | broadcast | v2 | mask.number(), opcode);
        operand(register & 7, rm, unit);
    }

    private void operand(int register, Operand rm, int unit) {
        // No switch over types, here and elsewhere on the way of a start: the JVM links each when it is reached, which
        // takes 5 ms or more.
        if (rm instanceof Vec vec) {
            put(0xC0 | register << 3 | vec.number() & 7);
        } else if (rm instanceof Address address) {
            address(register, address, unit);
        }
    }

    private static boolean highBase(Operand rm) {
        return rm instanceof Vec vec
                ? (vec.number() & 8) != 0
                : rm instanceof Address address && address.base().high();
    }

    private static boolean highIndex(Operand rm) {
        return rm instanceof Address address && isHigh(address.index());
    }

    private static boolean isHigh(@Nullable Gpr register) {
        return register != null && register.high();
    }
}
