package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.DType;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.AttentionMask;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Scaled dot-product attention softmax(Q K<sup>T</sup> &middot; scale) V in O(ctx) memory: the keys pass by in tiles while each
 * query keeps a running maximum and sum (Milakov &amp; Gimelshein 2018; Dao et al. 2022, algorithm 1). No [ctx, ctx] matrix
 * exists.
 *
 * <p>Key tiles are cut at fixed distances from a sequence's first key, whatever the queries, and hidden keys add exact zeros;
 * so a query's bits do not depend on which queries, padding or later keys are computed with it, and a cached decode step
 * equals the full recompute.
 *
 * <p>One instance serves one caller at a time: its fields are the operands of the call under way.
 */
public final class FlashAttention implements WorkerPool.Task {
    /** Keys of a tile. Part of the result's definition: partial sums and corrections follow the cuts. */
    private static final int KEY_TILE = 256;

    /**
     * Queries of a tile: each packs the keys once, so few and large ones; 256 x 256 scores are 256 KiB, within L2 beside a tile of
     * K and V. Not part of the result.
     */
    private static final int QUERY_TILE = 256;

    /** Rows of scores that one unit of work may have, heads times queries: bounds the scratch. */
    private static final int UNIT_ROWS = 256;

    private static final int UNIT_ROWS_BATCHED = 1024;

    private static final long F = Float.BYTES;

    private final MatMul matMul;
    private final Rows rows;
    private final WorkerPool pool;
    private final MemorySegment scratch;
    private final ProductScratch[] productScratch;
    private final long workerScratch;
    private final int unitRows;

    private final Operand q = new Operand();
    private final Operand k = new Operand();
    private final Operand v = new Operand();
    private final Operand out = new Operand();
    private AttentionMask mask = AttentionMask.full();
    private float scale;
    private float softCap;
    private int nHeads;
    private int group; // query heads that share one key head
    private int headsAtOnce; // query heads of one unit
    private int queries;
    private int queryTile;
    private int queryTiles;
    private int keys;
    private int dK;
    private int dV;

    /** A tensor [batch, heads, ctx, d] as segment and byte strides; mutable, so that a call makes no object. */
    private static final class Operand {
        MemorySegment segment = MemorySegment.NULL;
        long batch;
        long head;
        long row;
        int @Nullable [][] pages;
        int pageRows;

        /** A tensor [pages, heads, pageRows, d] whose sequence b is the pages {@code table[b]}, one after the other. */
        void setPaged(Tensor t, int[][] table) {
            set(t);
            row = t.stride(2) * F;
            pages = table;
            pageRows = t.dim(2);
        }

        void set(Tensor t) {
            pages = null;
            segment = t.segment();
            batch = t.stride(0) * F;
            head = t.stride(1) * F;
            // A single row may have any stride; BLAS wants at least its length.
            row = (t.dim(2) > 1 ? t.stride(2) : t.dim(3)) * F;
        }

        long at(int b, int h, int i) {
            int[][] table = pages;
            if (table == null) {
                return b * batch + h * head + i * row;
            }
            return table[b][i / pageRows] * batch + h * head + i % pageRows * row;
        }
    }

    /**
     * Takes {@link #scratchByteSize} bytes of {@code arena}.
     *
     * @param productScratch one a thread
     */
    public FlashAttention(MatMul matMul, Rows rows, WorkerPool pool, ProductScratch[] productScratch, Arena arena) {
        this.matMul = matMul;
        this.rows = rows;
        this.pool = pool;
        this.productScratch = productScratch;
        this.unitRows = unitRows(matMul);
        this.workerScratch = workerScratch(matMul);
        this.scratch = arena.allocate(scratchByteSize(matMul, pool.threads()), Tensor.ALIGNMENT);
    }

    private static int unitRows(MatMul matMul) {
        return matMul.batchesHeads() ? UNIT_ROWS_BATCHED : UNIT_ROWS;
    }

    /** Scores, then maximum, sum and correction of each row. */
    private static long workerScratch(MatMul matMul) {
        return (KEY_TILE + 3) * F * unitRows(matMul);
    }

    /** Bytes that the constructor takes. */
    public static long scratchByteSize(MatMul matMul, int threads) {
        return workerScratch(matMul) * (matMul.batchesHeads() ? 1 : threads);
    }

    /**
     * out = softmax(q k<sup>T</sup> &middot; scale, masked) v. Shapes are checked by the caller.
     *
     * @param newQ [batch, nHeads, queries, dK]
     * @param newK [batch, nKvHeads, keys, dK], nKvHeads dividing nHeads
     * @param newV [batch, nKvHeads, keys, dV]
     * @param newSoftCap cap &middot; tanh(score / cap) where above 0
     * @param newOut [batch, nHeads, queries, dV]; does not overlap the others
     */
    public void run(
            Tensor newQ,
            Tensor newK,
            Tensor newV,
            AttentionMask newMask,
            float newScale,
            float newSoftCap,
            Tensor newOut) {
        k.set(newK);
        v.set(newV);
        keys = newK.dim(2);
        start(newQ, newK, newV, newMask, newScale, newSoftCap, newOut);
    }

    /**
     * The same over keys and values in pages, each a whole number of key tiles or all that there is.
     *
     * @param newK [pages, nKvHeads, pageRows, dK]
     * @param newV [pages, nKvHeads, pageRows, dV]
     * @param pages for each sequence its pages, in order
     * @param newMask says how many keys a sequence has
     */
    public void runPaged(
            Tensor newQ,
            Tensor newK,
            Tensor newV,
            int[][] pages,
            AttentionMask newMask,
            float newScale,
            float newSoftCap,
            Tensor newOut) {
        k.setPaged(newK, pages);
        v.setPaged(newV, pages);
        keys = Integer.MAX_VALUE;
        start(newQ, newK, newV, newMask, newScale, newSoftCap, newOut);
    }

    /** Keys of a tile: a page of more than these has to be a multiple of them. */
    public static int keyTile() {
        return KEY_TILE;
    }

    private void start(
            Tensor newQ,
            Tensor newK,
            Tensor newV,
            AttentionMask newMask,
            float newScale,
            float newSoftCap,
            Tensor newOut) {
        q.set(newQ);
        out.set(newOut);
        mask = newMask;
        scale = newScale;
        softCap = newSoftCap;
        int batch = newQ.dim(0);
        nHeads = newQ.dim(1);
        queries = newQ.dim(2);
        dK = newQ.dim(3);
        dV = newV.dim(3);
        group = nHeads / newK.dim(1);
        headsAtOnce = matMul.batchesHeads() && group == 1 ? nHeads : group;
        queryTile = Math.max(1, Math.min(Math.min(QUERY_TILE, queries), unitRows / headsAtOnce));
        queryTiles = (queries + queryTile - 1) / queryTile;
        int units = batch * (nHeads / headsAtOnce) * queryTiles;
        if (matMul.batchesHeads()) {
            for (int unit = 0; unit < units; unit++) {
                run(unit, 0);
            }
        } else {
            pool.run(this, units);
        }
    }

    /** Most query heads that a call may have in one unit. */
    public int maxHeadsAtOnce() {
        return unitRows;
    }

    /** One unit: a tile of queries, for one key head and the query heads that share it, or for all heads. */
    @Override
    public void run(int unit, int worker) {
        int tile = unit % queryTiles;
        int headUnit = unit / queryTiles % (nHeads / headsAtOnce);
        int b = unit / queryTiles / (nHeads / headsAtOnce);
        int head = headUnit * headsAtOnce;
        int first = tile * queryTile;
        int count = Math.min(queryTile, queries - first);

        long scores = worker * workerScratch;
        long state = scores + (long) unitRows * KEY_TILE * F;
        ProductScratch product = productScratch[worker];
        int stateRows = headsAtOnce * count;
        for (int i = 0; i < stateRows; i++) {
            scratch.set(JAVA_FLOAT_UNALIGNED, state + i * F, Float.NEGATIVE_INFINITY);
            scratch.set(JAVA_FLOAT_UNALIGNED, state + (stateRows + i) * F, 0f);
        }

        int position = mask.firstQuery(b) + first;
        int keyFrom = mask.keyFrom(b);
        int keyTo = mask.keyTo(b, keys);
        int lowest = (int) Math.max(keyFrom, (long) position - mask.left());
        int highest = (int) Math.min(keyTo, (long) position + count + mask.right()); // exclusive
        // The first tile with a key that the first query sees; cuts stand at keyFrom + i KEY_TILE.
        int start = keyFrom + Math.max(0, lowest - keyFrom) / KEY_TILE * KEY_TILE;
        boolean any = false;
        for (int from = start; from < highest; from += KEY_TILE) {
            int width = Math.min(KEY_TILE, highest - from);
            scores(b, head, first, count, from, width, scores, product);
            hide(b, head, first, count, position, from, width, scores);
            rows.softmaxTile(scratch, scores, width * F, stateRows, width, scratch, state, stateRows);
            context(b, head, first, count, from, width, scores, state, stateRows, product, any);
            any = true;
        }
        for (int h = 0; h < headsAtOnce; h++) {
            long at = out.at(b, head + h, first);
            rows.divideRows(out.segment, at, out.row, count, dV, scratch, state + (stateRows + h * (long) count) * F);
        }
    }

    /** scores[h, i, j] = q[h, i] &middot; k[j] &middot; scale, h over the unit's heads, rows {@code width} floats apart. */
    private void scores(
            int b, int head, int first, int count, int from, int width, long scores, ProductScratch product) {
        boolean oneQuery = count == 1 && group > 1; // then the heads of a group are the rows of one product
        matMul.multiply(
                oneQuery ? 1 : headsAtOnce,
                oneQuery ? group : count,
                width,
                dK,
                scale,
                q.segment,
                q.at(b, head, first),
                q.head,
                oneQuery ? q.head : q.row,
                k.segment,
                k.at(b, head / group, from),
                group == 1 ? k.head : 0,
                k.row,
                true,
                false,
                scratch,
                scores,
                (long) count * width * F,
                width * F,
                product);
        if (softCap > 0) {
            rows.softCap(softCap, scratch, scores, width * F, headsAtOnce * count, width);
        }
    }

    /** out[h, i] = out[h, i] &middot; correction + scores[h, i, :] v; the first tile stores instead of adding to zeros. */
    private void context(
            int b,
            int head,
            int first,
            int count,
            int from,
            int width,
            long scores,
            long state,
            int stateRows,
            ProductScratch product,
            boolean accumulate) {
        if (accumulate) {
            for (int h = 0; h < headsAtOnce; h++) {
                long corrections = state + (2L * stateRows + (long) h * count) * F;
                rows.scaleRows(out.segment, out.at(b, head + h, first), out.row, count, dV, scratch, corrections);
            }
        }
        boolean oneQuery = count == 1 && group > 1;
        matMul.multiply(
                oneQuery ? 1 : headsAtOnce,
                oneQuery ? group : count,
                dV,
                width,
                1f,
                scratch,
                scores,
                (long) count * width * F,
                width * F,
                v.segment,
                v.at(b, head / group, from),
                group == 1 ? v.head : 0,
                v.row,
                false,
                accumulate,
                out.segment,
                out.at(b, head, first),
                out.head,
                oneQuery ? out.head : out.row,
                product);
    }

    /** Sets the scores of hidden keys to -inf and adds a mask of floats. */
    private void hide(int b, int head, int first, int count, int position, int from, int width, long scores) {
        Tensor tensor = mask.tensor();
        boolean windowed = mask.left() != AttentionMask.UNLIMITED || mask.right() != AttentionMask.UNLIMITED;
        if (!windowed && tensor == null) {
            return;
        }
        for (int h = 0; h < headsAtOnce; h++) {
            for (int i = 0; i < count; i++) {
                long row = scores + ((long) h * count + i) * width * F;
                if (tensor != null) {
                    applyTensor(tensor, b, head + h, first + i, from, width, row);
                }
                long low = (long) position + i - mask.left();
                long high = (long) position + i + mask.right() + 1; // exclusive
                fillHidden(row, 0, Math.clamp(low - from, 0, width));
                fillHidden(row, Math.clamp(high - from, 0, width), width);
            }
        }
    }

    private void fillHidden(long row, int from, int to) {
        for (int j = from; j < to; j++) {
            scratch.set(JAVA_FLOAT_UNALIGNED, row + j * F, Float.NEGATIVE_INFINITY);
        }
    }

    private void applyTensor(Tensor tensor, int b, int h, int i, int from, int width, long row) {
        long offset = maskOffset(tensor, 4, b) + maskOffset(tensor, 3, h) + maskOffset(tensor, 2, i);
        long step = tensor.dim(-1) == 1 ? 0 : tensor.stride(-1);
        MemorySegment values = tensor.segment();
        if (tensor.dtype() == DType.BOOL) {
            for (int j = 0; j < width; j++) {
                if (values.get(JAVA_BYTE, offset + (from + j) * step) == 0) {
                    scratch.set(JAVA_FLOAT_UNALIGNED, row + j * F, Float.NEGATIVE_INFINITY);
                }
            }
        } else {
            for (int j = 0; j < width; j++) {
                float score = scratch.get(JAVA_FLOAT_UNALIGNED, row + j * F);
                float added = values.get(JAVA_FLOAT_UNALIGNED, (offset + (from + j) * step) * F);
                scratch.set(JAVA_FLOAT_UNALIGNED, row + j * F, score + added);
            }
        }
    }

    /** Elements to skip for {@code index} of the mask's dimension that is {@code fromRight} from the right. */
    private static long maskOffset(Tensor tensor, int fromRight, int index) {
        return tensor.rank() < fromRight || tensor.dim(-fromRight) == 1 ? 0 : index * tensor.stride(-fromRight);
    }
}
