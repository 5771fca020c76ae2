package dev.gatun.ops.internal;

import dev.gatun.memory.ShapeException;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;

/** The bytes of packed weights, to be stored and to be read where they are stored. */
public final class StoredLayouts {
    private static final String F32 = "F32";

    private StoredLayouts() {}

    /** Bits of the vectors that weights are laid out for. */
    public static int vectorBits() {
        return VectorWidth.LANES * Float.SIZE;
    }

    /** What the vector kernels read. */
    public static MemorySegment segment(PackedWeight weight) {
        return switch (weight) {
            case PanelWeight w -> w.segment();
            case CompressedWeight w -> w.segment();
            default -> throw new IllegalArgumentException("stored are weights that the vector backend has packed");
        };
    }

    /** Its layout. */
    public static String name(PackedWeight weight) {
        return weight instanceof CompressedWeight w ? w.layout().name() : F32;
    }

    /**
     * A weight whose bytes are there.
     *
     * @throws ShapeException if the layout is not known, or asks for other bytes
     */
    public static PackedWeight of(String name, int n, int k, MemorySegment segment) {
        CompressedLayout layout = null;
        if (!name.equals(F32)) {
            try {
                layout = CompressedLayout.valueOf(name);
            } catch (IllegalArgumentException e) {
                throw new ShapeException("stored weight in the layout \"" + name + "\": there is none");
            }
        }
        long columns = (n + VectorWidth.LANES - 1L) / VectorWidth.LANES;
        long bytes = Math.multiplyExact(columns, layout == null ? VectorWidth.BYTES * k : layout.columnBytes(k));
        if (segment.byteSize() != bytes) {
            throw new ShapeException("stored weight [" + n + "," + k + "] in the layout " + name + ": "
                    + segment.byteSize() + " bytes, it takes " + bytes);
        }
        return layout == null
                ? new PanelWeight(segment, VectorWidth.LANES, n, k)
                : new CompressedWeight(segment, layout, n, k);
    }
}
