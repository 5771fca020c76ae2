package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Gpr.R12;
import static dev.gatun.ops.machine.Gpr.R13;
import static dev.gatun.ops.machine.Gpr.R14;
import static dev.gatun.ops.machine.Gpr.R15;
import static dev.gatun.ops.machine.Gpr.RBP;
import static dev.gatun.ops.machine.Gpr.RBX;

/**
 * How a function begins and ends by the System V calling convention: arguments in RDI, RSI, RDX, RCX, R8 and R9; what must be
 * preserved is saved, so that a function may use all registers.
 */
final class CallFrame {
    private static final Gpr[] PRESERVED = {RBX, RBP, R12, R13, R14, R15};

    private CallFrame() {}

    static void enter(Assembler asm) {
        for (Gpr register : PRESERVED) {
            asm.push(register);
        }
    }

    static void leave(Assembler asm) {
        asm.vzeroupper();
        for (int i = PRESERVED.length - 1; i >= 0; i--) {
            asm.pop(PRESERVED[i]);
        }
        asm.ret();
    }
}
