package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.R9;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;

/** Writes the loop over panels of a product: a function of the addresses of parameters, a, b, c, bias and added. */
record PanelLoop(Assembler asm, VectorSet set, int vectors) {
    /**
     * The function's begin, and a panel's, to which the label leads: a in RSI, c in RCX, bias in R8, what is added in R9, parameters in
     * RDI; K1 are the lanes of a panel's last vector.
     */
    Label begin() {
        CallFrame.enter(asm);
        if (set.hasMasks()) {
            asm.mov(RAX, -1);
            asm.kmovw(Mask.K1, RAX);
        }
        keep(RSI, Parameters.A_AT, Parameters.A);
        keep(RDX, Parameters.B_AT, Parameters.B);
        keep(RCX, Parameters.C_AT, Parameters.C);
        keep(R8, Parameters.BIAS_AT, Parameters.BIAS);
        keep(R9, Parameters.ADDED_AT, Parameters.ADDED);
        Label panel = asm.here();
        if (set.hasMasks()) {
            var inner = new Label();
            asm.mov(RAX, at(RDI, Parameters.PANELS));
            asm.cmp(RAX, 1);
            asm.j(Condition.NOT_EQUAL, inner);
            asm.mov(RAX, at(RDI, Parameters.MASK));
            asm.kmovw(Mask.K1, RAX);
            asm.bind(inner);
        }
        asm.mov(RSI, at(RDI, Parameters.A));
        asm.mov(RCX, at(RDI, Parameters.C));
        asm.mov(R8, at(RDI, Parameters.BIAS));
        asm.mov(R9, at(RDI, Parameters.ADDED));
        return panel;
    }

    /** An operand's address, moved to where the call begins, to the parameters. */
    private void keep(Gpr address, int offset, int kept) {
        asm.add(address, at(RDI, offset));
        asm.mov(at(RDI, kept), address);
    }

    /** On to the next panel, or the function's end. */
    void end(Label panel) {
        for (int pointer : new int[] {Parameters.C, Parameters.BIAS, Parameters.ADDED}) {
            asm.mov(RAX, at(RDI, pointer));
            asm.add(RAX, vectors * set.bytes());
            asm.mov(at(RDI, pointer), RAX);
        }
        asm.mov(RAX, at(RDI, Parameters.B));
        asm.add(RAX, at(RDI, Parameters.B_PANEL));
        asm.mov(at(RDI, Parameters.B), RAX);
        asm.mov(RAX, at(RDI, Parameters.PANELS));
        asm.sub(RAX, 1);
        asm.mov(at(RDI, Parameters.PANELS), RAX);
        asm.j(Condition.NOT_EQUAL, panel);
        CallFrame.leave(asm);
    }
}
