package dev.gatun.model.transformer;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.KvCache;
import dev.gatun.model.nn.Mlp;
import dev.gatun.model.nn.MultiHeadAttention;
import dev.gatun.model.nn.Norm;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Ops;

/**
 * One layer of the decoder (Vaswani et al. 2017, section 3.1): causal self-attention, attention to the encoder's output, then
 * feed-forward, each with a residual connection and a norm.
 *
 * @param selfAttn causal self-attention
 * @param selfAttnNorm its norm
 * @param crossAttn attention to the source
 * @param crossAttnNorm its norm
 * @param feedForward feed-forward network
 * @param feedForwardNorm its norm
 * @param normFirst pre-norm, else post-norm
 */
public record DecoderLayer(
        MultiHeadAttention selfAttn,
        Norm selfAttnNorm,
        MultiHeadAttention crossAttn,
        Norm crossAttnNorm,
        Mlp feedForward,
        Norm feedForwardNorm,
        boolean normFirst) {
    /**
     * x [B, T, D] = the layer's output for T new tokens x, in place; their keys and values join the cache.
     *
     * @param layer of the cache
     * @param sources for each group of beams the source that it looks at
     */
    void forward(
            Ops ops,
            Tensor x,
            AttentionMask selfMask,
            KvCache cache,
            int layer,
            Source source,
            int[][] sources,
            AttentionMask sourceMask,
            Activations a) {
        Tensor in = Residual.enter(ops, x, selfAttnNorm, normFirst, a.normed());
        selfAttn.forward(
                ops, in, selfMask, cache, layer, a.selfAttn(), a.sublayer()); //                               [B, T, D]
        Residual.leave(ops, x, a.sublayer(), selfAttnNorm, normFirst);

        in = Residual.enter(ops, x, crossAttnNorm, normFirst, a.normed());
        crossAttn.forwardCross(
                ops,
                in,
                source.keyHeads(),
                source.valueHeads(),
                sources,
                sourceMask,
                a.crossAttn(),
                a.sublayer()); //     [B, T, D]
        Residual.leave(ops, x, a.sublayer(), crossAttnNorm, normFirst);

        in = Residual.enter(ops, x, feedForwardNorm, normFirst, a.normed());
        feedForward.forward(
                ops, in, a.mlp(), null, a.sublayer()); //                                               [B, T, D]
        Residual.leave(ops, x, a.sublayer(), feedForwardNorm, normFirst);
    }

    /**
     * What cross-attention of one layer attends to: the encoder's output, projected once.
     *
     * @param keys [B, S, H dK]
     * @param values [B, S, H dK]
     * @param keyHeads the same bytes as [B, H, S, dK]
     * @param valueHeads likewise
     */
    record Source(Tensor keys, Tensor values, Tensor keyHeads, Tensor valueHeads) {
        static Source of(Tensor keys, Tensor values, int nHeads) {
            return new Source(keys, values, keys.splitHeads(nHeads), values.splitHeads(nHeads));
        }
    }
}
