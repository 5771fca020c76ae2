package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.AttentionKernels.WIDTH_BYTES;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.machine.F32Product;
import dev.gatun.ops.machine.ScoreSoftmax;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The products of a tile of attention by machine code, which reads keys and values where they lie. For one thread at a time. */
final class MachineTiles {
    private final F32Product product;
    private final @Nullable ScoreSoftmax softmax;
    private final MemorySegment memory;
    private final MemorySegment parameters;

    private MachineTiles(MachineMatMul machine, MemorySegment memory, MemorySegment parameters) {
        this.product = machine.product();
        this.softmax = machine.softmax();
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
        multiply(keys, vectors, dK, k, keysAt, keyStep, false, q, scores);
    }

    /** context[dV, vectors] = context &middot; correction + V<sup>T</sup> weights; the correction is the row after the weights. */
    void context(
            int dV, MemorySegment v, long valueStep, long valuesAt, int keys, int vectors, long weights, long context) {
        multiply(dV, vectors, keys, v, valuesAt, valueStep, true, weights, context);
    }

    /** Whether the code is gone, so that the vector kernels have to do. */
    boolean isClosed() {
        return product.isClosed();
    }

    boolean hasSoftmax() {
        return softmax != null;
    }

    /** {@link TileSoftmax#tile} of several vectors. */
    void softmax(long scores, int rows, int vectors, long max, long sum) {
        if (softmax == null) {
            throw new IllegalStateException("attention: no machine code for softmax");
        }
        softmax.run(parameters, memory, scores, rows, vectors, max, sum);
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
            long c) {
        product.multiply(
                parameters,
                rows,
                vectors * Species.LANES,
                steps,
                a,
                aAt,
                aStride,
                aByColumns,
                memory,
                b,
                WIDTH_BYTES,
                Species.BYTES,
                memory,
                aByColumns ? b + steps * WIDTH_BYTES : 0,
                MemorySegment.NULL,
                0,
                0,
                aByColumns ? F32Product.CORRECT : 0,
                memory,
                c,
                WIDTH_BYTES);
    }
}
