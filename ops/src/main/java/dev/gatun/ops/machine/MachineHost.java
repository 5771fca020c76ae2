package dev.gatun.ops.machine;

import java.util.Locale;

/** The computer as machine code needs it: what the CPU can do, and how the system gives pages to run code from. Asked once. */
public final class MachineHost {
    private final PageCalls calls;
    private final CodeMap map;
    private final CpuFeatures cpu;

    private MachineHost(PageCalls calls, CodeMap map, CpuFeatures cpu) {
        this.calls = calls;
        this.map = map;
        this.cpu = cpu;
    }

    /**
     * Asks CPU and system.
     *
     * @throws MachineUnavailableException if this is no x86-64 with the System V calling convention, which the kernels are written
     *     for, or the system does not let a program run code that it has written
     */
    public static MachineHost open() {
        String architecture = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
        if (!architecture.equals("amd64") && !architecture.equals("x86_64")) {
            throw new MachineUnavailableException("machine code: written for x86-64, this is " + architecture);
        }
        String system = System.getProperty("os.name");
        if (system.toLowerCase(Locale.ROOT).startsWith("windows")) {
            throw new MachineUnavailableException(
                    "machine code: written for the System V calling convention, which " + system + " does not have");
        }
        try {
            PageCalls calls = PageCalls.ofThisSystem();
            CodeMap map = CodeMap.ofProperty();
            return new MachineHost(calls, map, CpuFeatures.ofThisCpu(calls, map));
        } catch (ExceptionInInitializerError e) {
            throw new MachineUnavailableException("machine code: native calls are forbidden: " + e.getCause());
        }
    }

    /** Bits of the widest vectors that are fast. */
    public int vectorBits() {
        return cpu.avx512() ? 512 : cpu.avx2() ? 256 : 128;
    }

    CpuFeatures cpu() {
        return cpu;
    }

    /** Code that can be called, until its user closes it. */
    CodeMemory load(NamedCode code) {
        return CodeMemory.of(calls, map, code);
    }
}
