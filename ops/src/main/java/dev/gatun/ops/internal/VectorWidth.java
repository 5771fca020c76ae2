package dev.gatun.ops.internal;

import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.MachineUnavailableException;
import org.jspecify.annotations.Nullable;

/**
 * The width of vectors in this process, which packed weights and the columns of attention are laid out for: the system property
 * {@value #PROPERTY} (128, 256 or 512), or what the JVM computes with best where it has the Vector API, or what the CPU has.
 * A width that the CPU lacks gives the same bits, hundreds of times slower.
 */
final class VectorWidth {
    static final String PROPERTY = "gatun.vector.bits";

    /** Floats of a vector: 4, 8 or 16. */
    static final int LANES = bits(System.getProperty(PROPERTY)) / Float.SIZE;

    /** Bytes of a vector. */
    static final long BYTES = LANES * (long) Float.BYTES;

    private VectorWidth() {}

    /** @throws IllegalArgumentException if {@code property} is neither null nor 128, 256 or 512 */
    static int bits(@Nullable String property) {
        // Kernels are laid out for 4 to 16 lanes; a CPU with wider vectors runs them on a part of its registers.
        int own = Math.clamp(VectorApi.isThere() ? VectorApi.preferredBits() : cpuBits(), 128, 512);
        if (property == null) {
            return own;
        }
        return switch (property) {
            case "128", "256", "512" -> Integer.parseInt(property);
            default ->
                throw new IllegalArgumentException("system property " + PROPERTY + " is \"" + property
                        + "\": a vector has 128, 256 or 512 bits; without the property this CPU's own "
                        + own
                        + " are taken");
        };
    }

    private static int cpuBits() {
        try {
            return MachineHost.open().vectorBits();
        } catch (MachineUnavailableException e) {
            return 128;
        }
    }
}
