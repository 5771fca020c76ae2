package dev.gatun.ops.machine;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** The functions of one kernel, for panels of 1 to so many vectors. Whoever writes them closes them. */
final class PanelFunctions implements AutoCloseable {
    /** Writes a kernel for panels of so many vectors. */
    interface Kernel {
        void write(Assembler asm, int vectors);
    }

    private final CodeMemory code;
    private final MemorySegment[] entries;

    private PanelFunctions(CodeMemory code, MemorySegment[] entries) {
        this.code = code;
        this.entries = entries;
    }

    /** Written for panels of up to {@code most} vectors. */
    static PanelFunctions write(MachineHost host, String name, int most, Kernel kernel) {
        var written = new NamedCode(name);
        for (int vectors = 1; vectors <= most; vectors++) {
            kernel.write(written.begin("x" + vectors), vectors);
        }
        CodeMemory code = host.load(written);
        var entries = new MemorySegment[most];
        Arrays.setAll(entries, code::entry);
        return new PanelFunctions(code, entries);
    }

    /** That of one vector. */
    MemorySegment first() {
        return entries[0];
    }

    /** Vectors of the widest panel. */
    int most() {
        return entries.length;
    }

    /**
     * Computes {@code panels} panels of {@code width} vectors, from vector {@code first} of {@code cols} columns on; what else
     * the kernel reads stands in the parameters. Offsets are those of the first column.
     */
    void run(
            MemorySegment parameters,
            int first,
            int width,
            int panels,
            int cols,
            int lanes,
            MemorySegment a,
            MemorySegment b,
            long bAt,
            long bVector,
            MemorySegment c,
            long cAt,
            MemorySegment bias,
            long biasAt,
            MemorySegment added,
            long addedAt) {
        long at = (long) first * lanes * Float.BYTES;
        int beyond = (first + panels * width) * lanes - cols;
        parameters.set(JAVA_LONG, Parameters.B_AT, bAt + first * bVector);
        parameters.set(JAVA_LONG, Parameters.B_VECTOR, bVector);
        parameters.set(JAVA_LONG, Parameters.B_PANEL, width * bVector);
        parameters.set(JAVA_LONG, Parameters.C_AT, cAt + at);
        parameters.set(JAVA_LONG, Parameters.BIAS_AT, biasAt + at);
        parameters.set(JAVA_LONG, Parameters.ADDED_AT, addedAt + at);
        parameters.set(JAVA_LONG, Parameters.PANELS, panels);
        parameters.set(JAVA_LONG, Parameters.MASK, beyond > 0 ? (1L << lanes - beyond) - 1 : -1L);
        FunctionCall.call(entries[width - 1], parameters, a, b, c, bias, added);
    }

    @Override
    public void close() {
        code.close();
    }
}
