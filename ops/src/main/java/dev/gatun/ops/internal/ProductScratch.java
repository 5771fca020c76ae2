package dev.gatun.ops.internal;

import dev.gatun.memory.QuantizedBlock;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * What one thread needs during a product, and no other thread uses meanwhile. The arrays grow to the largest product seen, so
 * that a session's later calls allocate nothing.
 */
public final class ProductScratch {
    private final MemorySegment segment;
    private float[] a = {};
    private float[] c = {};
    private @Nullable Slices slices;
    private @Nullable QuantizedBlock block;

    private ProductScratch(MemorySegment segment) {
        this.segment = segment;
    }

    /** Scratch for {@code threads} threads: so many {@code bytes} of {@code arena} for each, a multiple of 64. */
    public static ProductScratch[] of(long bytes, int threads, Arena arena) {
        MemorySegment all = arena.allocate(bytes * threads, Tensor.ALIGNMENT);
        var scratch = new ProductScratch[threads];
        for (int i = 0; i < threads; i++) {
            scratch[i] = new ProductScratch(all.asSlice(i * bytes, bytes));
        }
        return scratch;
    }

    /** At least {@link Linears#scratchByteSize} bytes off the heap. */
    MemorySegment segment() {
        return segment;
    }

    /** The slices that this thread has asked for. */
    Slices slices() {
        Slices mine = slices;
        if (mine == null) {
            mine = new Slices();
            slices = mine;
        }
        return mine;
    }

    /** For one block of a quantised weight. */
    QuantizedBlock block() {
        QuantizedBlock mine = block;
        if (mine == null) {
            mine = new QuantizedBlock();
            block = mine;
        }
        return mine;
    }

    /** At least {@code floats} floats for rows of the left operand. */
    float[] a(int floats) {
        if (a.length < floats) {
            a = new float[floats];
        }
        return a;
    }

    /** At least {@code floats} floats for accumulators. */
    float[] c(int floats) {
        if (c.length < floats) {
            c = new float[floats];
        }
        return c;
    }
}
