package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.TileShape.WIDTH_BYTES;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.machine.F32Product;
import dev.gatun.ops.machine.FewQueries;
import dev.gatun.ops.machine.QueryColumns;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The products of a tile of attention by machine code, which reads keys and values where they lie. For one thread at a time. */
final class MachineTiles {
    private final F32Product product;
    private final @Nullable TileCode code;
    private final MemorySegment memory;
    private final MemorySegment parameters;

    private MachineTiles(MachineMatMul machine, MemorySegment memory, MemorySegment parameters) {
        this.product = machine.product();
        this.code = machine.tileCode();
        this.memory = memory;
        this.parameters = parameters;
    }

    /**
     * One a thread.
     *
     * @param memory what {@link TileScratch}es are in: {@link TileScratch#BYTES} for each
     */
    static MachineTiles[] of(MachineMatMul machine, MemorySegment memory, int threads) {
        var tiles = new MachineTiles[threads];
        for (int i = 0; i < threads; i++) {
            long at = (i + 1) * TileScratch.BYTES - TileScratch.PARAMETER_BYTES;
            tiles[i] = new MachineTiles(
                    machine, memory, memory.asSlice(at, TileScratch.PARAMETER_BYTES, Tensor.ALIGNMENT));
        }
        return tiles;
    }

    /** scores[keys, vectors] = K Q<sup>T</sup>, of keys from {@code keysAt} on and queries and scores at offsets of the scratch. */
    void scores(int dK, MemorySegment k, long keyStep, long keysAt, int keys, int vectors, long q, long scores) {
        multiply(keys, vectors, dK, k, keysAt, keyStep, false, q, 0, scores);
    }

    /** context[dV, vectors] = context &middot; correction + V<sup>T</sup> weights. */
    void context(
            int dV,
            MemorySegment v,
            long valueStep,
            long valuesAt,
            int keys,
            int vectors,
            long weights,
            long correction,
            long context) {
        multiply(dV, vectors, keys, v, valuesAt, valueStep, true, weights, correction, context);
    }

    /** Whether the code is gone, so that the vector kernels have to do. */
    boolean isClosed() {
        return product.isClosed();
    }

    /** Whether there is more than products. */
    boolean hasTileCode() {
        return code != null;
    }

    /** Whether a few queries can be computed from begin to end. */
    boolean hasCodeForFew(AttentionCall call, int queries) {
        return code != null
                && queries <= FewQueries.MOST_QUERIES
                && call.dK >= FewQueries.LEAST_DIMENSIONS
                && Math.max(call.dK, call.dV) <= FewQueries.MOST_DIMENSIONS
                && call.dV > 0;
    }

    /** {@link FewQueries#begin} with the queries of the scratch. */
    void beginFew(AttentionCall call, int queries, TileScratch s) {
        code().few().begin(parameters, memory, s.few, queries, call.dK, call.dV, call.scale, call.q.segment, s.qRow);
    }

    void fewScores(AttentionCall call, int queries, int keys, TileScratch s) {
        code().few().scores(parameters, memory, s.few, queries, call.dK, keys, s.keys, s.keyRows);
    }

    void fewWeights(int queries, int keys, int firstKey, TileScratch s) {
        code().few().weights(parameters, memory, s.few, queries, keys, firstKey, s.low, s.high);
    }

    void fewContext(AttentionCall call, int queries, int keys, TileScratch s) {
        code().few().context(parameters, memory, s.few, queries, call.dV, keys, s.values, s.valueRows);
    }

    void endFew(AttentionCall call, int queries, TileScratch s) {
        code().few().end(parameters, memory, s.few, queries, call.dV, call.out.segment, s.outRow);
    }

    private TileCode code() {
        if (code == null) {
            throw new IllegalStateException("attention: machine code has products only");
        }
        return code;
    }

    /** {@link TileSoftmax#tile} of several vectors. */
    void softmax(long scores, int rows, int vectors, long max, long sum) {
        code().softmax().run(parameters, memory, scores, rows, vectors, max, sum);
    }

    /** Whole vectors of one value. */
    void fill(long at, long bytes, float value) {
        code().columns().fill(parameters, memory, at, (int) (bytes / VectorWidth.BYTES), value);
    }

    /** Scores that a block's columns do not see become -inf: {@code keys} rows, from that of {@code firstKey} on. */
    void hide(long scores, int firstKey, int keys, int vectors, long low, long high) {
        code().columns().hide(parameters, memory, scores, firstKey, keys, vectors, low, high);
    }

    /** Sixteen queries to columns at {@code to}, a multiple of 16 dimensions of them. */
    void fromRows(AttentionCall call, int dimensions, long[] rows, int first, long to) {
        code().columns()
                .fromRows(
                        parameters,
                        dimensions / QueryColumns.SIDE,
                        call.scale,
                        call.q.segment,
                        rows,
                        first,
                        memory,
                        to);
    }

    /** Sixteen columns of the context at {@code from}, divided by their sums, to the result. */
    void toRows(AttentionCall call, int dimensions, long from, long sums, long[] rows, int first) {
        code().columns()
                .toRows(parameters, dimensions / QueryColumns.SIDE, memory, from, sums, call.out.segment, rows, first);
    }

    private void multiply(
            int rows,
            int vectors,
            int steps,
            MemorySegment a,
            long aAt,
            long aStride,
            boolean aByColumns,
            long b,
            long correction,
            long c) {
        product.multiply(
                parameters,
                rows,
                vectors * VectorWidth.LANES,
                steps,
                a,
                aAt,
                aStride,
                aByColumns,
                memory,
                b,
                WIDTH_BYTES,
                VectorWidth.BYTES,
                memory,
                correction,
                MemorySegment.NULL,
                0,
                0,
                aByColumns ? F32Product.CORRECT : 0,
                memory,
                c,
                WIDTH_BYTES);
    }
}
