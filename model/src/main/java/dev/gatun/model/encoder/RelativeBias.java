package dev.gatun.model.encoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
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
        int buckets = weight.dim(0);
        int nHeads = weight.dim(1);
        Tensor all = Tensor.allocate(arena, DType.F32, Shape.of(1, nHeads, nPositions, nPositions));
        float[] row = new float[2 * nPositions - 1];
        for (int h = 0; h < nHeads; h++) {
            for (int distance = 1 - nPositions; distance < nPositions; distance++) {
                row[distance + nPositions - 1] = weight.getFloat(bucket(distance, buckets), h);
            }
            Tensor distances = Tensor.copyOf(arena, row, row.length);
            for (int query = 0; query < nPositions; query++) {
                // Key j is at distance j - query.
                distances.copyRun(
                        nPositions - 1 - query, all, ((long) h * nPositions + query) * nPositions, nPositions);
            }
        }
        return new RelativeBias(all);
    }

    /** Half of the buckets for keys after the query; half of those exact, the others wider and wider up to 128. */
    private static int bucket(int distance, int buckets) {
        int half = buckets / 2;
        int n = Math.abs(distance);
        int exact = half / 2;
        int bucket = n;
        if (n >= exact) {
            // In float32, as the reference: distances 16, 32 and 64 sit on the borders of buckets.
            float position = (float) Math.log((float) n / exact) / (float) Math.log((double) MAX_DISTANCE / exact);
            bucket = Math.min(exact + (int) (position * (half - exact)), half - 1);
        }
        return distance > 0 ? half + bucket : bucket;
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
