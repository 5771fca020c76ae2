package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/** The feed-forward network of a decoder-only layer: plain or gated. */
public sealed interface Mlp permits FeedForward, GatedFeedForward {
    /** Floats of a row between its layers: dFf, or twice that with gate and up in one. */
    int hiddenSize();

    /**
     * Computes the network for each row.
     *
     * @param x [..., D]
     * @param a overwritten
     * @param residual [..., D] to add the result to; or null
     * @param out [..., D]; may be the residual, must not overlap x
     */
    void forward(Ops ops, Tensor x, MlpBuffers a, @Nullable Tensor residual, Tensor out);

    /**
     * One buffer and its halves.
     *
     * @param hidden [..., hiddenSize]
     * @param gate its first half
     * @param up its second half
     */
    record MlpBuffers(Tensor hidden, Tensor gate, Tensor up) {
        /** Views of hidden [..., hiddenSize]. */
        public static MlpBuffers of(Tensor hidden) {
            int half = hidden.dim(-1) / 2;
            return new MlpBuffers(hidden, hidden.slice(-1, 0, half), hidden.slice(-1, half, 2 * half));
        }
    }
}
