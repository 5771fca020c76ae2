package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.AttentionKernels.ROWS;
import static dev.gatun.ops.internal.AttentionKernels.WIDTH;
import static dev.gatun.ops.internal.AttentionKernels.WIDTH_BYTES;

import java.lang.foreign.MemorySegment;

/**
 * What one thread keeps of a unit of {@link VectorAttention}: on the heap what is read a float at a time, in the session's memory
 * what is read by vectors (why: {@link AttentionKernels}). Queries are columns, in blocks of {@link AttentionKernels#WIDTH}; a
 * block of a matrix [n, columns] is n rows of a block's width, the blocks one after another.
 */
final class TileScratch {
    /**
     * Floats of the queries of a unit, and of its context: 128 KiB each, beside a tile of keys and one of values in L2; and of one
     * block of context.
     */
    static final int UNIT_FLOATS = 32_768;

    static final int UNIT_COLUMNS = 512;

    private static final long UNIT_BYTES = UNIT_FLOATS * (long) Float.BYTES;
    private static final long SCORES_BYTES = (Attention.KEY_TILE + ROWS) * WIDTH_BYTES;
    private static final long SQUARE_BYTES = Species.LANES * Species.BYTES;

    /** Bytes of a session's memory for each thread. A multiple of 64. */
    static final long BYTES = 3 * UNIT_BYTES + SCORES_BYTES + SQUARE_BYTES;

    /** The session's memory. */
    MemorySegment memory = MemorySegment.NULL;
    /** Queries times scale, [dK, columns]. */
    long q;
    /** Context so far, to be divided by the sum, [dV up to whole tiles, columns]. */
    long context;
    /** Context of one key tile and one block. */
    long added;
    /** Scores of a block, then their exponentials; the row after the last is the correction. */
    long scores;
    /** What is being transposed. */
    long square;

    /** A key tile's keys, [keys, dK], and values, [keys, dV up to whole tiles]. */
    float[] k = {};

    float[] v = {};
    /** Running maximum and sum of each column. */
    final float[] max = new float[UNIT_COLUMNS + WIDTH];

    final float[] sum = new float[UNIT_COLUMNS + WIDTH];
    /** Keys that a column sees: from low up to before high. */
    final int[] low = new int[UNIT_COLUMNS + WIDTH];

    final int[] high = new int[UNIT_COLUMNS + WIDTH];
    /** Byte offsets of a column's row of queries and of the result. */
    final long[] qRow = new long[UNIT_COLUMNS + WIDTH];

    final long[] outRow = new long[UNIT_COLUMNS + WIDTH];

    /** Points into {@code newMemory} from {@code offset} on and grows where a call needs more than any before. */
    void use(MemorySegment newMemory, long offset, int dK, int dV) {
        memory = newMemory;
        q = offset;
        context = q + UNIT_BYTES;
        added = context + UNIT_BYTES;
        scores = added + UNIT_BYTES;
        square = scores + SCORES_BYTES;
        k = fit(k, (Attention.KEY_TILE + ROWS) * dK);
        v = fit(v, Attention.KEY_TILE * dV);
    }

    private static float[] fit(float[] array, int length) {
        return array.length < length ? new float[length] : array;
    }
}
