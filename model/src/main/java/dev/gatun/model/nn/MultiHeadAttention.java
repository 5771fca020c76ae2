package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Ops;

/**
 * MultiHead(Q, K, V) = Concat(head_1, ..., head_h) W<sup>O</sup>, head_i = Attention(Q W_i<sup>Q</sup>, K W_i<sup>K</sup>, V
 * W_i<sup>V</sup>) (Vaswani et al. 2017, section 3.2.2). Splitting heads moves no byte.
 *
 * @param qProj [H dK, D], in the paper [D, D]
 * @param kProj [H dK, D]
 * @param vProj [H dK, D]
 * @param oProj [D, H dK]
 * @param nHeads H
 * @param scale of the scores, 1 / &radic;dK; T5 has 1
 */
public record MultiHeadAttention(Linear qProj, Linear kProj, Linear vProj, Linear oProj, int nHeads, float scale) {
    /** The attention of the paper: scores are scaled by 1 / &radic;(D / nHeads). */
    public static MultiHeadAttention of(Linear qProj, Linear kProj, Linear vProj, Linear oProj, int nHeads) {
        int headDim = qProj.weight().n() / nHeads;
        return new MultiHeadAttention(qProj, kProj, vProj, oProj, nHeads, (float) (1 / Math.sqrt(headDim)));
    }

    /** Self-attention of whole sequences: queries, keys and values all come from x [B, T, D]. */
    public void forward(Ops ops, Tensor x, AttentionMask mask, AttentionBuffers a, Tensor out) {
        // 1. Project.
        qProj.forward(ops, x, a.q()); //                                                        [B, T, D]
        kProj.forward(ops, x, a.k()); //                                                        [B, T, D]
        vProj.forward(ops, x, a.v()); //                                                        [B, T, D]
        // 2. Split heads: [B, T, D] seen as [B, H, T, dK].
        // 3. Positions: none here, they were added to the embeddings. 4. Cache: none, all keys are at hand.
        // 5. softmax(Q K^T / sqrt(dK)) V of each head, written as [B, T, H, dK].
        ops.attention(a.qHeads(), a.kHeads(), a.vHeads(), mask, scale, 0f, a.contextHeads()); // [B, H, T, dK]
        // 6. Concatenated heads are what context [B, T, D] already is: project.
        oProj.forward(ops, a.context(), out); //                                                [B, T, D]
    }

    /**
     * Self-attention of new tokens x [B, T, D] over all that came before: their keys and values join the cache first, which has
     * begun T tokens.
     *
     * @param layer of the cache
     */
    public void forward(
            Ops ops, Tensor x, AttentionMask mask, KvCache cache, int layer, AttentionBuffers a, Tensor out) {
        qProj.forward(ops, x, a.q()); //                                                        [B, T, D]
        kProj.forward(ops, x, a.k()); //                                                        [B, T, D]
        vProj.forward(ops, x, a.v()); //                                                        [B, T, D]
        cache.append(layer, a.kHeads(), a.vHeads()); //                                         [B, H, T, dK]
        Tensor keys = cache.keys(layer); //                                                     [rows, H, 1, dK]
        Tensor values = cache.values(layer);
        ops.attention(a.qHeads(), keys, values, cache.rows(), mask, scale, 0f, a.contextHeads()); // [B, H, T, dK]
        oProj.forward(ops, a.context(), out); //                                                [B, T, D]
    }

    /** Keys and values of the source, once for all decoding steps: what {@link #forwardCross} attends to. */
    public void projectSource(Ops ops, Tensor source, Tensor keys, Tensor values) {
        kProj.forward(ops, source, keys); //                                                    [B, S, D]
        vProj.forward(ops, source, values); //                                                  [B, S, D]
    }

    /**
     * Cross-attention: queries from x [B, T, D], keys and values from {@link #projectSource}.
     *
     * @param sources for each of the queries' sequences the source that it looks at
     * @param a its views may gather the beams of one source as queries of one sequence: [B / beams, H, beams * T, dK]
     */
    public void forwardCross(
            Ops ops,
            Tensor x,
            Tensor keyHeads,
            Tensor valueHeads,
            int[][] sources,
            AttentionMask mask,
            CrossBuffers a,
            Tensor out) {
        qProj.forward(ops, x, a.q()); //                                                        [B, T, D]
        ops.attention(a.qHeads(), keyHeads, valueHeads, sources, mask, scale, 0f, a.contextHeads()); // [B, H, T, dK]
        oProj.forward(ops, a.context(), out); //                                                [B, T, D]
    }

    /** Buffers of self-attention for B sequences of T tokens, and the same bytes seen by head. */
    public record AttentionBuffers(
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor context,
            Tensor qHeads,
            Tensor kHeads,
            Tensor vHeads,
            Tensor contextHeads) {
        /** Buffers [B, T, D] and their views [B, nHeads, T, dK]. */
        public static AttentionBuffers of(Tensor q, Tensor k, Tensor v, Tensor context, int nHeads) {
            return new AttentionBuffers(
                    q,
                    k,
                    v,
                    context,
                    q.splitHeads(nHeads),
                    k.splitHeads(nHeads),
                    v.splitHeads(nHeads),
                    context.splitHeads(nHeads));
        }
    }

    /** Buffers of cross-attention for B sequences of T tokens, and the same bytes seen by source and head. */
    public record CrossBuffers(Tensor q, Tensor context, Tensor qHeads, Tensor contextHeads) {
        /** Buffers [B, T, D]; with beams, their views are [B / beams, nHeads, beams * T, dK]. */
        public static CrossBuffers of(Tensor q, Tensor context, int beams, int nHeads) {
            return new CrossBuffers(q, context, byHead(q, beams, nHeads), byHead(context, beams, nHeads));
        }

        private static Tensor byHead(Tensor x, int beams, int nHeads) {
            return x.reshape(x.dim(0) / beams, beams * x.dim(1), x.dim(2)).splitHeads(nHeads);
        }
    }
}
