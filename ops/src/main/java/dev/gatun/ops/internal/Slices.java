package dev.gatun.ops.internal;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The rest of a segment from an offset on, remembered: a BLAS call takes segments, not offsets, and a new slice is 40 bytes of
 * garbage that C2 does not remove. A decoding loop asks for the same few again and again. For one caller at a time.
 */
final class Slices {
    private static final int SIZE = 4096; // a power of two; 12 layers x 12 heads of keys and values are 288

    private final @Nullable MemorySegment[] bases = new MemorySegment[SIZE];
    private final @Nullable MemorySegment[] slices = new MemorySegment[SIZE];

    @SuppressWarnings({"MemorySegmentReferenceEquality", "ReferenceEquality"}) // the same view, not the same bytes
    MemorySegment of(MemorySegment base, long offset) {
        if (offset == 0) {
            return base;
        }
        long address = base.address() + offset;
        int at = (int) (address * 0x9E3779B97F4A7C15L >>> 52); // the product's upper 12 bits
        MemorySegment known = slices[at];
        if (known != null && bases[at] == base && known.address() == address) {
            return known;
        }
        MemorySegment slice = base.asSlice(offset);
        bases[at] = base;
        slices[at] = slice;
        return slice;
    }
}
