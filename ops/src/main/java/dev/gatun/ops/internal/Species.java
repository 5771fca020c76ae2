package dev.gatun.ops.internal;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/**
 * The one vector shape of the process: the CPU's own, or what the system property {@value #PROPERTY} says (128, 256 or 512).
 * A width that the CPU lacks gives the same bits, hundreds of times slower.
 */
final class Species {
    static final String PROPERTY = "gatun.vector.bits";

    static final VectorSpecies<Float> FLOATS = choose(System.getProperty(PROPERTY));
    static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);
    /** Floats in a vector: 4, 8 or 16. */
    static final int LANES = FLOATS.length();

    /** Bytes in a vector. */
    static final long BYTES = LANES * (long) Float.BYTES;

    /** Each lane 8 further on, around the end; where a vector has no more than 8, itself. */
    static final VectorShuffle<Float> ROTATE_8 = VectorShuffle.iota(FLOATS, 8 % LANES, 1, true);
    /** Likewise 4. */
    static final VectorShuffle<Float> ROTATE_4 = VectorShuffle.iota(FLOATS, 4 % LANES, 1, true);

    static final ByteOrder ORDER = ByteOrder.nativeOrder();

    private Species() {}

    /** @throws IllegalArgumentException if {@code bits} is neither null nor 128, 256 or 512 */
    static VectorSpecies<Float> choose(@Nullable String bits) {
        int preferred = FloatVector.SPECIES_PREFERRED.vectorBitSize();
        // Kernels are laid out for 4 to 16 lanes; a CPU with wider vectors runs them on a part of its registers.
        return switch (bits == null ? Integer.toString(Math.clamp(preferred, 128, 512)) : bits) {
            case "128" -> FloatVector.SPECIES_128;
            case "256" -> FloatVector.SPECIES_256;
            case "512" -> FloatVector.SPECIES_512;
            default ->
                throw new IllegalArgumentException("system property " + PROPERTY + " is \"" + bits
                        + "\": a vector has 128, 256 or 512 bits; without the property this CPU's own " + preferred
                        + " are taken");
        };
    }
}
