package dev.gatun.ops.internal;

import java.lang.foreign.Arena;

/**
 * Scaled dot-product attention softmax(q k<sup>T</sup> &middot; scale) v in O(ctx) memory: the keys pass by in tiles while each
 * query keeps a running maximum and sum (Milakov &amp; Gimelshein 2018; Dao et al. 2022, algorithm 1). No [ctx, ctx] matrix
 * exists.
 *
 * <p>Key tiles are cut at fixed distances from a sequence's first key, whatever the queries, and hidden keys add exact zeros;
 * so a query's bits do not depend on which queries, padding or later keys are computed with it, and a cached decode step
 * equals the full recompute. {@link ScalarAttention} is the definition, to the bit; {@link VectorAttention} computes the same.
 *
 * <p>One instance serves one caller at a time.
 */
public interface Attention {
    /**
     * Keys of a tile. Part of the result's definition: partial sums and corrections follow the cuts. 128 rows of a block of 64
     * columns are 32 KiB, which stay in L1 from the scores to the context.
     */
    int KEY_TILE = 128;

    /** Keys of a tile where a library computes: it wants products larger than ours. */
    int BLAS_KEY_TILE = 256;

    /** Computes a call whose shapes have been checked. */
    void run(AttentionCall call);

    /** Most query heads that a call may have. */
    default int maxHeads() {
        return Integer.MAX_VALUE;
    }

    /** Bytes of an arena that {@link #of} takes. */
    static long scratchByteSize(MatMul matMul, int threads) {
        if (matMul instanceof MachineMatMul || matMul instanceof VectorMatMul) {
            return TileScratch.BYTES * threads;
        }
        return matMul instanceof ScalarMatMul ? 0 : BlasAttention.SCRATCH_BYTES;
    }

    /**
     * What goes with a product backend.
     *
     * @param productScratch one a thread
     */
    static Attention of(
            MatMul matMul,
            Rows rows,
            WorkerPool pool,
            TileScratches scratches,
            ProductScratch[] productScratch,
            Arena arena) {
        if (matMul instanceof MachineMatMul machine) {
            return new VectorAttention(pool, scratches, rows, machine, arena);
        }
        if (matMul instanceof VectorMatMul) {
            return new VectorAttention(pool, scratches, rows, null, arena);
        }
        return matMul instanceof ScalarMatMul
                ? new ScalarAttention(pool)
                : new BlasAttention(matMul, rows, productScratch[0], arena);
    }
}
