package dev.gatun.model.encoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.RelativeBuckets;
import dev.gatun.ops.AttentionMask;
import java.lang.foreign.Arena;

/**
 * What MPNet adds to the scores of every layer: a number for each head and bucket of distances (Raffel et al. 2020, section 2.1).
 * Distances do not hang on a sequence's length, so the table for the longest one serves all: each reads its corner.
 */
final class RelativeBias {
    private static final int MAX_DISTANCE = 128;

    private final Tensor all; // [1, H, nPositions, nPositions]
    private final AttentionMask mask;

    private RelativeBias(Tensor all) {
        this.all = all;
        this.mask = AttentionMask.full().with(all);
    }

    /** Lays out {@code weight} [buckets, H] for all pairs of {@code nPositions} positions. */
    static RelativeBias of(Tensor weight, int nPositions, Arena arena) {
        int nHeads = weight.dim(1);
        Tensor all = Tensor.allocate(arena, DType.F32, Shape.of(1, nHeads, nPositions, nPositions));
        new RelativeBuckets(weight, MAX_DISTANCE, true).fill(0, all);
        return new RelativeBias(all);
    }

    /** The mask that adds the bias [1, H, nPositions, nPositions], of which each sequence reads the corner. */
    AttentionMask mask() {
        return mask;
    }

    /** Bytes that it takes. */
    long byteSize() {
        return all.byteSize();
    }
}
