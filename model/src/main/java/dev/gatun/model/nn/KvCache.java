package dev.gatun.model.nn;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;

/**
 * The keys and values that one attention layer has seen: [B, nKvHeads, nCtx, headDim] each, the first {@link #length} positions
 * written. A decoding step appends to it instead of computing them anew. Lives in the session's arena; one caller at a time.
 */
public final class KvCache {
    private final Tensor[] buffers; // keys, values; where reorder writes: keys, values
    private Tensor keys;
    private Tensor values;
    private Tensor nextKeys;
    private Tensor nextValues;
    private int length;

    private KvCache(Tensor[] buffers) {
        this.buffers = buffers;
        this.keys = buffers[0];
        this.values = buffers[1];
        this.nextKeys = buffers[2];
        this.nextValues = buffers[3];
    }

    /** Bytes that {@link #allocate} takes. */
    public static long byteSize(int batch, int nKvHeads, int nCtx, int headDim, boolean reorders) {
        return Shape.of(batch, nKvHeads, nCtx, headDim).elements() * Float.BYTES * (reorders ? 4 : 2);
    }

    /**
     * An empty cache for {@code nCtx} positions of {@code batch} sequences.
     *
     * @param reorders whether {@link #reorder} will be called, which takes the memory twice
     */
    public static KvCache allocate(Arena arena, int batch, int nKvHeads, int nCtx, int headDim, boolean reorders) {
        Shape shape = Shape.of(batch, nKvHeads, nCtx, headDim);
        Tensor keys = Tensor.allocate(arena, DType.F32, shape);
        Tensor values = Tensor.allocate(arena, DType.F32, shape);
        return new KvCache(new Tensor[] {
            keys,
            values,
            reorders ? Tensor.allocate(arena, DType.F32, shape) : keys,
            reorders ? Tensor.allocate(arena, DType.F32, shape) : values
        });
    }

    /** Forgets all and starts anew with B = {@code batch} sequences, at most as many as were allocated. */
    public void reset(int batch) {
        keys = buffers[0].slice(0, 0, batch);
        values = buffers[1].slice(0, 0, batch);
        nextKeys = buffers[2].slice(0, 0, batch);
        nextValues = buffers[3].slice(0, 0, batch);
        length = 0;
    }

    /** Keys [B, nKvHeads, nCtx, headDim]. */
    public Tensor keys() {
        return keys;
    }

    /** Values [B, nKvHeads, nCtx, headDim]. */
    public Tensor values() {
        return values;
    }

    /** Positions written. */
    public int length() {
        return length;
    }

    /** Positions there is room for. */
    public int capacity() {
        return keys.dim(2);
    }

    /**
     * Appends T positions.
     *
     * @param newKeys [B, nKvHeads, T, headDim], any strides whose last is 1
     * @param newValues likewise
     * @throws ShapeException if they do not fit or there is no room
     */
    public void append(Tensor newKeys, Tensor newValues) {
        int tokens = newKeys.dim(2);
        if (!newKeys.shape().equals(newValues.shape())
                || newKeys.dim(0) != keys.dim(0)
                || newKeys.dim(1) != keys.dim(1)
                || newKeys.dim(3) != keys.dim(3)) {
            throw new ShapeException(
                    "cache of keys " + keys + ": cannot append keys " + newKeys + ", values " + newValues);
        }
        if (tokens > capacity() - length) {
            throw new ShapeException(
                    "cache has " + length + " of " + capacity() + " positions: no room for " + tokens + " more");
        }
        copy(newKeys, keys, length);
        copy(newValues, values, length);
        length += tokens;
    }

    private static void copy(Tensor from, Tensor to, int position) {
        for (int b = 0; b < from.dim(0); b++) {
            for (int h = 0; h < from.dim(1); h++) {
                for (int t = 0; t < from.dim(2); t++) {
                    from.copyRun(
                            b * from.stride(0) + h * from.stride(1) + t * from.stride(2),
                            to,
                            b * to.stride(0) + h * to.stride(1) + (position + t) * to.stride(2),
                            from.dim(3));
                }
            }
        }
    }

    /**
     * Makes sequence b continue what was sequence {@code parents[b]}: how beam search follows its survivors.
     *
     * @param parents one for each sequence, 0 to B - 1
     */
    public void reorder(int[] parents) {
        if (buffers[2] == buffers[0]) {
            throw new IllegalStateException("this cache was not allocated to be reordered");
        }
        for (int b = 0; b < keys.dim(0); b++) {
            copyWritten(keys, parents[b], nextKeys, b);
            copyWritten(values, parents[b], nextValues, b);
        }
        Tensor keysBefore = keys;
        Tensor valuesBefore = values;
        keys = nextKeys;
        values = nextValues;
        nextKeys = keysBefore;
        nextValues = valuesBefore;
    }

    private void copyWritten(Tensor from, int fromBatch, Tensor to, int toBatch) {
        for (int h = 0; h < from.dim(1); h++) {
            from.copyRun(
                    fromBatch * from.stride(0) + h * from.stride(1),
                    to,
                    toBatch * to.stride(0) + h * to.stride(1),
                    length * from.stride(2));
        }
    }
}
