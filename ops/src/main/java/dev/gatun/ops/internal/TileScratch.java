package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.TileShape.ROWS;
import static dev.gatun.ops.internal.TileShape.WIDTH;
import static dev.gatun.ops.internal.TileShape.WIDTH_BYTES;

import dev.gatun.ops.machine.F32Product;
import dev.gatun.ops.machine.FewQueries;
import java.lang.foreign.MemorySegment;

/**
 * What one thread keeps of a unit of {@link VectorAttention}: on the heap what is read a float at a time, in the session's memory
 * what is read by vectors (why: {@link AttentionKernels}). Queries are columns, in blocks of {@link TileShape#WIDTH}; a
 * block of a matrix [n, columns] is n rows of a block's width, the blocks one after another.
 */
final class TileScratch {
    /** Floats of the queries of a unit, and of its context: 256 KiB each, beside a tile of keys and one of values in L2. */
    static final int UNIT_FLOATS = 65_536;

    static final int UNIT_COLUMNS = 1024;

    /** Most elements of a query, and of a value; no model has more. */
    static final int MOST_DIMENSIONS = 512;

    /** Columns that are better taken one by one, with lanes for keys and dimensions, than as lanes of a vector half empty. */
    static final int FEW_COLUMNS = 8;

    /** Floats between the rows of a strip of transposed keys: whole vectors may be read from anywhere in a tile. */
    static final int KEYS = Attention.KEY_TILE + 16;

    private static final long UNIT_BYTES = UNIT_FLOATS * (long) Float.BYTES;
    private static final long ADDED_BYTES = (MOST_DIMENSIONS + ROWS) * WIDTH_BYTES;
    private static final long SCORES_BYTES = (Attention.KEY_TILE + ROWS) * WIDTH_BYTES;
    private static final long SQUARE_BYTES = VectorWidth.LANES * VectorWidth.BYTES;
    private static final long STRIP_BYTES = VectorWidth.LANES * (long) KEYS * Float.BYTES;
    private static final long FEW_BYTES = Math.max(FEW_COLUMNS * KEYS * (long) Float.BYTES, FewQueries.AREA_BYTES);

    private static final long COLUMN_BYTES = (UNIT_COLUMNS + WIDTH) * (long) Float.BYTES;

    /** At the end, for {@link MachineTiles}. */
    static final long PARAMETER_BYTES =
            (Math.max(F32Product.PARAMETER_BYTES, FewQueries.PARAMETER_BYTES) + 63) / 64 * 64;

    /** Bytes of a session's memory for each thread. A multiple of 64. */
    static final long BYTES = 2 * UNIT_BYTES
            + ADDED_BYTES
            + SCORES_BYTES
            + 2 * SQUARE_BYTES
            + STRIP_BYTES
            + FEW_BYTES
            + 4 * COLUMN_BYTES
            + PARAMETER_BYTES;

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
    /** What is being transposed, and a square beside it. */
    long square;

    long otherSquare;
    /** Some dimensions of a tile's keys, [LANES, KEYS]. */
    long strip;
    /** Scores of {@link #FEW_COLUMNS} columns, [FEW_COLUMNS, KEYS]; or the area of {@link FewQueries}. */
    long few;
    /** Running maximum and sum of each column. */
    long max;

    long sum;

    /** The columns' low and high once more, for machine code. */
    long lows;

    long highs;

    /** Where a tile's keys are as floats, and bytes from one to the next; likewise its values. */
    MemorySegment keys = MemorySegment.NULL;

    long keyStep;
    MemorySegment values = MemorySegment.NULL;
    long valueStep;

    /** Where keys are decoded to, if they are: at the end of the queries' memory. */
    long decodedKeys;
    /** Likewise values, at the end of the context's. */
    long decodedValues;

    /** A key tile in panels, [keys / ROWS, dK, ROWS], of {@link #panel} floats each. */
    float[] k = {};
    /** The values of a key tile in panels, [dV / ROWS, KEY_TILE, ROWS]. */
    float[] v = {};
    /** Byte offsets of the rows of a square. */
    final long[] rows = new long[VectorWidth.LANES];
    /** Byte offsets of a tile's keys, and of its values. */
    final long[] keyRows = new long[Attention.KEY_TILE];

    final long[] valueRows = new long[Attention.KEY_TILE];
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
        scores = added + ADDED_BYTES;
        square = scores + SCORES_BYTES;
        otherSquare = square + SQUARE_BYTES;
        strip = otherSquare + SQUARE_BYTES;
        few = strip + STRIP_BYTES;
        max = few + FEW_BYTES;
        sum = max + COLUMN_BYTES;
        lows = sum + COLUMN_BYTES;
        highs = lows + COLUMN_BYTES;
        decodedKeys = q + UNIT_BYTES - decodedFloats(dK) * (long) Float.BYTES;
        decodedValues = context + UNIT_BYTES - decodedFloats(dV) * (long) Float.BYTES;
        k = fit(k, panels(Attention.KEY_TILE) * panel(dK));
        v = fit(v, panels(dV) * panel(Attention.KEY_TILE));
    }

    /** Floats of a tile's rows of {@code d} as they are decoded: whole cache lines. */
    static int decodedFloats(int d) {
        return (Attention.KEY_TILE * d + RowDecoder.SLACK + 15) / 16 * 16;
    }

    /** Floats from one panel of k steps to the next: a row is stored as a whole vector, which ends beyond it. */
    static int panel(int k) {
        return k * ROWS + 16;
    }

    private static int panels(int rows) {
        return (rows + ROWS - 1) / ROWS;
    }

    private static float[] fit(float[] array, int length) {
        return array.length < length ? new float[length] : array;
    }
}
