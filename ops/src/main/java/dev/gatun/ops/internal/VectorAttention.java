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
            most = (int) Math.min(most, columns / ((long) threads * UNITS_PER_THREAD));
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
            int i = (first + Math.min(column, columns - 1)) / call.group; // columns beyond the last repeat it
            s.low[column] = call.low(b, i);
            s.high[column] = call.high(b, i);
        }
        int whole = dK / LANES * LANES;
        for (int column = 0; column < all; column += LANES) {
            int to = column / WIDTH * WIDTH * dK + column % WIDTH;
            for (int d = 0; d < whole; d += LANES) {
                for (int lane = 0; lane < LANES; lane++) {
                    int c = Math.min(column + lane, columns - 1);
                    long from = row(call, call.q, b, kvHead, first + c) + d * (long) Float.BYTES;
                    TileTranspose.load(q, from, call.scale, s.square, lane);
                }
                TileTranspose.transpose(s.square);
                for (int i = 0; i < LANES; i++) {
                    FloatVector.fromArray(FLOATS, s.square, i * LANES).intoArray(s.q, to + (d + i) * WIDTH);
                }
            }
            for (int d = whole; d < dK; d++) {
                for (int lane = 0; lane < LANES; lane++) {
                    int c = Math.min(column + lane, columns - 1);
                    long from = row(call, call.q, b, kvHead, first + c) + d * (long) Float.BYTES;
                    s.q[to + d * WIDTH + lane] = q.get(JAVA_FLOAT_UNALIGNED, from) * call.scale;
                }
            }
        }
    }

    /** Byte offset of the row that belongs to a column: head {@code column % group} of query {@code column / group}. */
    private static long row(AttentionCall call, AttentionCall.Operand operand, int b, int kvHead, int column) {
        return call.at(operand, b, kvHead * call.group + column % call.group, column / call.group);
    }

    /** Rows of a matrix side by side. */
    private static void copy(AttentionCall.Operand operand, long at, int rows, int cols, float[] to, int toStep) {
        if (operand.row == cols * (long) Float.BYTES && toStep == cols) {
            MemorySegment.copy(operand.segment, JAVA_FLOAT_UNALIGNED, at, to, 0, rows * cols);
            return;
        }
        MemorySegment from = OffHeap.of(operand.segment);
        for (int i = 0; i < rows; i++) {
            long row = at + i * operand.row;
            int target = i * toStep;
            int j = 0;
            for (; j <= cols - 4 * LANES; j += 4 * LANES) {
                long source = row + j * (long) Float.BYTES;
                FloatVector v0 = FloatVector.fromMemorySegment(FLOATS, from, source, Species.ORDER);
                FloatVector v1 = FloatVector.fromMemorySegment(FLOATS, from, source + Species.BYTES, Species.ORDER);
                FloatVector v2 = FloatVector.fromMemorySegment(FLOATS, from, source + 2 * Species.BYTES, Species.ORDER);
                FloatVector v3 = FloatVector.fromMemorySegment(FLOATS, from, source + 3 * Species.BYTES, Species.ORDER);
                v0.intoArray(to, target + j);
                v1.intoArray(to, target + j + LANES);
                v2.intoArray(to, target + j + 2 * LANES);
                v3.intoArray(to, target + j + 3 * LANES);
            }
            for (; j < cols; j++) {
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
                AttentionKernels.scores(end - v, dK, s.k, key * dK, dK, s.q, q + at, s.scores, key * WIDTH + at);
            }
        }
    }

    /** context = context &middot; correction + V<sup>T</sup> scores; vectors that see none of the keys are left as they are. */
    private static void context(int dV, int paddedV, int column, int vectors, int from, int seen, TileScratch s) {
        int v = past(s, column, vectors, from);
        int end = reached(s, column, vectors, from + seen - 1);
        int at = v * LANES;
        for (int d = 0; d < dV && v < end; d += ROWS) {
            AttentionKernels.context(
                    dV - d <= 4,
                    end - v,
                    seen,
                    s.v,
                    d,
                    paddedV,
                    s.scores,
                    at,
                    s.context,
                    column * paddedV + d * WIDTH + at);
        }
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
        int whole = call.dV / LANES * LANES;
        for (int column = 0; column < columns; column += LANES) {
            int from = column / WIDTH * WIDTH * paddedV + column % WIDTH;
            int lanes = Math.min(LANES, columns - column);
            for (int lane = 0; lane < LANES; lane++) {
                s.sum[column + lane] = RowMath.inverseOrZero(s.sum[column + lane]);
            }
            for (int d = 0; d < whole; d += LANES) {
                for (int i = 0; i < LANES; i++) {
                    TileSoftmax.divide(s.context, from + (d + i) * WIDTH, s.sum, column, s.square, i * LANES);
                }
                TileTranspose.transpose(s.square);
                for (int lane = 0; lane < lanes; lane++) {
                    long to = row(call, call.out, b, kvHead, first + column + lane) + d * (long) Float.BYTES;
                    TileTranspose.store(s.square, lane, out, to);
                }
            }
            for (int d = whole; d < call.dV; d++) {
                TileSoftmax.divide(s.context, from + d * WIDTH, s.sum, column, s.square, 0);
                for (int lane = 0; lane < lanes; lane++) {
                    long to = row(call, call.out, b, kvHead, first + column + lane) + d * (long) Float.BYTES;
                    out.set(JAVA_FLOAT_UNALIGNED, to, s.square[lane]);
                }
            }
        }
    }
}
