package dev.gatun.ops.internal;

import dev.gatun.ops.Activation;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The operands of y = x W<sup>T</sup> + bias and where y goes: to out, as it is, added to a residual, multiplied by what stands
 * there, or through an activation. Mutable, so that a call makes no object. All start at their segment's first byte; strides are
 * in bytes.
 */
public final class LinearOp {
    /** What becomes of y. */
    enum Into {
        /** out = y. */
        STORE,
        /** out = y + residual; the residual may be out. */
        ADD,
        /** out = out &middot; y. */
        MULTIPLY
    }

    private final Rows rows;

    MemorySegment x = MemorySegment.NULL;
    long xStride;

    @Nullable
    PackedWeight weight;

    @Nullable
    MemorySegment bias;

    Into into = Into.STORE;
    MemorySegment residual = MemorySegment.NULL;
    long residualStride;
    /** Applied to out; null for none. */
    @Nullable
    Activation activation;

    MemorySegment out = MemorySegment.NULL;
    long outStride;
    int m;

    /** No operands yet; {@code rows} will apply activations. */
    LinearOp(Rows rows) {
        this.rows = rows;
    }

    /** The rows that computes what is not a product. */
    Rows rows() {
        return rows;
    }

    PackedWeight weight() {
        PackedWeight w = weight;
        if (w == null) {
            throw new IllegalStateException("linear: no task under way");
        }
        return w;
    }

    /** To be called for each part of out once it is written: the sooner, the likelier it is still in the cache. */
    void finish(int rowFrom, int rowTo, int colFrom, int colTo) {
        if (activation != null) {
            long at = rowFrom * outStride + colFrom * (long) Float.BYTES;
            rows.activate(activation, out, at, outStride, out, at, outStride, rowTo - rowFrom, colTo - colFrom);
        }
    }
}
