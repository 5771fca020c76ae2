package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The definition of attention, in plain Java, a query at a time. A score is one chain of fused multiply-adds of q &middot; scale
 * and k from 0 in ascending dimension, then soft cap, then the mask. For each key tile, cut every {@link #KEY_TILE} from the
 * sequence's first key: maximum, {@link Elementary#expOfScore} of each score less the maximum, their sum in 4 partial sums folded
 * by halves, the context one chain from 0 in ascending key; then fma(earlier context, correction, context). At the end all is
 * multiplied by 1 / sum. The oracle for bits.
 */
final class ScalarAttention implements Attention, WorkerPool.Task {
    private final WorkerPool pool;
    private final float[] scratch;
    private final long[] rows; // byte offsets of a tile's values
    private @Nullable AttentionCall underWay;

    ScalarAttention(WorkerPool pool) {
        this.pool = pool;
        this.scratch = new float[KEY_TILE * pool.threads()];
        this.rows = new long[KEY_TILE * pool.threads()];
    }

    @Override
    public void run(AttentionCall call) {
        underWay = call;
        pool.run(this, Math.multiplyExact(call.batch, call.nHeads));
        underWay = null;
    }

    @Override
    public void run(int unit, int worker) {
        AttentionCall call = underWay;
        if (call == null) {
            throw new IllegalStateException("attention: no call under way");
        }
        int b = unit / call.nHeads;
        int head = unit % call.nHeads;
        for (int i = 0; i < call.queries(b); i++) {
            attend(call, b, head, i, worker * KEY_TILE);
        }
    }

    private void attend(AttentionCall call, int b, int head, int i, int weights) {
        MemorySegment out = call.out.segment;
        long context = call.at(call.out, b, head, i);
        for (int d = 0; d < call.dV; d++) {
            set(out, context, d, 0f);
        }
        int keyFrom = call.mask.keyFrom(b);
        int low = call.low(b, i);
        int high = call.high(b, i);
        float max = Float.NEGATIVE_INFINITY;
        float sum = 0f;
        for (int from = keyFrom + (low - keyFrom) / KEY_TILE * KEY_TILE; from < high; from += KEY_TILE) {
            int width = Math.min(KEY_TILE, high - from);
            float before = max;
            for (int j = 0; j < width; j++) {
                float score = from + j < low ? Float.NEGATIVE_INFINITY : score(call, b, head, i, from + j);
                scratch[weights + j] = score;
                max = score > max ? score : max;
            }
            float shift = RowMath.softmaxShift(max);
            for (int j = 0; j < width; j++) {
                scratch[weights + j] = Elementary.expOfScore(scratch[weights + j] - shift);
            }
            float correction = Elementary.expOfScore(before - shift);
            sum = Math.fma(sum, correction, sum(weights, width, 0, 1));
            call.rows(call.v, b, head / call.group, from, width, rows, weights);
            for (int d = 0; d < call.dV; d++) {
                float added = 0f;
                for (int j = 0; j < width; j++) {
                    added = Math.fma(call.v.get(rows[weights + j], d), scratch[weights + j], added);
                }
                set(out, context, d, Math.fma(get(out, context, d), correction, added));
            }
        }
        float inverse = RowMath.inverseOrZero(sum);
        for (int d = 0; d < call.dV; d++) {
            float value = get(out, context, d) * inverse + RowMath.NO_NEGATIVE_ZERO;
            set(out, context, d, inverse == 0f ? 0f : value);
        }
    }

    private static float score(AttentionCall call, int b, int head, int i, int key) {
        long q = call.at(call.q, b, head, i);
        long k = call.at(call.k, b, head / call.group, key);
        float score = 0f;
        for (int d = 0; d < call.dK; d++) {
            score = Math.fma(call.k.get(k, d), call.q.get(q, d) * call.scale, score);
        }
        if (call.softCap > 0) {
            score = call.softCap * Elementary.tanh(score * (1f / call.softCap));
        }
        Tensor tensor = call.mask.tensor();
        return tensor == null
                ? score
                : AttentionCall.masked(
                        tensor,
                        AttentionCall.maskOffset(tensor, b, head, i) + key * AttentionCall.maskStep(tensor),
                        score);
    }

    /** Four partial sums, each of every fourth weight, folded by halves. */
    private float sum(int weights, int width, int first, int step) {
        if (step < 4) {
            return sum(weights, width, first, 2 * step) + sum(weights, width, first + step, 2 * step);
        }
        float sum = 0f;
        for (int j = first; j < width; j += 4) {
            sum += scratch[weights + j];
        }
        return sum;
    }

    private static float get(MemorySegment x, long offset, int i) {
        return x.get(JAVA_FLOAT_UNALIGNED, offset + i * (long) Float.BYTES);
    }

    private static void set(MemorySegment x, long offset, int i, float value) {
        x.set(JAVA_FLOAT_UNALIGNED, offset + i * (long) Float.BYTES, value);
    }
}
