package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VUNPCKHPS;
import static dev.gatun.ops.machine.VectorInstruction.VUNPCKLPS;

/**
 * Code that transposes 16 x 16 elements of 4 bytes. Quarters of rows are read to where they belong in a register, which costs no
 * shuffle; so a square takes 32 of them, and some 45 cycles. Uses ZMM0 to ZMM23; for AVX-512.
 */
final class Square {
    /** Rows, and columns. */
    static final int SIDE = 16;

    /** Columns that come out at a time. */
    static final int QUARTER = 4;

    private static final int PAIRS = 16;
    private static final int EXCHANGED = 20;

    private Square() {}

    /** Quarter q of rows i, i + 4, i + 8 and i + 12. */
    static Vec quarter(int q, int i) {
        return Vec.zmm(q * QUARTER + i);
    }

    /** Reads a row: all of them, ascending, before the first {@link #exchange}. */
    static void read(Assembler asm, int row, Address from) {
        for (int q = 0; q < QUARTER; q++) {
            Vec register = quarter(q, row % QUARTER);
            Address four = from.plus(q * QUARTER * Float.BYTES);
            if (row < QUARTER) {
                asm.op(VMOVUPS, Vec.xmm(register.number()), four);
            } else {
                asm.vinsertf32x4(register, register, four, row / QUARTER);
            }
        }
    }

    /** Columns 4 q to 4 q + 3, to {@link #exchanged}: in each lane of four elements a transposition of 4 x 4. */
    static void exchange(Assembler asm, int q) {
        for (int i = 0; i < QUARTER; i += 2) {
            asm.op(VUNPCKLPS, Vec.zmm(PAIRS + i), quarter(q, i), quarter(q, i + 1));
            asm.op(VUNPCKHPS, Vec.zmm(PAIRS + i + 1), quarter(q, i), quarter(q, i + 1));
        }
        for (int half = 0; half < 2; half++) {
            Vec low = Vec.zmm(PAIRS + half);
            Vec high = Vec.zmm(PAIRS + 2 + half);
            asm.vshufps(exchanged(2 * half), low, high, 0b01_00_01_00);
            asm.vshufps(exchanged(2 * half + 1), low, high, 0b11_10_11_10);
        }
    }

    /** Column 4 q + j, after {@link #exchange} of q and before the next one. */
    static Vec exchanged(int j) {
        return Vec.zmm(EXCHANGED + j);
    }
}
