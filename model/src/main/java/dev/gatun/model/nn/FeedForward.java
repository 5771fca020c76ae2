package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * The position-wise feed-forward network FFN(x) = activation(x W1 + b1) W2 + b2 (Vaswani et al. 2017, section 3.3).
 *
 * @param fc1 [dFf, D]
 * @param activation between the two
 * @param fc2 [D, dFf]
 */
public record FeedForward(Linear fc1, Activation activation, Linear fc2) implements Mlp {
    @Override
    public int hiddenSize() {
        return fc1.weight().n();
    }

    @Override
    public void forward(Ops ops, Tensor x, MlpBuffers a, @Nullable Tensor residual, Tensor out) {
        fc1.forward(ops, x, activation, a.hidden()); //        [B, T, dFf]
        fc2.forward(ops, a.hidden(), residual, out); //        [B, T, D]
    }

    /**
     * Computes the network for each row.
     *
     * @param x [..., D]
     * @param hidden [..., dFf], overwritten
     * @param out [..., D]; must not overlap x
     */
    public void forward(Ops ops, Tensor x, Tensor hidden, Tensor out) {
        fc1.forward(ops, x, activation, hidden); //            [B, T, dFf]
        fc2.forward(ops, hidden, out); //                      [B, T, D]
    }
}
