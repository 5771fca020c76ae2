package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * The gated feed-forward network (activation(x W<sub>gate</sub>) &middot; x W<sub>up</sub>) W<sub>down</sub> (Shazeer 2020).
 *
 * @param gate [dFf, D]; or, if {@code up} is null, gate and up in one [2 dFf, D]
 * @param up [dFf, D], or null
 * @param activation of the gate
 * @param down [D, dFf]
 */
public record GatedFeedForward(Linear gate, @Nullable Linear up, Activation activation, Linear down) implements Mlp {
    @Override
    public int hiddenSize() {
        return up == null ? 2 * down.weight().k() : down.weight().k();
    }

    @Override
    public void forward(Ops ops, Tensor x, MlpBuffers a, @Nullable Tensor residual, Tensor out) {
        if (up == null) {
            gate.forward(ops, x, a.hidden()); //                              [B, T, 2 dFf]
            ops.activate(activation, a.gate(), a.gate()); //                  [B, T, dFf]
            ops.multiply(a.gate(), a.up(), a.gate()); //                      [B, T, dFf]
            down.forward(ops, a.gate(), residual, out); //                    [B, T, D]
        } else {
            ops.linearGated(
                    x, gate.weight(), gate.bias(), activation, up.weight(), up.bias(), a.hidden()); // [B, T, dFf]
            down.forward(ops, a.hidden(), residual, out); //                  [B, T, D]
        }
    }
}
