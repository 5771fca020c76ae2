package dev.gatun.ops.internal;

import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;

/**
 * W in columns of one vector of output features in a {@link CompressedLayout}, the features beyond n all zero.
 *
 * @param segment starts at the first column
 */
record CompressedWeight(MemorySegment segment, CompressedLayout layout, int n, int k) implements PackedWeight {
    @Override
    public long byteSize() {
        return segment.byteSize();
    }
}
