package dev.gatun.ops.internal;

import java.lang.foreign.MemorySegment;

/** Products of F32 matrices: with packed weights, and of activations. */
public interface MatMul extends Linears {
    /** Whether one {@link #multiply} should do all heads of a layer, rather than one call a head on each worker. */
    boolean batchesHeads();

    /**
     * {@code count} products c = alpha &middot; a b, or c += a b where {@code accumulate} (then alpha is 1), on this thread.
     * Operand i of a batch lies i &middot; batch stride bytes after the first; a batch stride of 0 uses one for all.
     *
     * @param a [m, k]
     * @param b [k, n], or [n, k] if {@code bTransposed}
     * @param c [m, n]; does not overlap a or b
     */
    void multiply(
            int count,
            int m,
            int n,
            int k,
            float alpha,
            MemorySegment a,
            long aOffset,
            long aBatch,
            long aStride,
            MemorySegment b,
            long bOffset,
            long bBatch,
            long bStride,
            boolean bTransposed,
            boolean accumulate,
            MemorySegment c,
            long cOffset,
            long cBatch,
            long cStride,
            ProductScratch scratch);
}
