package dev.gatun.ops.internal;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;

/**
 * Products of activations with weights, in a compute type. Offsets and strides are in bytes; elements of a row are adjacent.
 * Implementations are thread-safe and allocate nothing but packed weights; what scratch they need is handed to them.
 */
public interface Linears {
    /** The name users give on the command line, and what it computes in if not in F32. */
    String name();

    /** Bytes of an arena that {@link #pack} will take for a weight [n, k]; 0 where the checkpoint's own bytes are used. */
    long packedByteSize(Tensor weight);

    /** Brings a weight [n, k] of any floating-point type into the layout that {@link #linear} reads. */
    PackedWeight pack(Tensor weight, Arena arena);

    /** Bytes of an arena that {@link #pack(QuantizedMatrix, Arena)} will take. */
    default long packedByteSize(QuantizedMatrix weight) {
        return weight.n() * (long) weight.k() * Float.BYTES;
    }

    /** Brings a quantised weight into the layout that {@link #linear} reads: F32, unless a backend can do better. */
    default PackedWeight pack(QuantizedMatrix weight, Arena arena) {
        return pack(weight.toF32(arena), arena);
    }

    /** Bytes off the heap that each thread's {@link ProductScratch} has. A multiple of 64. */
    long scratchByteSize();

    /** Rows of one output tile of {@link #linear}: what a worker computes at a time. {@code m} where it cannot be cut. */
    int tileRows(int m, int n, int k, int threads);

    /** Columns of one output tile of {@link #linear}. {@code n} where it cannot be cut. */
    int tileCols(int m, int n, int k, int threads);

    /** Columns that a tile of a gated product has at most, of both its products. A multiple of what tiles are cut at, or n. */
    int gatedCols(int n);

    /**
     * The tile of {@code op}'s out that rows [rowFrom, rowTo) and columns [colFrom, colTo) are, {@link LinearOp#finish finished}.
     *
     * @param colFrom a multiple of {@link #tileCols}, unless that is n
     */
    void linear(LinearOp op, int rowFrom, int rowTo, int colFrom, int colTo, ProductScratch scratch);
}
