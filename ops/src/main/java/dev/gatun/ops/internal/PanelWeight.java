package dev.gatun.ops.internal;

import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;

/**
 * W in columns of one vector of output features: [ceil(n / lanes)][k][lanes] floats, zeros beyond n. A kernel reads up to three
 * such columns side by side, each from start to end.
 *
 * @param segment starts at the first element
 */
public record PanelWeight(MemorySegment segment, int lanes, int n, int k) implements PackedWeight {
    @Override
    public long byteSize() {
        return segment.byteSize();
    }
}
