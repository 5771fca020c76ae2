package dev.gatun.model.decoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.Mlp;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.nn.PagedKvCache;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * One pre-norm layer: attention, then feed-forward, each on a normalised copy of the residual stream and added to it.
 *
 * @param attnNorm before attention
 * @param attn causal self-attention
 * @param attnPostNorm of what attention adds, or null (Gemma)
 * @param mlpNorm before the feed-forward network; null where it shares attention's (Phi)
 * @param mlp feed-forward network
 * @param mlpPostNorm of what it adds, or null (Gemma)
 * @param parallel whether both sublayers read the same stream (GPT-NeoX, Phi), else one after the other
 */
record DecoderLayer(
        Norm attnNorm,
        CausalAttention attn,
        @Nullable Norm attnPostNorm,
        @Nullable Norm mlpNorm,
        Mlp mlp,
        @Nullable Norm mlpPostNorm,
        boolean parallel) {
    DecoderLayer {
        if (mlpNorm == null && !parallel) {
            throw new IllegalArgumentException("a sequential layer needs a norm before its feed-forward network");
        }
    }

    /** x [B, T, D] = the layer's output for new tokens x, in place; their keys and values join the cache. */
    void forward(Ops ops, Tensor x, DecoderStep step, PagedKvCache cache, int index) {
        attnNorm.forward(ops, x, step.normed()); //                                          [B, T, D]
        attn.forward(ops, step.normed(), step, cache, index, step.attention(), step.sublayer()); // [B, T, D]
        if (attnPostNorm != null) {
            attnPostNorm.forward(ops, step.sublayer(), step.sublayer());
        }
        if (!parallel) {
            ops.add(x, step.sublayer(), x); //                                               [B, T, D]
        }
        if (mlpNorm != null) {
            mlpNorm.forward(ops, x, step.normed()); //                                       [B, T, D]
        }
        if (parallel) { // x is not needed any more: both sublayers have read it
            ops.add(x, step.sublayer(), x); //                                               [B, T, D]
        }
        mlp.forward(ops, step.normed(), step.mlp(), step.sublayer()); //                     [B, T, D]
        if (mlpPostNorm != null) {
            mlpPostNorm.forward(ops, step.sublayer(), step.sublayer());
        }
        ops.add(x, step.sublayer(), x); //                                                   [B, T, D]
    }
}
