package dev.gatun.model.nn;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;

/**
 * The keys and values that a decoder's attention layers have seen, for hypotheses that grow side by side and follow one another. A
 * hypothesis is a list of indices: where the key of each of its positions lies. Who goes on from another hypothesis copies its list,
 * and no key ({@link #keep}). Memory grows with the positions, up to nCtx of them. For one caller at a time, who closes it.
 */
public final class KvCache implements AutoCloseable {
    private static final int FIRST_POSITIONS = 16;

    private final Rows[] keys; // of each layer
    private final Rows[] values;
    private final int mostHypotheses;
    private final int nHeads;
    private final int nCtx;
    private final int headDim;
    private int positions; // that there is memory for
    private long peakBytes;
    private int length;
    private int begun; // positions, with the new tokens
    private int hypotheses;
    private int[][] indices; // of each hypothesis, [nCtx]
    private int[][] otherIndices; // where keep writes
    private int[][] current = {}; // as many of them as there are hypotheses

    /** Memory for the keys, or the values, of a layer: that of position i of hypothesis b is row i &middot; mostHypotheses + b. */
    private static final class Rows {
        private Arena arena;
        private boolean closed;
        private Tensor tensor; // [positions * mostHypotheses, nHeads, 1, headDim]

        Rows(Shape shape) {
            this.arena = Arena.ofShared();
            try {
                tensor = Tensor.allocate(arena, DType.F32, shape);
            } catch (Throwable e) {
                arena.close();
                throw e;
            }
        }

        void close() {
            if (!closed) {
                arena.close();
                closed = true;
            }
        }

        void grow(Shape shape) {
            Rows larger = new Rows(shape);
            tensor.copyRun(0, larger.tensor, 0, tensor.elements());
            arena.close();
            arena = larger.arena;
            tensor = larger.tensor;
        }
    }

    /**
     * An empty cache.
     *
     * @param layers attention layers
     * @param mostHypotheses side by side
     * @param nHeads of keys and values
     * @param nCtx positions that a hypothesis may get
     * @param headDim floats of a head
     */
    public KvCache(int layers, int mostHypotheses, int nHeads, int nCtx, int headDim) {
        this.mostHypotheses = mostHypotheses;
        this.nHeads = nHeads;
        this.nCtx = nCtx;
        this.headDim = headDim;
        this.positions = Math.min(nCtx, FIRST_POSITIONS);
        this.indices = new int[mostHypotheses][nCtx];
        this.otherIndices = new int[mostHypotheses][nCtx];
        this.keys = new Rows[layers];
        this.values = new Rows[layers];
        try {
            for (int i = 0; i < layers; i++) {
                keys[i] = new Rows(shape(positions));
                values[i] = new Rows(shape(positions));
            }
            peakBytes = 2L * layers * rowsByteSize(positions);
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    private Shape shape(int newPositions) {
        return Shape.of(Math.multiplyExact(newPositions, mostHypotheses), nHeads, 1, headDim);
    }

    /** Positions that a cache which is too small for {@code begun} gets room for: one of a fixed row of numbers, up to nCtx. */
    private static int grown(int positions, int begun, int nCtx) {
        int more = positions;
        while (more < begun) {
            more = (int) Math.min(nCtx, more + more / 2L);
        }
        return more;
    }

    /**
     * Bytes of memory that a cache takes at most on its way to all of its positions: all of them, and the keys of one layer as they
     * were before it grew for the last time.
     */
    public static long byteSize(int layers, int mostHypotheses, int nHeads, int nCtx, int headDim) {
        int before = 0;
        for (int positions = Math.min(nCtx, FIRST_POSITIONS); positions < nCtx; ) {
            before = positions;
            positions = grown(positions, positions + 1, nCtx);
        }
        long position = Shape.of(mostHypotheses, nHeads, headDim).elements() * Float.BYTES;
        return Math.multiplyExact(position, Math.addExact(Math.multiplyExact(2L * layers, nCtx), before));
    }

    private long rowsByteSize(int atPositions) {
        return shape(atPositions).elements() * Float.BYTES;
    }

    /** Bytes of memory that it has taken at most so far. */
    public long peakByteSize() {
        return peakBytes;
    }

    /** Forgets all and starts anew with {@code newHypotheses}, at most as many as there is room for. */
    public void reset(int newHypotheses) {
        hypotheses = newHypotheses;
        length = 0;
        begun = 0;
    }

    /** Positions written of each hypothesis. */
    public int length() {
        return length;
    }

    /** Hypotheses under way. */
    public int hypotheses() {
        return hypotheses;
    }

    /**
     * Makes room for {@code tokens} more of each hypothesis, which {@link #append} then writes for each layer.
     *
     * @throws ShapeException if there is no room
     */
    public void begin(int tokens) {
        if (tokens > nCtx - length) {
            throw new ShapeException(
                    "cache has " + length + " of " + nCtx + " positions: no room for " + tokens + " more");
        }
        begun = length + tokens;
        if (begun > positions) {
            grow(grown(positions, begun, nCtx));
        }
        for (int b = 0; b < hypotheses; b++) {
            for (int i = length; i < begun; i++) {
                indices[b][i] = i * mostHypotheses + b;
            }
        }
        if (current.length != hypotheses) {
            current = new int[hypotheses][];
        }
        System.arraycopy(indices, 0, current, 0, hypotheses);
    }

    /** One after another: never more than the keys or the values of one layer are there twice. */
    private void grow(int more) {
        for (int i = 0; i < keys.length; i++) {
            keys[i].grow(shape(more));
            values[i].grow(shape(more));
        }
        peakBytes = 2L * keys.length * rowsByteSize(more) + rowsByteSize(positions);
        positions = more;
    }

    /**
     * Writes the keys and values of the new tokens of a layer.
     *
     * @param newKeys [hypotheses, nHeads, T, headDim], any strides whose last is 1
     * @param newValues likewise
     * @throws ShapeException if they do not fit
     */
    public void append(int layer, Tensor newKeys, Tensor newValues) {
        if (!newKeys.shape().equals(newValues.shape())
                || newKeys.dim(0) != hypotheses
                || newKeys.dim(1) != nHeads
                || newKeys.dim(2) != begun - length
                || newKeys.dim(3) != headDim) {
            throw new ShapeException("cache of " + hypotheses + " hypotheses with " + (begun - length)
                    + " new tokens: cannot append keys " + newKeys + ", values " + newValues);
        }
        copy(newKeys, keys[layer].tensor);
        copy(newValues, values[layer].tensor);
    }

    private void copy(Tensor from, Tensor to) {
        int tokens = from.dim(2);
        for (int b = 0; b < hypotheses; b++) {
            for (int t = 0; t < tokens; t++) {
                long row = indices[b][length + t] * to.stride(0);
                for (int h = 0; h < nHeads; h++) {
                    long at = b * from.stride(0) + h * from.stride(1) + t * from.stride(2);
                    from.copyRun(at, to, row + (long) h * headDim, headDim);
                }
            }
        }
    }

    /** Ends what {@link #begin} began: the new tokens count. */
    public void commit() {
        length = begun;
    }

    /**
     * Lets hypothesis i go on from {@code parents[i]}, whose list of indices it takes; others are forgotten.
     *
     * @param count hypotheses that there are from now on
     * @throws IndexOutOfBoundsException if a parent is none of the hypotheses
     * @throws ShapeException if they are more than there is room for
     */
    public void keep(int[] parents, int count) {
        if (count > mostHypotheses) {
            throw new ShapeException("cache of " + mostHypotheses + " hypotheses cannot keep " + count);
        }
        for (int b = 0; b < count; b++) {
            if (parents[b] < 0 || parents[b] >= hypotheses) {
                throw new IndexOutOfBoundsException(
                        "hypothesis " + b + " cannot go on from " + parents[b] + ": there are " + hypotheses);
            }
            System.arraycopy(indices[parents[b]], 0, otherIndices[b], 0, length);
        }
        int[][] kept = otherIndices;
        otherIndices = indices;
        indices = kept;
        hypotheses = count;
    }

    /** Keys of a layer, a page of one row for each [rows, nHeads, 1, headDim]; until the next {@link #begin}. */
    public Tensor keys(int layer) {
        return keys[layer].tensor;
    }

    /** Values of a layer, as {@link #keys}. */
    public Tensor values(int layer) {
        return values[layer].tensor;
    }

    /** For each hypothesis the rows of its keys and values; valid until the next {@link #keep}. */
    public int[][] rows() {
        return current;
    }

    /** Gives the memory back; closing twice does nothing. */
    @Override
    public void close() {
        close(keys);
        close(values);
    }

    private static void close(Rows[] all) {
        for (Rows rows : all) {
            if (rows != null) { // not all are there if memory ran out
                rows.close();
            }
        }
    }
}
