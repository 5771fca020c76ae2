package dev.gatun.ops.internal;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The rest of a segment from an offset on, remembered: a BLAS call takes segments, not offsets, and a new slice is 40 bytes of
 * garbage that C2 does not remove. A decoding loop asks for the same few again and again. For one caller at a time.
 */
final class Slices {
    private static final int BUCKETS = 1024; // a power of two
    private static final int WAYS = 8; // 12 layers x 12 heads of keys and values are 288 of 8192

    // Of each bucket the latest used first: what belongs to a view that is no longer used sinks and falls out.
    private final @Nullable MemorySegment[] bases = new MemorySegment[BUCKETS * WAYS];
    private final @Nullable MemorySegment[] slices = new MemorySegment[BUCKETS * WAYS];

    @SuppressWarnings({"MemorySegmentReferenceEquality", "ReferenceEquality"}) // the same view, not the same bytes
    MemorySegment of(MemorySegment base, long offset) {
        if (offset == 0) {
            return base;
        }
        long address = base.address() + offset;
        int first = (int) (address * 0x9E3779B97F4A7C15L >>> 54) * WAYS; // the product's upper 10 bits
        int at = first;
        MemorySegment slice = slices[at];
        while (slice != null && (bases[at] != base || slice.address() != address)) {
            slice = ++at < first + WAYS ? slices[at] : null;
        }
        if (slice == null) {
            slice = base.asSlice(offset);
            at = Math.min(at, first + WAYS - 1);
        }
        if (at > first) {
            System.arraycopy(bases, first, bases, first + 1, at - first);
            System.arraycopy(slices, first, slices, first + 1, at - first);
        }
        bases[first] = base;
        slices[first] = slice;
        return slice;
    }
}
