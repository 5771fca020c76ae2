package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.AttentionMask;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Attention whose products are {@link MatMul#multiply} with all heads of a layer in one call and whose softmax is {@link
 * Rows#softmaxTile}: for a library that threads itself.
 */
final class BlasAttention implements Attention {
    private static final int KEY_TILE = BLAS_KEY_TILE;

    /** Queries of a tile: the library packs the keys anew for each, so few and large ones. Not part of the result. */
    private static final int QUERY_TILE = 256;

    /** Rows of scores that one unit of work may have, heads times queries: bounds the scratch. */
    private static final int UNIT_ROWS = 1024;

    private static final long F = Float.BYTES;

    /** Floats of keys, or values, of one head that are gathered where they do not lie evenly spaced, or are encoded. */
    private static final int GATHERED = KEY_TILE * 128;

    /** Where they are gathered: after scores, and maximum, sum and correction of each row. */
    private static final long GATHERED_AT = (KEY_TILE + 3) * F * UNIT_ROWS;

    static final long SCRATCH_BYTES = GATHERED_AT + GATHERED * F;

    private final MatMul matMul;
    private final Rows rows;
    private final MemorySegment scratch;
    private final ProductScratch productScratch;
    private final long[] gatheredRows = new long[KEY_TILE];
    private int headsAtOnce; // query heads of one unit
    private int keyTile;

    /** Takes {@link #SCRATCH_BYTES} of {@code arena}. */
    BlasAttention(MatMul matMul, Rows rows, ProductScratch productScratch, Arena arena) {
        this.matMul = matMul;
        this.rows = rows;
        this.productScratch = productScratch;
        this.scratch = arena.allocate(SCRATCH_BYTES, Tensor.ALIGNMENT);
    }

    @Override
    public int maxHeads() {
        return UNIT_ROWS;
    }

    @Override
    public void run(AttentionCall call) {
        for (int b = 0; b < call.batch; b++) {
            int queries = call.queries(b);
            boolean even = isEven(call, b, queries);
            headsAtOnce = call.group == 1 && even ? call.nHeads : call.group;
            keyTile = even ? KEY_TILE : Math.clamp(GATHERED / Math.max(1, Math.max(call.dK, call.dV)), 1, KEY_TILE);
            int queryTile = Math.max(1, Math.min(Math.min(QUERY_TILE, queries), UNIT_ROWS / headsAtOnce));
            for (int head = 0; head < call.nHeads; head += headsAtOnce) {
                for (int first = 0; first < queries; first += queryTile) {
                    attend(call, b, head, first, Math.min(queryTile, queries - first));
                }
            }
        }
    }

    /** Whether each tile of a sequence's keys, and of its values, is evenly spaced floats. */
    private static boolean isEven(AttentionCall call, int b, int queries) {
        int to = queries == 0 ? 0 : call.high(b, queries - 1);
        for (int from = call.mask.keyFrom(b); from < to; from += KEY_TILE) {
            int width = Math.min(KEY_TILE, to - from);
            if (call.step(call.k, b, from, width) == AttentionCall.UNEVEN
                    || call.step(call.v, b, from, width) == AttentionCall.UNEVEN) {
                return false;
            }
        }
        return true;
    }

    /** Copies a head's rows of a tile, of {@code d} floats each, decoded, to where a library can read them. */
    private void gather(AttentionCall call, AttentionCall.Operand rows, int b, int head, int from, int width, int d) {
        call.rows(rows, b, head, from, width, gatheredRows, 0);
        for (int i = 0; i < width; i++) {
            rows.format.read(rows.segment, gatheredRows[i], d, scratch, GATHERED_AT + i * (d * F));
        }
    }

    /** A tile of queries, for one key head and the query heads that share it, or for all heads. */
    private void attend(AttentionCall call, int b, int head, int first, int count) {
        AttentionCall.Operand out = call.out;
        long state = (long) UNIT_ROWS * KEY_TILE * F;
        int stateRows = headsAtOnce * count;
        for (int i = 0; i < stateRows; i++) {
            scratch.set(JAVA_FLOAT_UNALIGNED, state + i * F, Float.NEGATIVE_INFINITY);
            scratch.set(JAVA_FLOAT_UNALIGNED, state + (stateRows + i) * F, 0f);
        }
        int keyFrom = call.mask.keyFrom(b);
        int highest = call.high(b, first + count - 1);
        // The first tile with a key that the first query sees; cuts stand at keyFrom + i KEY_TILE.
        int start = keyFrom + (call.low(b, first) - keyFrom) / keyTile * keyTile;
        boolean any = false;
        for (int from = start; from < highest; from += keyTile) {
            int width = Math.min(keyTile, highest - from);
            scores(call, b, head, first, count, from, width);
            hide(call, b, head, first, count, from, width);
            rows.softmaxTile(scratch, 0, width * F, stateRows, width, scratch, state, stateRows);
            context(call, b, head, first, count, from, width, state, stateRows, any);
            any = true;
        }
        for (int h = 0; h < headsAtOnce; h++) {
            long at = call.at(out, b, head + h, first);
            rows.divideRows(
                    out.segment, at, out.row, count, call.dV, scratch, state + (stateRows + h * (long) count) * F);
        }
    }

    /** scores[h, i, j] = q[h, i] &middot; k[j] &middot; scale, h over the unit's heads, rows {@code width} floats apart. */
    private void scores(AttentionCall call, int b, int head, int first, int count, int from, int width) {
        AttentionCall.Operand q = call.q;
        AttentionCall.Operand k = call.k;
        int group = call.group;
        boolean oneQuery = count == 1 && group > 1; // then the heads of a group are the rows of one product
        long step = call.step(k, b, from, width);
        boolean even = step != AttentionCall.UNEVEN;
        if (!even) {
            gather(call, k, b, head / group, from, width, call.dK);
        }
        matMul.multiply(
                oneQuery ? 1 : headsAtOnce,
                oneQuery ? group : count,
                width,
                call.dK,
                call.scale,
                q.segment,
                call.at(q, b, head, first),
                q.head,
                oneQuery ? q.head : q.row,
                even ? k.segment : scratch,
                even ? call.at(k, b, head / group, from) : GATHERED_AT,
                group == 1 ? k.head : 0,
                even ? step : call.dK * F,
                true,
                false,
                scratch,
                0,
                (long) count * width * F,
                width * F,
                productScratch);
        if (call.softCap > 0) {
            rows.softCap(call.softCap, scratch, 0, width * F, headsAtOnce * count, width);
        }
    }

    /** out[h, i] = out[h, i] &middot; correction + scores[h, i, :] v; the first tile stores instead of adding to zeros. */
    private void context(
            AttentionCall call,
            int b,
            int head,
            int first,
            int count,
            int from,
            int width,
            long state,
            int stateRows,
            boolean accumulate) {
        AttentionCall.Operand v = call.v;
        AttentionCall.Operand out = call.out;
        int group = call.group;
        int dV = call.dV;
        if (accumulate) {
            for (int h = 0; h < headsAtOnce; h++) {
                long corrections = state + (2L * stateRows + (long) h * count) * F;
                rows.scaleRows(out.segment, call.at(out, b, head + h, first), out.row, count, dV, scratch, corrections);
            }
        }
        boolean oneQuery = count == 1 && group > 1;
        long step = call.step(v, b, from, width);
        boolean even = step != AttentionCall.UNEVEN;
        if (!even) {
            gather(call, v, b, head / group, from, width, dV);
        }
        matMul.multiply(
                oneQuery ? 1 : headsAtOnce,
                oneQuery ? group : count,
                dV,
                width,
                1f,
                scratch,
                0,
                (long) count * width * F,
                width * F,
                even ? v.segment : scratch,
                even ? call.at(v, b, head / group, from) : GATHERED_AT,
                group == 1 ? v.head : 0,
                even ? step : dV * F,
                false,
                accumulate,
                out.segment,
                call.at(out, b, head, first),
                out.head,
                oneQuery ? out.head : out.row,
                productScratch);
    }

    /** Sets the scores of hidden keys to -inf and adds a mask of floats. */
    private void hide(AttentionCall call, int b, int head, int first, int count, int from, int width) {
        AttentionMask mask = call.mask;
        Tensor tensor = mask.tensor();
        boolean windowed = mask.left() != AttentionMask.UNLIMITED || mask.right() != AttentionMask.UNLIMITED;
        if (!windowed && tensor == null) {
            return;
        }
        for (int h = 0; h < headsAtOnce; h++) {
            for (int i = 0; i < count; i++) {
                long row = ((long) h * count + i) * width * F;
                if (tensor != null) {
                    applyTensor(tensor, b, head + h, first + i, from, width, row);
                }
                fillHidden(row, 0, Math.min(call.low(b, first + i) - from, width));
                fillHidden(row, Math.max(call.high(b, first + i) - from, 0), width);
            }
        }
    }

    private void fillHidden(long row, int from, int to) {
        for (int j = from; j < to; j++) {
            scratch.set(JAVA_FLOAT_UNALIGNED, row + j * F, Float.NEGATIVE_INFINITY);
        }
    }

    private void applyTensor(Tensor tensor, int b, int h, int i, int from, int width, long row) {
        long at = AttentionCall.maskOffset(tensor, b, h, i);
        long step = AttentionCall.maskStep(tensor);
        for (int j = 0; j < width; j++) {
            float score = scratch.get(JAVA_FLOAT_UNALIGNED, row + j * F);
            scratch.set(JAVA_FLOAT_UNALIGNED, row + j * F, AttentionCall.masked(tensor, at + (from + j) * step, score));
        }
    }
}
