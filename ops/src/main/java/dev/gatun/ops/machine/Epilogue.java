package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.R9;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RBX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.VectorInstruction.VADDPS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD231PS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VMULPS;

/**
 * Writes what becomes of a tile's sums, by the flags of the call: c at RCX, bias at R8, what is added at R9; RCX and R9 are left
 * behind the tile. RAX, RBX and RDX are used, and one vector register that is free.
 */
record Epilogue(Assembler asm, VectorSet set, int rows, int vectors, Vec free, Sums sums) {
    /** The registers of a tile's sums. */
    interface Sums {
        Vec of(int row, int vector);
    }

    void write() {
        asm.mov(RDX, at(RDI, Parameters.C_ROW));
        Label noBias = unless(asm, F32Product.BIAS);
        for (int v = 0; v < vectors; v++) {
            load(free, R8, v);
            for (int i = 0; i < rows; i++) {
                asm.op(VADDPS, sums.of(i, v), sums.of(i, v), free);
            }
        }
        asm.bind(noBias);
        Label noAdded = unless(asm, F32Product.ADD);
        asm.mov(RBX, at(RDI, Parameters.ADDED_ROW));
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                load(free, R9, v);
                asm.op(VADDPS, sums.of(i, v), sums.of(i, v), free);
            }
            asm.add(R9, RBX);
        }
        asm.bind(noAdded);
        Label noFactor = unless(asm, F32Product.MULTIPLY);
        asm.mov(RBX, RCX);
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                load(free, RBX, v);
                asm.op(VMULPS, sums.of(i, v), free, sums.of(i, v));
            }
            asm.add(RBX, RDX);
        }
        asm.bind(noFactor);
        Label noCorrection = unless(asm, F32Product.CORRECT);
        for (int v = 0; v < vectors; v++) {
            load(free, R8, v);
            asm.mov(RBX, RCX);
            for (int i = 0; i < rows; i++) {
                asm.op(VFMADD231PS, sums.of(i, v), free, at(RBX, v * set.bytes()));
                asm.add(RBX, RDX);
            }
        }
        asm.bind(noCorrection);
        for (int i = 0; i < rows; i++) {
            for (int v = 0; v < vectors; v++) {
                Address to = at(RCX, v * set.bytes());
                asm.store(to, sums.of(i, v), masked(v) ? Mask.K1 : Mask.K0);
            }
            asm.add(RCX, RDX);
        }
    }

    /** A label to bind after what is only done with a flag. */
    static Label unless(Assembler asm, int flag) {
        var skip = new Label();
        asm.mov(RAX, at(RDI, Parameters.FLAGS));
        asm.and(RAX, flag);
        asm.j(Condition.EQUAL, skip);
        return skip;
    }

    private boolean masked(int vector) {
        return set.hasMasks() && vector == vectors - 1;
    }

    private void load(Vec to, Gpr from, int vector) {
        Address address = at(from, vector * set.bytes());
        if (masked(vector)) {
            asm.opOrZero(VMOVUPS, to, Mask.K1, address);
        } else {
            asm.op(VMOVUPS, to, address);
        }
    }
}
