package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * What this CPU can do and the system lets programs use of it: by cpuid, and by XGETBV which registers are saved when threads
 * change (Intel's manual, volume 1, chapters 14.5, 15.2 to 15.4).
 *
 * @param avx2 AVX2 and FMA
 * @param avx512 AVX-512 F, DQ, BW and VL
 * @param vnni dot products of bytes on 64-byte vectors
 * @param bf16 dot products of BF16 on 64-byte vectors
 * @param amxInt8 tiles of bytes
 * @param amxBf16 tiles of BF16
 */
record CpuFeatures(boolean avx2, boolean avx512, boolean vnni, boolean bf16, boolean amxInt8, boolean amxBf16) {
    /** XMM and YMM. */
    private static final long AVX_STATE = 0x6;
    /** And masks, the upper halves, the upper sixteen. */
    private static final long AVX512_STATE = 0xE6;

    private static final long AMX_STATE = 0x60000;

    /**
     * Asks the CPU, an x86-64 with the System V calling convention.
     *
     * @throws MachineUnavailableException if code can't be run
     */
    static CpuFeatures ofThisCpu(PageCalls calls, CodeMap map) {
        var functions = new NamedCode("cpu");
        Assembler asm = functions.begin("cpuid");
        asm.push(Gpr.RBX);
        asm.mov(Gpr.RAX, at(Gpr.RDI));
        asm.mov(Gpr.RCX, at(Gpr.RDI, 8));
        asm.cpuid();
        asm.mov(at(Gpr.RDI), Gpr.RAX);
        asm.mov(at(Gpr.RDI, 8), Gpr.RBX);
        asm.mov(at(Gpr.RDI, 16), Gpr.RCX);
        asm.mov(at(Gpr.RDI, 24), Gpr.RDX);
        asm.pop(Gpr.RBX);
        asm.ret();
        asm = functions.begin("xgetbv");
        asm.mov(Gpr.RCX, 0);
        asm.xgetbv();
        asm.mov(at(Gpr.RDI), Gpr.RAX);
        asm.ret();
        try (CodeMemory code = CodeMemory.of(calls, map, functions);
                Arena arena = Arena.ofConfined()) {
            MemorySegment answer = arena.allocate(JAVA_LONG, 4);
            return read(
                    (leaf, subleaf, register) -> {
                        answer.setAtIndex(JAVA_LONG, 0, leaf);
                        answer.setAtIndex(JAVA_LONG, 1, subleaf);
                        FunctionCall.call(code.entry(0), answer);
                        return (int) answer.getAtIndex(JAVA_LONG, register);
                    },
                    () -> {
                        FunctionCall.call(code.entry(1), answer);
                        return answer.getAtIndex(JAVA_LONG, 0);
                    });
        }
    }

    /** cpuid: a register's answer, 0 to 3 for EAX to EDX. */
    interface Cpuid {
        int ask(int leaf, int subleaf, int register);
    }

    /** XGETBV, which only runs where cpuid says so. */
    interface Saved {
        long registers();
    }

    static CpuFeatures read(Cpuid cpuid, Saved saved) {
        int leaves = cpuid.ask(0, 0, 0);
        int one = leaves < 7 ? 0 : cpuid.ask(1, 0, 2);
        if (!bits(one, 27, 28, 12)) { // OSXSAVE, AVX, FMA
            return new CpuFeatures(false, false, false, false, false, false);
        }
        long state = saved.registers();
        int b = cpuid.ask(7, 0, 1);
        int c = cpuid.ask(7, 0, 2);
        int d = cpuid.ask(7, 0, 3);
        int a1 = cpuid.ask(7, 0, 0) < 1 ? 0 : cpuid.ask(7, 1, 0);
        boolean avx2 = bits(b, 5) && (state & AVX_STATE) == AVX_STATE;
        boolean avx512 = avx2 && bits(b, 16, 17, 30, 31) && (state & AVX512_STATE) == AVX512_STATE;
        boolean amx = bits(d, 24) && (state & AMX_STATE) == AMX_STATE;
        return new CpuFeatures(
                avx2, avx512, avx512 && bits(c, 11), avx512 && bits(a1, 5), amx && bits(d, 25), amx && bits(d, 22));
    }

    private static boolean bits(int word, int... numbers) {
        for (int number : numbers) {
            if ((word >>> number & 1) == 0) {
                return false;
            }
        }
        return true;
    }
}
