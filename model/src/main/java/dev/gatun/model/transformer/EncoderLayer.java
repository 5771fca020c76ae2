package dev.gatun.model.transformer;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Mlp;
import dev.gatun.model.nn.MultiHeadAttention;
import dev.gatun.model.nn.Norm;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Ops;

/**
 * One layer of the encoder (Vaswani et al. 2017, section 3.1): self-attention, then feed-forward, each with a residual
 * connection and a norm. Dropout is the identity at inference.
 *
 * @param selfAttn self-attention
 * @param selfAttnNorm its norm
 * @param feedForward feed-forward network
 * @param feedForwardNorm its norm
 * @param normFirst pre-norm, else post-norm
 */
public record EncoderLayer(
        MultiHeadAttention selfAttn, Norm selfAttnNorm, Mlp feedForward, Norm feedForwardNorm, boolean normFirst) {
    /** x [B, T, D] = the layer's output for x, in place. */
    void forward(Ops ops, Tensor x, AttentionMask mask, Activations a) {
        Tensor in = Residual.enter(ops, x, selfAttnNorm, normFirst, a.normed());
        selfAttn.forward(ops, in, mask, a.selfAttn(), a.sublayer()); //          [B, T, D]
        Residual.leave(ops, x, a.sublayer(), selfAttnNorm, normFirst);

        in = Residual.enter(ops, x, feedForwardNorm, normFirst, a.normed());
        feedForward.forward(ops, in, a.mlp(), null, a.sublayer()); //               [B, T, D]
        Residual.leave(ops, x, a.sublayer(), feedForwardNorm, normFirst);
    }
}
