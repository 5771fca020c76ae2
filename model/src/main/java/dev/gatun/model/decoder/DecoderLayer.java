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
        Tensor normed = step.normed();
        Tensor sublayer = step.sublayer();
        attnNorm.forward(ops, x, normed); //                                                 [B, T, D]
        if (attnPostNorm == null && !parallel) {
            attn.forward(ops, normed, step, cache, index, step.attention(), x, x); //        [B, T, D]
        } else {
            attn.forward(ops, normed, step, cache, index, step.attention(), null, sublayer); // [B, T, D]
            if (attnPostNorm != null) {
                attnPostNorm.forward(ops, sublayer, sublayer);
            }
            if (!parallel) {
                ops.add(x, sublayer, x); //                                                  [B, T, D]
            }
        }
        if (mlpNorm != null) {
            mlpNorm.forward(ops, x, normed); //                                              [B, T, D]
        }
        if (parallel) { // x is not needed any more: both sublayers have read it
            ops.add(x, sublayer, x); //                                                      [B, T, D]
        }
        if (mlpPostNorm == null) {
            mlp.forward(ops, normed, step.mlp(), x, x); //                                   [B, T, D]
        } else {
            mlp.forward(ops, normed, step.mlp(), null, sublayer); //                         [B, T, D]
            mlpPostNorm.forward(ops, sublayer, sublayer);
            ops.add(x, sublayer, x); //                                                      [B, T, D]
        }
    }
}
