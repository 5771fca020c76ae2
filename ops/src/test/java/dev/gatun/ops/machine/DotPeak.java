package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** As many dot products of bytes as a core does, in registers: what 8-bit products are measured against. Whoever opens it closes it. */
final class DotPeak implements AutoCloseable {
    /** Sums that do not wait for each other: two units of latency 5 need 10. */
    private static final int CHAINS = 24;

    /** Multiplications and additions of a turn of the loop: 64 of both an instruction. */
    static final long TURN = CHAINS * 128L;

    private final CodeMemory code;
    private final Arena arena = Arena.ofShared();

    private DotPeak(CodeMemory code) {
        this.code = code;
    }

    /**
     * Writes the loop.
     *
     * @throws MachineUnavailableException if the CPU has no AVX-512 with VNNI
     */
    static DotPeak open(MachineHost host) {
        if (!host.cpu().vnni()) {
            throw new MachineUnavailableException("machine code: the CPU has no AVX-512 with VNNI");
        }
        var written = new NamedCode("peak");
        Assembler asm = written.begin("dot products");
        asm.mov(Gpr.RAX, at(Gpr.RDI));
        for (int i = 0; i < 32; i++) {
            asm.op(VectorInstruction.VPXORD, Vec.zmm(i), Vec.zmm(i), Vec.zmm(i));
        }
        asm.align(64);
        Label loop = asm.here();
        for (int i = 0; i < CHAINS; i++) {
            asm.op(VectorInstruction.VPDPBUSD, Vec.zmm(i), Vec.zmm(30), Vec.zmm(31));
        }
        asm.sub(Gpr.RAX, 1);
        asm.j(Condition.NOT_EQUAL, loop);
        asm.vzeroupper();
        asm.ret();
        return new DotPeak(host.load(written));
    }

    /** Memory that a thread's calls are given. */
    MemorySegment parameters() {
        return arena.allocate(64, 64);
    }

    /** {@code turns} turns, 1 or more, of {@link #TURN} operations. */
    void run(MemorySegment parameters, long turns) {
        parameters.set(ValueLayout.JAVA_LONG, 0, Math.max(1, turns));
        FunctionCall.call(code.entry(0), parameters);
    }

    @Override
    public void close() {
        code.close();
        arena.close();
    }
}
