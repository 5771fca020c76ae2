package dev.gatun.model.transformer;

import dev.gatun.memory.Tensor;
import dev.gatun.model.transformer.Transformer.SessionSize;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;

/**
 * How much each token of a target looked at each of its source: cross-attention, the mean over some heads. Computed from queries and
 * keys of one pass over a target that is known, in double.
 */
public final class CrossAttention {
    /**
     * A head of a layer.
     *
     * @param layer from 0
     * @param head from 0
     */
    public record Head(int layer, int head) {}

    private CrossAttention() {}

    /** All heads of the last layer, which is what CTranslate2 takes unless told otherwise. */
    public static List<Head> lastLayer(Transformer model) {
        int last = model.decoder().layers().size() - 1;
        return java.util.stream.IntStream.range(0, model.config().decoderHeads())
                .mapToObj(head -> new Head(last, head))
                .toList();
    }

    /**
     * Computes the weights of a pair.
     *
     * @param source ids, at least one
     * @param start id that the target starts with
     * @param target ids behind it, at least one
     * @param heads whose mean is taken, at least one
     * @return for each id of the target the weights of the step that made it [T][S], each row of which sums to 1
     * @throws IllegalArgumentException if a head is not in the model, or a sequence is empty or too long
     */
    public static float[][] of(Transformer model, int[] source, int start, int[] target, List<Head> heads) {
        check(model, heads);
        int n = target.length;
        var queries = new TreeMap<Integer, float[][]>();
        var keys = new TreeMap<Integer, float[][]>();
        int[] read = new int[n]; // what the step of each id has read
        System.arraycopy(target, 0, read, 1, n - 1);
        read[0] = start;
        var size = new SessionSize(1, 1, source.length, n, n);
        try (TransformerSession session = model.newSession(size, (name, index, value) -> {
            if (heads.stream().anyMatch(head -> head.layer == index)) {
                switch (name) {
                    case TransformerSession.CROSS_QUERIES -> queries.put(index, heads(value));
                    case TransformerSession.CROSS_KEYS -> keys.put(index, heads(value));
                    default -> {} // of no interest
                }
            }
        })) {
            session.encode(source);
            session.decode(read, n);
        }
        double[][] sums = new double[n][source.length];
        for (Head head : heads) {
            float scale = model.decoder().layers().get(head.layer).crossAttn().scale();
            float[] q = Objects.requireNonNull(queries.get(head.layer))[head.head];
            float[] k = Objects.requireNonNull(keys.get(head.layer))[head.head];
            add(q, k, model.config().decoderHeadDim(), scale, sums);
        }
        float[][] weights = new float[n][source.length];
        for (int t = 0; t < n; t++) {
            for (int s = 0; s < source.length; s++) {
                weights[t][s] = (float) (sums[t][s] / heads.size());
            }
        }
        return weights;
    }

    private static void check(Transformer model, List<Head> heads) {
        int layers = model.decoder().layers().size();
        int nHeads = model.config().decoderHeads();
        if (heads.isEmpty()) {
            throw new IllegalArgumentException("cross-attention: no heads; give one or more");
        }
        for (Head head : heads) {
            if (head.layer < 0 || head.layer >= layers || head.head < 0 || head.head >= nHeads) {
                throw new IllegalArgumentException("cross-attention: layer " + head.layer + ", head " + head.head
                        + "; the decoder has " + layers + " layers of " + nHeads + " heads, from 0");
            }
        }
    }

    /** Adds softmax(q k<sup>T</sup> scale). */
    private static void add(float[] q, float[] k, int width, float scale, double[][] sums) {
        for (int t = 0; t < sums.length; t++) {
            double[] row = new double[sums[t].length];
            double largest = Double.NEGATIVE_INFINITY;
            for (int s = 0; s < row.length; s++) {
                for (int i = 0; i < width; i++) {
                    row[s] += (double) q[t * width + i] * k[s * width + i];
                }
                row[s] *= scale;
                largest = Math.max(largest, row[s]);
            }
            double sum = 0;
            for (int s = 0; s < row.length; s++) {
                row[s] = Math.exp(row[s] - largest);
                sum += row[s];
            }
            for (int s = 0; s < row.length; s++) {
                sums[t][s] += row[s] / sum;
            }
        }
    }

    /** Each head of [1, H, T, dK] as [T dK]. */
    private static float[][] heads(Tensor value) {
        float[][] heads = new float[value.dim(1)][];
        for (int h = 0; h < heads.length; h++) {
            heads[h] = value.select(0, 0).select(0, h).toFloats();
        }
        return heads;
    }
}
