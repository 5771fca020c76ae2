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
        /** Adds f(in) of some rows [n, D] to x of the block, overwriting its hidden rows; in may be x. */
        void addTo(Ops ops, Tensor in, PackedViews.Block rows);
    }

    /** x [N, D] of p = the layer's output for x, in place. */
    void forward(Ops ops, PackedViews p, @Nullable RelativeBias bias, RotaryRows[] rotary) {
        Tensor in = enter(ops, p, attentionNorm);
        attention.addTo(ops, in, p, bias, rotary); //                           [N, D]
        leave(ops, p, attentionNorm);

        enter(ops, p, networkNorm);
        for (PackedViews.Block rows : p.blocks()) {
            network.addTo(ops, normFirst ? rows.normed() : rows.x(), rows); //  [n, D]
        }
        leave(ops, p, networkNorm);
    }

    /** What the sublayer reads: x, or with pre-norm norm(x). */
    private Tensor enter(Ops ops, PackedViews p, @Nullable LayerNorm norm) {
        if (!normFirst || norm == null) {
            return p.x();
        }
        norm.forward(ops, p.x(), p.normed()); //                                [N, D]
        return p.normed();
    }

    /** With post-norm x = norm(x), to which the sublayer's output has been added. */
    private void leave(Ops ops, PackedViews p, @Nullable LayerNorm norm) {
        if (!normFirst && norm != null) {
            norm.forward(ops, p.x(), p.x()); //                                 [N, D]
        }
    }
}
