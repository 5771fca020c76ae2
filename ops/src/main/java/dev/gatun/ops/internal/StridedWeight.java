package dev.gatun.ops.internal;

import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;

/**
 * W as a checkpoint has it: n rows of k adjacent floats, {@code rowStride} bytes apart.
 *
 * @param segment starts at the first element
 */
public record StridedWeight(MemorySegment segment, long rowStride, int n, int k) implements PackedWeight {
    @Override
    public long byteSize() {
        return (long) n * k * Float.BYTES;
    }
}
