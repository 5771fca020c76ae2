package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.AttentionKernels.ROWS;
import static dev.gatun.ops.internal.AttentionKernels.WIDTH;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Attention by Vector API kernels, the bits of {@link ScalarAttention}. Queries are the lanes: scores = K (Q scale)<sup>T</sup>
 * and context = V<sup>T</sup> exp(scores) come out with a column for each query, so that K and V are read as they are, maximum,
 * sum and correction need no reduction across lanes, and what is transposed, Q and the result, is so once.
 *
 * <p>A unit of work is a few hundred columns of one key head: queries, each with all heads of the group. The keys pass by in
 * tiles, copied once a unit to arrays side by side, from where all its columns read them; columns go by blocks of a register
 * tile's width. Tiles and rows of tiles that no column of a block or a vector sees are left out.
 */
final class VectorAttention implements Attention, WorkerPool.Task {
    /** Floats of the queries of a unit, and of its context: 128 KiB each, beside a tile of keys and one of values in L2. */
    private static final int UNIT_FLOATS = 32_768;

    private static final int UNIT_COLUMNS = 512;

    /** Units a thread: the last ones cost least, so that all threads end at about the same time. */
    private static final int UNITS_PER_THREAD = 4;

    /** Keys whose exponentials and values stay in L1 while all rows of the context pass over them: 16 KiB each. */
    private static final int KEY_CHUNK = 64;

    private final WorkerPool pool;
    private final TileScratches scratches;
    private @Nullable AttentionCall underWay;
    private int unitColumns;
    private int units;

    VectorAttention(WorkerPool pool, TileScratches scratches) {
        this.pool = pool;
        this.scratches = scratches;
    }

    @Override
    public void run(AttentionCall call) {
        int threads = pool.threads();
        int most = UNIT_FLOATS / Math.max(1, Math.max(call.dK, call.dV));
        if (threads > 1) {
            long columns = 0;
            for (int b = 0; b < call.batch; b++) {
                columns += (long) call.nHeads * call.queries(b);
            }
            most = (int) Math.min(most, columns / (threads * UNITS_PER_THREAD));
        }
        unitColumns = Math.max(1, Math.min(most, UNIT_COLUMNS) / WIDTH) * WIDTH;
        units = 0;
        for (int b = 0; b < call.batch; b++) {
            units += units(call, b);
        }
        underWay = call;
        pool.run(this, units);
        underWay = null;
    }

    private int units(AttentionCall call, int b) {
        long columns = (long) call.group * call.queries(b);
        return Math.toIntExact((columns + unitColumns - 1) / unitColumns * call.nKvHeads);
    }

    /** One unit; the later queries, which see more keys if the mask is causal, come first. */
    @Override
    public void run(int unit, int worker) {
        AttentionCall call = underWay;
        if (call == null) {
            throw new IllegalStateException("attention: no call under way");
        }
        int at = units - 1 - unit;
        int b = 0;
        for (int n = units(call, b); at >= n; n = units(call, b)) {
            at -= n;
            b++;
        }
        int first = at / call.nKvHeads * unitColumns;
        int columns = (int) Math.min(unitColumns, (long) call.group * call.queries(b) - first);
        TileScratch scratch = scratches.take();
        try {
            attend(call, b, at % call.nKvHeads, first, columns, scratch);
        } finally {
            scratches.give(scratch);
        }
    }

    /** Columns of a key head: column c is head c mod group of query c / group. */
    private static void attend(AttentionCall call, int b, int kvHead, int first, int columns, TileScratch s) {
        int dK = call.dK;
        int dV = call.dV;
        int paddedV = contextRows(dV);
        int blocks = (columns + WIDTH - 1) / WIDTH;
        s.fit(dK, paddedV, blocks * WIDTH);
        open(call, b, kvHead, first, columns, s);
        java.util.Arrays.fill(s.context, 0, blocks * WIDTH * paddedV, 0f);
        int keyFrom = call.mask.keyFrom(b);
        int highest = s.high[columns - 1];
        // The first tile with a key that the first query sees; cuts stand at keyFrom + i KEY_TILE.
        int start = keyFrom + (s.low[0] - keyFrom) / KEY_TILE * KEY_TILE;
        for (int from = start; from < highest; from += KEY_TILE) {
            int width = Math.min(KEY_TILE, highest - from);
            copy(call.k, call.at(call.k, b, kvHead, from), width, dK, s.k, dK);
            copy(call.v, call.at(call.v, b, kvHead, from), width, dV, s.v, paddedV);
            for (int column = 0; column < columns; column += WIDTH) {
                int last = Math.min(columns, column + WIDTH) - 1;
                int seen = Math.min(width, s.high[last] - from);
                if (seen > 0 && s.low[column] < from + width) {
                    int vectors = (last - column) / LANES + 1;
                    scores(dK, column, vectors, from, seen, s);
                    adjust(call, b, kvHead, first, column, last, vectors, from, seen, s);
                    for (int i = 0; i < vectors; i++) {
                        TileSoftmax.tile(s.scores, i * LANES, seen, s.max, s.sum, column + i * LANES, s.partial);
                    }
                    context(dV, paddedV, column, vectors, from, seen, s);
                }
            }
        }
        close(call, b, kvHead, first, columns, paddedV, s);
    }

    /** dV up to whole register tiles of six rows, or a last one of four. */
    private static int contextRows(int dV) {
        int rest = dV % ROWS;
        return dV - rest + (rest == 0 ? 0 : rest <= 4 ? 4 : ROWS);
    }

    /** Columns at the start: queries, what they see, and that nothing has been seen. */
    private static void open(AttentionCall call, int b, int kvHead, int first, int columns, TileScratch s) {
        int dK = call.dK;
        MemorySegment q = call.q.segment;
        int all = (columns + WIDTH - 1) / WIDTH * WIDTH;
        java.util.Arrays.fill(s.max, 0, all, Float.NEGATIVE_INFINITY);
        java.util.Arrays.fill(s.sum, 0, all, 0f);
        for (int column = 0; column < all; column++) {
            int c = first + Math.min(column, columns - 1); // columns beyond the last repeat it
            int i = c / call.group;
            long from = call.at(call.q, b, kvHead * call.group + c % call.group, i);
            int to = column / WIDTH * WIDTH * dK + column % WIDTH;
            for (int d = 0; d < dK; d++) {
                s.q[to + d * WIDTH] = q.get(JAVA_FLOAT_UNALIGNED, from + d * (long) Float.BYTES) * call.scale;
            }
            s.low[column] = call.low(b, i);
            s.high[column] = call.high(b, i);
        }
    }

    /** Rows of a matrix side by side. */
    private static void copy(
            AttentionCall.Operand operand, long at, int rows, int cols, float[] to, int toStep) {
        MemorySegment from = OffHeap.of(operand.segment);
        int whole = cols / LANES * LANES;
        for (int i = 0; i < rows; i++) {
            long row = at + i * operand.row;
            int target = i * toStep;
            for (int j = 0; j < whole; j += LANES) {
                FloatVector.fromMemorySegment(FLOATS, from, row + j * (long) Float.BYTES, Species.ORDER)
                        .intoArray(to, target + j);
            }
            for (int j = whole; j < cols; j++) {
                to[target + j] = from.get(JAVA_FLOAT_UNALIGNED, row + j * (long) Float.BYTES);
            }
        }
    }

    /** Leading vectors of a block of which no column sees {@code key} or later ones. */
    private static int past(TileScratch s, int column, int vectors, int key) {
        int v = 0;
        while (v < vectors && s.high[column + v * LANES + LANES - 1] <= key) {
            v++;
        }
        return v;
    }

    /** The end of the vectors of a block of which some column sees {@code key} or earlier ones. */
    private static int reached(TileScratch s, int column, int vectors, int key) {
        int v = vectors;
        while (v > 0 && s.low[column + (v - 1) * LANES] > key) {
            v--;
        }
        return v;
    }

    private static void scores(int dK, int column, int vectors, int from, int seen, TileScratch s) {
        int q = column * dK;
        for (int key = 0; key < seen; key += ROWS) {
            int v = past(s, column, vectors, from + key);
            int end = reached(s, column, vectors, from + key + ROWS - 1);
            if (v < end) {
                int at = v * LANES;
                AttentionKernels.scores(
                        end - v, dK, s.k, key * dK, dK, s.q, q + at, s.scores, key * WIDTH + at);
            }
        }
    }

    private static void context(int dV, int paddedV, int column, int vectors, int from, int seen, TileScratch s) {
        java.util.Arrays.fill(s.added, 0, paddedV * WIDTH, 0f);
        for (int key = 0; key < seen; key += KEY_CHUNK) {
            int keys = Math.min(KEY_CHUNK, seen - key);
            int v = past(s, column, vectors, from + key);
            int end = reached(s, column, vectors, from + key + keys - 1);
            int at = v * LANES;
            for (int d = 0; d < dV && v < end; d += ROWS) {
                AttentionKernels.context(
                        dV - d <= 4,
                        end - v,
                        keys,
                        s.v,
                        key * paddedV + d,
                        paddedV,
                        s.scores,
                        key * WIDTH + at,
                        s.added,
                        d * WIDTH + at);
            }
        }
        TileSoftmax.combine(s.context, column * paddedV, s.added, s.scores, seen * WIDTH, dV, vectors);
    }

    /** Applies soft cap and mask to the scores of a block. */
    private static void adjust(
            AttentionCall call,
            int b,
            int kvHead,
            int first,
            int column,
            int last,
            int vectors,
            int from,
            int seen,
            TileScratch s) {
        if (call.softCap > 0) {
            float inverse = 1f / call.softCap;
            for (int i = 0; i < seen * WIDTH; i++) {
                s.scores[i] = call.softCap * Elementary.tanh(s.scores[i] * inverse);
            }
        }
        Tensor tensor = call.mask.tensor();
        if (tensor != null) {
            long step = AttentionCall.maskStep(tensor);
            for (int c = column; c <= last; c++) {
                int head = kvHead * call.group + (first + c) % call.group;
                long at = AttentionCall.maskOffset(tensor, b, head, (first + c) / call.group) + from * step;
                for (int i = 0; i < seen; i++) {
                    int score = i * WIDTH + c - column;
                    s.scores[score] = AttentionCall.masked(tensor, at + i * step, s.scores[score]);
                }
            }
        }
        // Bounds rise with the query: the last has the highest low, the first the lowest high.
        int hiddenBefore = Math.min(seen, s.low[last] - from);
        int hiddenFrom = Math.max(0, s.high[column] - from);
        for (int i = 0; i < seen; i++) {
            if (i < hiddenBefore || i >= hiddenFrom) {
                TileSoftmax.hide(s.scores, i * WIDTH, vectors, from + i, s.low, s.high, column);
            }
        }
    }

    /** Columns at the end: the context divided by the sum; zeros if no key was seen. */
    private static void close(
            AttentionCall call, int b, int kvHead, int first, int columns, int paddedV, TileScratch s) {
        MemorySegment out = call.out.segment;
        for (int column = 0; column < columns; column++) {
            int c = first + column;
            long to = call.at(call.out, b, kvHead * call.group + c % call.group, c / call.group);
            int from = column / WIDTH * WIDTH * paddedV + column % WIDTH;
            float inverse = RowMath.inverseOrZero(s.sum[column]);
            for (int d = 0; d < call.dV; d++) {
                float value = s.context[from + d * WIDTH] * inverse + RowMath.NO_NEGATIVE_ZERO;
                out.set(JAVA_FLOAT_UNALIGNED, to + d * (long) Float.BYTES, inverse == 0f ? 0f : value);
            }
        }
    }
}
