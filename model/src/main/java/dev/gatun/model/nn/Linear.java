package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Ops;
import dev.gatun.ops.PackedWeight;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer y = x W<sup>T</sup> + b.
 *
 * @param weight W [N, K], packed by the model's backend
 * @param bias b [N], or null for none
 */
public record Linear(PackedWeight weight, @Nullable Tensor bias) {
    /**
     * Computes the layer for each row.
     *
     * @param x [..., K]
     * @param out [..., N]; must not overlap x
     */
    public void forward(Ops ops, Tensor x, Tensor out) {
        ops.linear(x, weight, bias, out);
    }

    /**
     * Computes the layer for each row and adds it to a residual stream, in one pass.
     *
     * @param residual [..., N], or null for the layer alone
     * @param out [..., N]; may be the residual, must not overlap x
     */
    public void forward(Ops ops, Tensor x, @Nullable Tensor residual, Tensor out) {
        if (residual == null) {
            ops.linear(x, weight, bias, out);
        } else {
            ops.linearAdd(x, weight, bias, residual, out);
        }
    }

    /** Computes activation(x W<sup>T</sup> + b) for each row; operands as of {@link #forward(Ops, Tensor, Tensor)}. */
    public void forward(Ops ops, Tensor x, Activation activation, Tensor out) {
        ops.linear(x, weight, bias, activation, out);
    }
}
