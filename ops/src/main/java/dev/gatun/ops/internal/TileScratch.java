package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.AttentionKernels.ROWS;
import static dev.gatun.ops.internal.AttentionKernels.WIDTH;

/**
 * What one thread keeps of a unit of {@link VectorAttention}. Queries are columns, in blocks of {@link AttentionKernels#WIDTH};
 * a block of a matrix [n, columns] is n rows of a block's width, the blocks one after another.
 */
final class TileScratch {
    /** Queries times scale, [dK, columns]. */
    float[] q = {};
    /** Context so far, to be divided by the sum, [dV up to whole tiles, columns]. */
    float[] context = {};
    /** A key tile's keys, [keys, dK], and values, [keys, dV up to whole tiles]. */
    float[] k = {};

    float[] v = {};
    /** Running maximum and sum of each column. */
    float[] max = {};

    float[] sum = {};
    /** Keys that a column sees: from low up to before high. */
    int[] low = {};

    int[] high = {};
    /** Scores of a block, then their exponentials; the row after the last is the correction. */
    final float[] scores = new float[(Attention.KEY_TILE + ROWS) * WIDTH];
    /** What is being transposed. */
    final float[] square = new float[Species.LANES * Species.LANES];
    /** Partial sums of a vector of columns, and one for what does not count. */
    final float[] partial = new float[17 * Species.LANES];

    /** Grows where a call needs more than any before. */
    void fit(int dK, int dV, int columns) {
        q = fit(q, dK * columns);
        context = fit(context, dV * columns);
        k = fit(k, (Attention.KEY_TILE + ROWS) * dK);
        v = fit(v, Attention.KEY_TILE * dV);
        max = fit(max, columns);
        sum = fit(sum, columns);
        low = low.length < columns ? new int[columns] : low;
        high = high.length < columns ? new int[columns] : high;
    }

    private static float[] fit(float[] array, int length) {
        return array.length < length ? new float[length] : array;
    }
}
