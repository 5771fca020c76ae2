package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * One layer: self-attention, then feed-forward, each with a residual connection and a norm.
 *
 * @param attention self-attention
 * @param attentionNorm its norm; null where the first layer of a pre-norm model has none
 * @param network feed-forward network
 * @param networkNorm its norm
 * @param normFirst pre-norm x + f(norm(x)), else post-norm norm(x + f(x)) as in the paper
 */
record EncoderBlock(
        SelfAttention attention,
        @Nullable LayerNorm attentionNorm,
        Network network,
        LayerNorm networkNorm,
        boolean normFirst) {
    /** A position-wise network. */
    interface Network {
        /** Computes f of some rows [n, D]: reads x, overwrites hidden and out of the block. */
        void forward(Ops ops, Tensor x, PackedViews.Block rows);
    }

    /** x [N, D] of p = the layer's output for x, in place. */
    void forward(Ops ops, PackedViews p, @Nullable RelativeBias bias, RotaryRows[] rotary) {
        Tensor x = p.x();
        Tensor in = enter(ops, x, attentionNorm, p.normed());
        attention.forward(ops, in, p, bias, rotary, p.sublayer()); //           [N, D]
        leave(ops, x, p.sublayer(), attentionNorm);

        enter(ops, x, networkNorm, p.normed());
        for (PackedViews.Block rows : p.blocks()) {
            network.forward(ops, normFirst ? rows.normed() : rows.x(), rows); // [n, D]
        }
        leave(ops, x, p.sublayer(), networkNorm);
    }

    /** What the sublayer reads: x, or with pre-norm norm(x), written to {@code normed}. */
    private Tensor enter(Ops ops, Tensor x, @Nullable LayerNorm norm, Tensor normed) {
        if (!normFirst || norm == null) {
            return x;
        }
        norm.forward(ops, x, normed); //                                        [N, D]
        return normed;
    }

    /** x = x + f, and with post-norm x = norm(x). */
    private void leave(Ops ops, Tensor x, Tensor f, @Nullable LayerNorm norm) {
        ops.add(x, f, x); //                                                    [N, D]
        if (!normFirst && norm != null) {
            norm.forward(ops, x, x); //                                         [N, D]
        }
    }
}
