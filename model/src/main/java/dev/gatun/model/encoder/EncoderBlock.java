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
        void addTo(Ops ops, Tensor in, PackedViews.Block block);
    }

    /** x [N, D] of p = the layer's output for x, in place. */
    void forward(Ops ops, PackedViews p, @Nullable RelativeBias bias) {
        for (PackedViews.Part part : p.parts()) {
            Tensor in = enter(ops, part.x(), part.rows(), attentionNorm);
            attention.addTo(ops, in, part, bias); //                  [n, D]
            leave(ops, part.x(), attentionNorm);
        }
        for (PackedViews.Block block : p.blocks()) {
            Tensor in = enter(ops, block.x(), block.rows(), networkNorm);
            network.addTo(ops, in, block); //                         [n, D]
            leave(ops, block.x(), networkNorm);
        }
    }

    /** What the sublayer reads: x, or with pre-norm norm(x). */
    private Tensor enter(Ops ops, Tensor x, Tensor rows, @Nullable LayerNorm norm) {
        if (!normFirst || norm == null) {
            return x;
        }
        norm.forward(ops, x, rows); //                                [n, D]
        return rows;
    }

    /** With post-norm x = norm(x), to which the sublayer's output has been added. */
    private void leave(Ops ops, Tensor x, @Nullable LayerNorm norm) {
        if (!normFirst && norm != null) {
            norm.forward(ops, x, x); //                               [n, D]
        }
    }
}
