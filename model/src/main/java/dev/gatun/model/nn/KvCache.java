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

    private final Layer[] layers;
    private final int mostHypotheses;
    private final int nHeads;
    private final int nCtx;
    private final int headDim;
    private int positions; // that there is memory for
    private int length;
    private int begun; // positions, with the new tokens
    private int hypotheses;
    private int[][] indices; // of each hypothesis, [nCtx]
    private int[][] otherIndices; // where keep writes
    private int[][] current = {}; // as many of them as there are hypotheses

    /** Memory of a layer: key i of hypothesis b is row i &middot; mostHypotheses + b when it is written. */
    private static final class Layer {
        private Arena arena;
        private boolean closed;
        private Tensor keys; // [positions * mostHypotheses, nHeads, 1, headDim]
        private Tensor values;

        Layer(Shape shape) {
            this.arena = Arena.ofShared();
            try {
                keys = Tensor.allocate(arena, DType.F32, shape);
                values = Tensor.allocate(arena, DType.F32, shape);
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
            Layer larger = new Layer(shape);
            keys.copyRun(0, larger.keys, 0, keys.elements());
            values.copyRun(0, larger.values, 0, values.elements());
            arena.close();
            arena = larger.arena;
            keys = larger.keys;
            values = larger.values;
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
        this.layers = new Layer[layers];
        try {
            for (int i = 0; i < layers; i++) {
                this.layers[i] = new Layer(shape(positions));
            }
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    private Shape shape(int newPositions) {
        return Shape.of(Math.multiplyExact(newPositions, mostHypotheses), nHeads, 1, headDim);
    }

    /** Bytes of memory that a cache takes when all of its positions are used. */
    public static long byteSize(int layers, int mostHypotheses, int nHeads, int nCtx, int headDim) {
        return Math.multiplyExact(
                Shape.of(mostHypotheses, nHeads, nCtx, headDim).elements() * Float.BYTES, 2L * layers);
    }

    /** Bytes of memory that it takes now. */
    public long byteSize() {
        return byteSize(layers.length, mostHypotheses, nHeads, positions, headDim);
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
            int more = Math.min(nCtx, Math.max(begun, positions + positions / 2));
            for (Layer layer : layers) {
                layer.grow(shape(more)); // one after another: never all of it twice
            }
            positions = more;
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
        copy(newKeys, layers[layer].keys);
        copy(newValues, layers[layer].values);
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
        return layers[layer].keys;
    }

    /** Values of a layer, as {@link #keys}. */
    public Tensor values(int layer) {
        return layers[layer].values;
    }

    /** For each hypothesis the rows of its keys and values; valid until the next {@link #keep}. */
    public int[][] rows() {
        return current;
    }

    /** Gives the memory back; closing twice does nothing. */
    @Override
    public void close() {
        for (Layer layer : layers) {
            if (layer != null) { // not all are there if memory ran out
                layer.close();
            }
        }
    }
}
