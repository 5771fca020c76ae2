package dev.gatun.ops.internal;

import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;

/**
 * W in panels of {@code panel} output features: [ceil(n / panel)][k][panel] floats, zeros beyond n. A kernel reads one panel
 * from start to end, a few whole vectors for each k.
 *
 * @param segment starts at the first element
 */
public record PanelWeight(MemorySegment segment, int panel, int n, int k) implements PackedWeight {}
