package dev.gatun.ops;

/**
 * What {@link Backend.Kind#AUTO} knows about one shape. Of a linear layer the shape is out[m, n] = x[m, k] W<sup>T</sup>; of
 * attention m is queries, n is keys and k is dK.
 *
 * @param operation {@code linear}, or {@code attention} with the query heads that share a key head where there are more than one:
 *     {@code attention/4}
 * @param mFrom least m of the class
 * @param mTo greatest m of the class, {@link Integer#MAX_VALUE} for the last
 * @param n output features; the greatest number of keys of the class for attention
 * @param k inner size
 * @param chosen {@code openblas} or {@code vector}; {@code undecided} as long as there were too few calls to tell, which OpenBLAS
 *     computes but for those that are tried
 * @param openBlasNanos median time of OpenBLAS for one row of x or one query, 0 if not measured
 * @param vectorNanos likewise of the vector kernels
 * @param cached whether the choice was read from the table of an earlier process
 */
public record Decision(
        String operation,
        int mFrom,
        int mTo,
        int n,
        int k,
        String chosen,
        double openBlasNanos,
        double vectorNanos,
        boolean cached) {}
