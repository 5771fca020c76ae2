package dev.gatun.model.decoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.LearnedPositions;
import dev.gatun.model.nn.RotaryPositions;
import java.lang.foreign.Arena;
import java.util.Objects;

/**
 * Attention to look at: what each token of a short text sees of those before it, in every layer and head. It has the queries and keys
 * that a forward pass computed; scores and weights are made of them here, in plain Java and double, for the kernels never have them
 * as a whole.
 */
public final class AttentionMap {
    /** How a layer knows where a token stands. */
    public enum Positions {
        /** Pairs of a query and of a key turn by angles: a row is their cosines, then their sines. */
        ROTARY,
        /** A row of a table was added to the embedding. */
        LEARNED,
        /** It does not, but by the mask. */
        NONE
    }

    private final Decoder model;
    private final int tokens;
    private final float[][][] queries; // for each layer and head [T dK]
    private final float[][][] keys; // for each layer and key/value head [T dK]

    private AttentionMap(Decoder model, int tokens) {
        this.model = model;
        this.tokens = tokens;
        queries = new float[model.layers().size()][][];
        keys = new float[model.layers().size()][][];
    }

    /**
     * Computes a text.
     *
     * @param ids at least one, no more than the model has positions
     */
    public static AttentionMap of(Decoder model, int[] ids) {
        var map = new AttentionMap(model, ids.length);
        int n = ids.length;
        try (DecoderSession session = model.newSession(new SessionSize(1, n, n, 1), (name, index, value) -> {
            switch (name) {
                case DecoderSession.QUERIES -> map.queries[index] = heads(value);
                case DecoderSession.KEYS -> map.keys[index] = heads(value);
                default -> {} // of no interest
            }
        })) {
            session.prefill(session.newSequence(), ids, 0, n);
        }
        return map;
    }

    /** Each head of [1, H, T, dK]. */
    private static float[][] heads(Tensor value) {
        float[][] heads = new float[value.dim(1)][];
        for (int h = 0; h < heads.length; h++) {
            int width = value.dim(3);
            heads[h] = new float[value.dim(2) * width];
            for (int t = 0; t < value.dim(2); t++) {
                for (int i = 0; i < width; i++) {
                    heads[h][t * width + i] = value.getFloat(0, h, t, i);
                }
            }
        }
        return heads;
    }

    /** Layers. */
    public int layers() {
        return queries.length;
    }

    /** Heads of a layer. */
    public int heads() {
        return model.heads().nHeads();
    }

    /** Numbers of a query, and of a key. */
    public int headDim() {
        return model.heads().headDim();
    }

    /** Tokens of the text. */
    public int tokens() {
        return tokens;
    }

    /** The queries of a head, positions in them, [T dK]. */
    public float[] queries(int layer, int head) {
        return queries[layer][head].clone();
    }

    /** The keys that a head sees, positions in them, [T dK]; heads may share them. */
    public float[] keys(int layer, int head) {
        return keys[layer][keyHead(head)].clone();
    }

    private int keyHead(int head) {
        Objects.checkIndex(head, heads());
        return head / (heads() / model.heads().nKvHeads());
    }

    /** How a layer knows where a token stands. */
    public Positions positions(int layer) {
        if (attention(layer).rotary() != CausalAttention.NO_ROTARY) {
            return Positions.ROTARY;
        }
        return model.positions() == null ? Positions.NONE : Positions.LEARNED;
    }

    /** The row of each position of the text, as {@link Positions} says; none where there are none. */
    public float[][] positionRows(int layer) {
        LearnedPositions learned = model.positions();
        if (positions(layer) == Positions.ROTARY) {
            return rotaryRows(model.rotary().get(attention(layer).rotary()));
        }
        if (learned == null) {
            return new float[0][];
        }
        float[][] rows = new float[tokens][learned.table().dim(1)];
        for (int t = 0; t < tokens; t++) {
            for (int i = 0; i < rows[t].length; i++) {
                rows[t][i] = learned.table().getFloat(t + learned.offset(), i);
            }
        }
        return rows;
    }

    private float[][] rotaryRows(RotaryPositions rotary) {
        int pairs = rotary.pairs();
        float[][] rows = new float[tokens][2 * pairs];
        try (Arena arena = Arena.ofConfined()) {
            Tensor cos = Tensor.allocate(arena, DType.F32, Shape.of(tokens, pairs));
            Tensor sin = Tensor.allocate(arena, DType.F32, Shape.of(tokens, pairs));
            for (int t = 0; t < tokens; t++) {
                rotary.fill(t, cos, sin);
                for (int i = 0; i < pairs; i++) {
                    rows[t][i] = cos.getFloat(t, i);
                    rows[t][pairs + i] = sin.getFloat(t, i);
                }
            }
        }
        return rows;
    }

    private CausalAttention attention(int layer) {
        return model.layers().get(layer).attn();
    }

    /** The first key that a query sees in a layer; the last is its own. */
    public int firstKey(int layer, int query) {
        int window = attention(layer).window();
        return window == 0 ? 0 : Math.max(0, query - window + 1);
    }

    /** What each query [T] makes of each key [T], scaled (and capped, where the model does that), before any is hidden from it. */
    public float[][] scores(int layer, int head) {
        CausalAttention attention = attention(layer);
        float[] q = queries[layer][head];
        float[] k = keys[layer][keyHead(head)];
        int width = headDim();
        float[][] scores = new float[tokens][tokens];
        for (int i = 0; i < tokens; i++) {
            for (int j = 0; j < tokens; j++) {
                double sum = 0;
                for (int d = 0; d < width; d++) {
                    sum += (double) q[i * width + d] * k[j * width + d];
                }
                sum *= attention.scale();
                double cap = attention.softCap();
                scores[i][j] = (float) (cap > 0 ? cap * Math.tanh(sum / cap) : sum);
            }
        }
        return scores;
    }

    /** The weights that they become: 0 for keys that come later, or that are out of the layer's window; each row sums to 1. */
    public float[][] weights(int layer, int head) {
        float[][] weights = scores(layer, head);
        for (int i = 0; i < tokens; i++) {
            float[] row = weights[i];
            int from = firstKey(layer, i);
            double largest = Double.NEGATIVE_INFINITY;
            for (int j = from; j <= i; j++) {
                largest = Math.max(largest, row[j]);
            }
            double sum = 0;
            for (int j = from; j <= i; j++) {
                sum += Math.exp(row[j] - largest);
            }
            for (int j = 0; j < tokens; j++) {
                row[j] = j < from || j > i ? 0 : (float) (Math.exp(row[j] - largest) / sum);
            }
        }
        return weights;
    }
}
