package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;

/**
 * Relative positions as T5 and MPNet have them: a number for each head and bucket of distances, added to the scores (Raffel et al.
 * 2020, section 2.1).
 *
 * @param weight [buckets, H] of any floating-point type
 * @param maxDistance from which on all keys share a bucket
 * @param bothWays half of the buckets for keys after the query; else those count as at the query
 */
public record RelativeBuckets(Tensor weight, int maxDistance, boolean bothWays) {
    /**
     * Lays the numbers out as a mask.
     *
     * @param first distance of the first column from the first query: that key's position less the query's
     * @param out F32 [1, H, queries, keys]; a query is one further on than the one before, a key too
     */
    public void fill(int first, Tensor out) {
        int queries = out.dim(2);
        int keys = out.dim(3);
        for (int h = 0; h < out.dim(1); h++) {
            // Distances fall by one from a row to the next: each is the one before, shifted.
            for (int query = 0; query < queries; query++) {
                long row = ((long) h * queries + query) * keys;
                if (query > 0) {
                    out.copyRun(row - keys, out, row + 1, keys - 1L);
                }
                for (int key = 0; key < (query == 0 ? keys : 1); key++) {
                    out.setFloatAt(row + key, weight.getFloat(bucket(first + key - query), h));
                }
            }
        }
    }

    /** Half of the buckets exact, the others wider and wider up to maxDistance. */
    private int bucket(int distance) {
        int buckets = bothWays ? weight.dim(0) / 2 : weight.dim(0);
        int n = bothWays ? Math.abs(distance) : Math.max(0, -distance);
        int exact = buckets / 2;
        int bucket = n;
        if (n >= exact) {
            // In float32, as the reference: distances 16, 32 and 64 sit on the borders of buckets.
            float position = (float) Math.log((float) n / exact) / (float) Math.log((double) maxDistance / exact);
            bucket = Math.min(exact + (int) (position * (buckets - exact)), buckets - 1);
        }
        return bothWays && distance > 0 ? buckets + bucket : bucket;
    }
}
