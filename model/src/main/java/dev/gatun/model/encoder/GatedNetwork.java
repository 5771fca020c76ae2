package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Linear;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Ops;

/**
 * GeGLU (Shazeer 2020): (activation(x A) &middot; x B) C.
 *
 * @param gate A [dFf, D]
 * @param up B [dFf, D]
 * @param activation of x A
 * @param down C [D, dFf]
 */
record GatedNetwork(Linear gate, Linear up, Activation activation, Linear down) implements EncoderBlock.Network {
    @Override
    public void addTo(Ops ops, Tensor in, PackedViews.Block block) {
        ops.linearGated(in, gate.weight(), gate.bias(), activation, up.weight(), up.bias(), block.hidden()); // [n, dFf]
        ops.linearAdd(block.hidden(), down.weight(), down.bias(), block.x(), block.x()); //               [n, D]
    }
}
