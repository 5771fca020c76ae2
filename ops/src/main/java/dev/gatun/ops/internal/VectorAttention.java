package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.TileScratch.FEW_COLUMNS;
import static dev.gatun.ops.internal.TileScratch.KEYS;
import static dev.gatun.ops.internal.TileShape.ROWS;
import static dev.gatun.ops.internal.TileShape.WIDTH;
import static dev.gatun.ops.internal.TileShape.WIDTH_BYTES;
import static dev.gatun.ops.internal.VectorWidth.LANES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.machine.FewQueries;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Attention by Vector API kernels, the bits of {@link ScalarAttention}. Queries are the lanes: scores = K (Q scale)<sup>T</sup>
 * and context = V<sup>T</sup> exp(scores) come out with a column for each query, so that maximum, sum and correction need no
 * reduction across lanes.
 *
 * <p>A unit of work is up to {@link TileScratch#UNIT_COLUMNS} columns of one key head: queries, each with all heads of the group.
 * The keys and values pass by in tiles, packed once a unit into panels, the keys transposed, from where all its columns read them;
 * columns go by blocks of a register tile's width. Tiles and rows of tiles that no column of a block or a vector sees are left out.
 * Few columns, as in decoding, go one by one ({@link FewColumns}).
 */
final class VectorAttention implements Attention, WorkerPool.Task {
    /** Units a thread: the last ones cost least, so that all threads end at about the same time. */
    private static final int UNITS_PER_THREAD = 4;

    private static final int VALUE_PANEL = TileScratch.panel(KEY_TILE);
    private static final long KEY_ROW = KEYS * (long) Float.BYTES;
    private static final long[] STRIP_ROWS = TileShape.rows(KEY_ROW);

    private final WorkerPool pool;
    private final TileScratches scratches;
    private final MemorySegment memory;
    private final ScalarAttention scalar;
    private final Rows rows;
    private final MachineTiles @Nullable [] machine;
    private boolean hasVectors;
    private @Nullable AttentionCall underWay;
    private int unitColumns;
    private int units;

    /**
     * Takes {@link TileScratch#BYTES} a thread of {@code arena}.
     *
     * @param rows for soft caps
     * @param product for the products and weights of tiles, or null for vector kernels
     */
    VectorAttention(WorkerPool pool, TileScratches scratches, Rows rows, @Nullable MachineMatMul product, Arena arena) {
        this.pool = pool;
        this.scratches = scratches;
        this.memory = arena.allocate(TileScratch.BYTES * pool.threads(), Tensor.ALIGNMENT);
        this.scalar = new ScalarAttention(pool);
        this.rows = rows;
        this.machine = product == null ? null : MachineTiles.of(product, memory, pool.threads());
    }

    @Override
    public void run(AttentionCall call) {
        int threads = pool.threads();
        int dimensions = TileShape.padded(Math.max(call.dK, call.dV));
        int room = TileScratch.UNIT_FLOATS;
        if (call.k.isEncoded() || call.v.isEncoded()) {
            room -= TileScratch.decodedFloats(dimensions);
        }
        int most = room / Math.max(1, dimensions);
        if (Math.max(call.dK, call.dV) > TileScratch.MOST_DIMENSIONS || most < WIDTH) {
            scalar.run(call);
            return;
        }
        if (threads > 1) {
            long columns = 0;
            for (int b = 0; b < call.batch; b++) {
                columns += (long) call.nHeads * call.queries(b);
            }
            most = (int) Math.min(most, columns / ((long) threads * UNITS_PER_THREAD));
        }
        unitColumns = Math.max(1, Math.min(most, TileScratch.UNIT_COLUMNS) / WIDTH) * WIDTH;
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
            scratch.use(memory, worker * TileScratch.BYTES, call.dK, TileShape.padded(call.dV));
            MachineTiles tiles = machine == null || machine[worker].isClosed() ? null : machine[worker];
            if (tiles != null && tiles.hasCodeForFew(call, columns)) {
                attendFew(call, b, at % call.nKvHeads, first, columns, scratch, tiles);
            } else {
                attend(call, b, at % call.nKvHeads, first, columns, scratch, tiles);
            }
        } finally {
            scratches.give(scratch);
        }
    }

    /** A few columns of a key head by machine code that has them as rows. */
    private void attendFew(
            AttentionCall call, int b, int kvHead, int first, int columns, TileScratch s, MachineTiles machine) {
        TileColumns.find(call, b, kvHead, first, columns, columns, s);
        machine.beginFew(call, columns, s);
        int highest = s.high[columns - 1];
        for (int from = firstTile(call, b, s); from < highest; from += KEY_TILE) {
            int width = Math.min(KEY_TILE, highest - from);
            rows(call, b, kvHead, from, width, s);
            machine.fewScores(call, columns, width, s);
            long scores = FewQueries.scoresAt(s.few);
            if (call.softCap > 0) {
                rows.softCap(call.softCap, s.memory, scores, FewQueries.SCORE_ROW, columns, width);
            }
            for (int c = 0; c < columns; c++) {
                mask(call, b, kvHead, first + c, from, width, s, scores + c * (long) FewQueries.SCORE_ROW, Float.BYTES);
            }
            machine.fewWeights(columns, width, from, s);
            machine.fewContext(call, columns, width, s);
        }
        machine.endFew(call, columns, s);
    }

    /** The first tile with a key that the first query sees; cuts stand at keyFrom + i KEY_TILE. */
    private static int firstTile(AttentionCall call, int b, TileScratch s) {
        int keyFrom = call.mask.keyFrom(b);
        return keyFrom + (s.low[0] - keyFrom) / KEY_TILE * KEY_TILE;
    }

    /** Columns of a key head: column c is head c mod group of query c / group. */
    private void attend(
            AttentionCall call,
            int b,
            int kvHead,
            int first,
            int columns,
            TileScratch s,
            @Nullable MachineTiles machineTiles) {
        int dK = call.dK;
        int dV = call.dV;
        int paddedV = TileShape.padded(dV);
        int blocks = (columns + WIDTH - 1) / WIDTH;
        if (machineTiles == null || !machineTiles.hasTileCode() || dK % LANES != 0 || dV % LANES != 0) {
            needVectors();
        }
        TileColumns.open(call, b, kvHead, first, columns, s, machineTiles);
        TileColumns.fill(s, machineTiles, s.context, blocks * WIDTH_BYTES * paddedV, 0f);
        int highest = s.high[columns - 1];
        for (int from = firstTile(call, b, s); from < highest; from += KEY_TILE) {
            int width = Math.min(KEY_TILE, highest - from);
            rows(call, b, kvHead, from, width, s);
            MachineTiles machine = machineTiles != null && isInRows(call, b, from, width) ? machineTiles : null;
            boolean few = columns <= FEW_COLUMNS;
            if (few || machine == null) {
                needVectors();
            }
            if (!few && machine == null) {
                for (int d = 0; d < dK; d += LANES) {
                    int dims = strip(s.keys, width, d, dK, s);
                    TilePanels.pack(
                            s.memory, s.strip, STRIP_ROWS, dims, width, KEYS, s.k, d * ROWS, TileScratch.panel(dK));
                }
                TilePanels.pack(s.values, 0, s.valueRows, width, dV, dV, s.v, 0, VALUE_PANEL);
            } else if (few) {
                TileColumns.fill(s, machineTiles, s.few, columns * KEY_ROW, 0f);
                for (int d = 0; d < dK; d += LANES) {
                    int dims = strip(s.keys, width, d, dK, s);
                    for (int column = 0; column < columns; column++) {
                        long q = s.q + d * WIDTH_BYTES + column * (long) Float.BYTES;
                        FewColumns.scores(width, dims, s.memory, s.strip, q, s.few + column * KEY_ROW);
                    }
                }
            }
            for (int column = 0; column < columns; column += WIDTH) {
                int last = Math.min(columns, column + WIDTH) - 1;
                int seen = Math.min(width, s.high[last] - from);
                if (seen > 0 && s.low[column] < from + width) {
                    int vectors = (last - column) / LANES + 1;
                    if (few) {
                        scatter(columns, seen, s);
                    } else if (machine != null) {
                        scores(call, machine, s.keyRows[0], column, vectors, from, seen, s);
                    } else {
                        scores(dK, column, vectors, from, seen, s);
                    }
                    adjust(call, machineTiles, b, kvHead, first, column, last, vectors, from, seen, s);
                    softmax(machineTiles, column, vectors, seen, s);
                    if (few) {
                        context(call, columns, seen, s);
                    } else {
                        context(call, machine, s.valueRows[0], paddedV, column, vectors, from, seen, s);
                    }
                }
            }
        }
        TileColumns.close(call, columns, paddedV, s, machineTiles);
    }

    /** Vector kernels are about to be linked. */
    private void needVectors() {
        if (!hasVectors) {
            VectorApi.load();
            hasVectors = true;
        }
    }

    /** Finds a tile's keys and values, decoded to scratch where they are not floats. */
    private void rows(AttentionCall call, int b, int kvHead, int from, int width, TileScratch s) {
        AttentionCall.Operand k = call.k;
        AttentionCall.Operand v = call.v;
        call.rows(k, b, kvHead, from, width, s.keyRows, 0);
        call.rows(v, b, kvHead, from, width, s.valueRows, 0);
        s.keys = k.segment;
        s.keyStep = k.row;
        s.values = v.segment;
        s.valueStep = v.row;
        if (k.isEncoded() || v.isEncoded()) {
            needVectors();
        }
        if (k.isEncoded()) {
            RowDecoder.decode(k.format, k.segment, s.keyRows, width, call.dK, s.memory, s.decodedKeys);
            s.keys = s.memory;
            s.keyStep = call.dK * (long) Float.BYTES;
        }
        if (v.isEncoded()) {
            RowDecoder.decode(v.format, v.segment, s.valueRows, width, call.dV, s.memory, s.decodedValues);
            s.values = s.memory;
            s.valueStep = call.dV * (long) Float.BYTES;
        }
    }

    /** Whether a tile's keys, and its values, lie as far apart as rows of their tensors do, as machine code reads them. */
    private static boolean isInRows(AttentionCall call, int b, int from, int width) {
        return (call.k.isEncoded() || call.step(call.k, b, from, width) == call.k.row)
                && (call.v.isEncoded() || call.step(call.v, b, from, width) == call.v.row);
    }

    /** Up to LANES dimensions of a tile's keys, from {@code d} on, into the strip: returns how many. */
    private static int strip(MemorySegment k, int keys, int d, int dK, TileScratch s) {
        int dims = Math.min(LANES, dK - d);
        long from = d * (long) Float.BYTES;
        if (dims < LANES) {
            for (int i = 0; i < dims; i++) {
                for (int key = 0; key < keys; key++) {
                    float value = k.get(JAVA_FLOAT_UNALIGNED, from + s.keyRows[key] + i * (long) Float.BYTES);
                    s.memory.set(JAVA_FLOAT_UNALIGNED, s.strip + i * KEY_ROW + key * (long) Float.BYTES, value);
                }
            }
            return dims;
        }
        for (int key = 0; key < keys; key += LANES) {
            for (int lane = 0; lane < LANES; lane++) {
                s.rows[lane] = s.keyRows[Math.min(key + lane, keys - 1)];
            }
            long to = s.strip + key * (long) Float.BYTES;
            TileTranspose.transpose(k, from, s.rows, 1f, s.memory, s.square, s.memory, to, STRIP_ROWS);
        }
        return dims;
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
        long q = s.q + TileColumns.block(column, dK);
        int rows;
        for (int key = 0; key < seen; key += rows) {
            rows = TileShape.tileRows(seen - key);
            int v = past(s, column, vectors, from + key);
            int end = reached(s, column, vectors, from + key + rows - 1);
            if (v < end) {
                long at = v * VectorWidth.BYTES;
                long scores = s.scores + key * WIDTH_BYTES + at;
                int keys = key / ROWS * TileScratch.panel(dK);
                AttentionKernels.tile(rows, end - v, dK, s.k, keys, s.memory, q + at, s.memory, scores);
            }
        }
    }

    /** The same by machine code, from the keys where they lie: in as many products as there are different vectors to see them. */
    private static void scores(
            AttentionCall call,
            MachineTiles machine,
            long keys,
            int column,
            int vectors,
            int from,
            int seen,
            TileScratch s) {
        int to;
        for (int key = 0; key < seen; key = to) {
            int v = past(s, column, vectors, from + key);
            to = seen;
            if (v < vectors) {
                to = Math.min(seen, s.high[column + v * LANES + LANES - 1] - from);
            }
            int end = reached(s, column, vectors, from + to - 1);
            if (v < end) {
                long at = v * VectorWidth.BYTES;
                machine.scores(
                        call.dK,
                        s.keys,
                        s.keyStep,
                        keys + key * s.keyStep,
                        to - key,
                        end - v,
                        s.q + TileColumns.block(column, call.dK) + at,
                        s.scores + key * WIDTH_BYTES + at);
            }
        }
    }

    /** The scores of {@link TileScratch#FEW_COLUMNS} to where the others' are. */
    private static void scatter(int columns, int seen, TileScratch s) {
        for (int column = 0; column < columns; column++) {
            long from = s.few + column * KEY_ROW;
            long to = s.scores + column * (long) Float.BYTES;
            for (int key = 0; key < seen; key++) {
                float score = s.memory.get(JAVA_FLOAT_UNALIGNED, from + key * (long) Float.BYTES);
                s.memory.set(JAVA_FLOAT_UNALIGNED, to + key * WIDTH_BYTES, score);
            }
        }
    }

    private static void softmax(@Nullable MachineTiles machine, int column, int vectors, int seen, TileScratch s) {
        long columnAt = column * (long) Float.BYTES;
        if (machine != null && machine.hasTileCode()) {
            machine.softmax(s.scores, seen, vectors, s.max + columnAt, s.sum + columnAt);
            return;
        }
        for (int i = 0; i < vectors; i++) {
            long at = i * VectorWidth.BYTES;
            TileSoftmax.tile(s.memory, s.scores + at, seen, s.max + columnAt + at, s.sum + columnAt + at);
        }
    }

    /** context = context &middot; correction + V<sup>T</sup> scores; vectors that see none of the keys are left as they are. */
    private static void context(
            AttentionCall call,
            @Nullable MachineTiles machine,
            long valuesAt,
            int paddedV,
            int column,
            int vectors,
            int from,
            int seen,
            TileScratch s) {
        int dV = call.dV;
        int v = past(s, column, vectors, from);
        int end = reached(s, column, vectors, from + seen - 1);
        long at = v * VectorWidth.BYTES;
        int rows;
        if (machine != null) {
            // Where the mask is causal, half of a block's vectors see a quarter less of the last keys.
            int half = v + (end - v) / 2;
            int keys = half > v ? s.high[column + half * LANES - 1] - from : seen;
            if (keys < seen) {
                context(call, machine, valuesAt, paddedV, column, v, half, keys, seen, s);
                context(call, machine, valuesAt, paddedV, column, half, end, seen, seen, s);
            } else if (v < end) {
                context(call, machine, valuesAt, paddedV, column, v, end, seen, seen, s);
            }
            return;
        }
        for (int d = 0; d < dV && v < end; d += rows) {
            rows = TileShape.tileRows(dV - d);
            long added = s.added + d * WIDTH_BYTES + at;
            int values = d / ROWS * VALUE_PANEL;
            AttentionKernels.tile(rows, end - v, seen, s.v, values, s.memory, s.scores + at, s.memory, added);
        }
        long corrections = s.scores + seen * WIDTH_BYTES;
        for (; v < end; v++) {
            long vector = v * VectorWidth.BYTES;
            TileSoftmax.add(
                    s.memory,
                    s.context + TileColumns.block(column, paddedV) + vector,
                    corrections + vector,
                    s.added + vector,
                    dV);
        }
    }

    /** Of vectors that see some of the keys only. */
    private static void context(
            AttentionCall call,
            MachineTiles machine,
            long valuesAt,
            int paddedV,
            int column,
            int v,
            int end,
            int keys,
            int seen,
            TileScratch s) {
        long at = v * VectorWidth.BYTES;
        long weights = s.scores + at;
        long context = s.context + TileColumns.block(column, paddedV) + at;
        long correction = weights + seen * WIDTH_BYTES;
        machine.context(call.dV, s.values, s.valueStep, valuesAt, keys, end - v, weights, correction, context);
    }

    /** The same for {@link TileScratch#FEW_COLUMNS}. */
    private static void context(AttentionCall call, int columns, int seen, TileScratch s) {
        for (int column = 0; column < columns; column++) {
            long at = column * (long) Float.BYTES;
            long weights = s.scores + at;
            FewColumns.context(seen, call.dV, s.values, s.valueRows, s.memory, weights, s.added);
            FewColumns.add(s.memory, s.context + at, weights + seen * WIDTH_BYTES, s.added, call.dV);
        }
    }

    /** Applies the mask's tensor, if there is one, to the scores of a column of the key head, {@code scoreStep} bytes apart. */
    private static void mask(
            AttentionCall call,
            int b,
            int kvHead,
            int column,
            int from,
            int keys,
            TileScratch s,
            long scores,
            long scoreStep) {
        Tensor tensor = call.mask.tensor();
        if (tensor == null) {
            return;
        }
        long step = AttentionCall.maskStep(tensor);
        int head = kvHead * call.group + column % call.group;
        long at = AttentionCall.maskOffset(tensor, b, head, column / call.group) + from * step;
        for (int i = 0; i < keys; i++) {
            long to = scores + i * scoreStep;
            float score = s.memory.get(JAVA_FLOAT_UNALIGNED, to);
            s.memory.set(JAVA_FLOAT_UNALIGNED, to, AttentionCall.masked(tensor, at + i * step, score));
        }
    }

    /** Applies soft cap and mask to the scores of a block. */
    private void adjust(
            AttentionCall call,
            @Nullable MachineTiles machine,
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
            rows.softCap(call.softCap, s.memory, s.scores, WIDTH_BYTES, seen, vectors * LANES);
        }
        for (int c = column; c <= last; c++) {
            long scores = s.scores + (c - column) * (long) Float.BYTES;
            mask(call, b, kvHead, first + c, from, seen, s, scores, WIDTH_BYTES);
        }
        // Bounds rise with the query: the last has the highest low, the first the lowest high.
        int hiddenBefore = Math.min(seen, s.low[last] - from);
        int hiddenFrom = Math.max(0, s.high[column] - from);
        if (machine != null && machine.hasTileCode()) {
            long at = column * (long) Integer.BYTES;
            if (hiddenBefore > 0) {
                machine.hide(s.scores, from, hiddenBefore, vectors, s.lows + at, s.highs + at);
            }
            if (hiddenFrom < seen) {
                long row = s.scores + hiddenFrom * WIDTH_BYTES;
                machine.hide(row, from + hiddenFrom, seen - hiddenFrom, vectors, s.lows + at, s.highs + at);
            }
            return;
        }
        for (int i = 0; i < seen; i++) {
            if (i < hiddenBefore || i >= hiddenFrom) {
                TileSoftmax.hide(s.memory, s.scores + i * WIDTH_BYTES, vectors, from + i, s.low, s.high, column);
            }
        }
    }
}
