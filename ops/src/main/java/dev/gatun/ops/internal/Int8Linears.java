package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.QuantizedBlock;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import dev.gatun.ops.machine.Int8Product;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Products in 8 bits. Each block of 64 activations has a scale s<sub>b</sub> of its own, a weight's row one scale w ({@link Int8});
 * an element is
 *
 * <pre>
 * total = +0; for each block, ascending: total = fma(float(sum of the block's 64 products of codes), s<sub>b</sub>, total)
 * y = total * w; y + bias; y + residual, or out * y: each rounded once
 * </pre>
 *
 * A sum is an integer below 2<sup>24</sup>, so it is the same in any order and exact as a float: implementations differ in nothing
 * but speed.
 */
public abstract sealed class Int8Linears implements Linears permits ScalarInt8, VectorInt8, MachineInt8 {
    /** Rows of a tile of the kernels. */
    static final int TILE_ROWS = 8;

    /** Rows that share what the cache holds of a weight. */
    static final int BLOCK_ROWS = 128;

    /** Columns of a panel at any width of vectors. */
    private static final int PANEL = 48;

    /** Longest rows: kernels have room for one. */
    static final int MOST_K = 196_608;

    @Override
    public long packedByteSize(Tensor weight) {
        return Int8Weight.byteSize(weight.dim(0), weight.dim(1));
    }

    @Override
    public long packedByteSize(QuantizedMatrix weight) {
        return Int8Weight.byteSize(weight.n(), weight.k());
    }

    @Override
    public PackedWeight pack(Tensor weight, Arena arena) {
        return pack(weight.dim(0), weight.dim(1), arena, weight::widenRow);
    }

    @Override
    public PackedWeight pack(QuantizedMatrix weight, Arena arena) {
        var block = new QuantizedBlock();
        return pack(weight.n(), weight.k(), arena, (row, to, at) -> weight.widenRow(row, block, to, at));
    }

    private interface Source {
        void widenRow(int row, MemorySegment to, long at);
    }

    private static Int8Weight pack(int n, int k, Arena arena, Source source) {
        if (k > MOST_K) {
            throw new ShapeException("int8 weight [" + n + "," + k + "]: a row has at most " + MOST_K + " inputs");
        }
        MemorySegment segment = arena.allocate(Int8Weight.byteSize(n, k), Tensor.ALIGNMENT);
        var weight = new Int8Weight(segment, n, k);
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment row = temporary.allocate(Math.max(1, k) * (long) Float.BYTES, Tensor.ALIGNMENT);
            for (int i = 0; i < n; i++) {
                source.widenRow(i, row, 0);
                weight.set(i, row);
            }
        }
        return weight;
    }

    static Int8Weight weight(LinearOp op) {
        if (op.weight() instanceof Int8Weight weight) {
            return weight;
        }
        throw new IllegalArgumentException("linear: the weight was packed by another backend than this, of int8");
    }

    /** What becomes of y, but for activations, which come last for a whole tile. */
    static float finished(LinearOp op, int row, int col, float y, float before) {
        MemorySegment bias = op.bias;
        long at = col * (long) Float.BYTES;
        float sum = bias == null ? y : y + bias.get(JAVA_FLOAT_UNALIGNED, at);
        return switch (op.into) {
            case STORE -> sum;
            case ADD -> sum + op.residual.get(JAVA_FLOAT_UNALIGNED, row * op.residualStride + at);
            case MULTIPLY -> before * sum;
        };
    }

    /** Bands of rows where there are enough for all threads: then each row is quantised once. */
    @Override
    public int tileRows(int m, int n, int k, int threads) {
        if (threads == 1 || m < 2 * TILE_ROWS * threads) {
            return m;
        }
        int tile = (m + 4 * threads - 1) / (4 * threads);
        return Math.clamp((tile + TILE_ROWS - 1L) / TILE_ROWS * TILE_ROWS, Math.min(m, 4 * TILE_ROWS), BLOCK_ROWS);
    }

    /** Whole panels, one tile a thread where rows are few: each tile quantises them all. */
    @Override
    public int tileCols(int m, int n, int k, int threads) {
        if (threads == 1 || tileRows(m, n, k, threads) < m) {
            return n;
        }
        int panels = (n + PANEL - 1) / PANEL;
        return Math.min(n, (panels + threads - 1) / threads * PANEL);
    }

    @Override
    public int gatedCols(int n) {
        return n;
    }

    /** Rows of k inputs that are quantised before they are multiplied. */
    static int blockRows(int k) {
        return Math.clamp((long) MOST_K / ((long) Int8.blocks(k) * Int8Product.BLOCK), 1, BLOCK_ROWS);
    }
}
