package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Linear;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Ops;

/**
 * GeGLU (Shazeer 2020): (activation(x A) &middot; x B) C, with A and B as one product.
 *
 * @param wi A and B [2 dFf, D]
 * @param activation of x A
 * @param wo C [D, dFf]
 */
record GatedNetwork(Linear wi, Activation activation, Linear wo) implements EncoderBlock.Network {
    @Override
    public void addTo(Ops ops, Tensor in, PackedViews.Block rows) {
        Tensor input = rows.firstHalf();
        wi.forward(ops, in, rows.hidden()); //                          [n, 2 dFf]
        ops.activate(activation, input, input); //                      [n, dFf]
        ops.multiply(input, rows.secondHalf(), input); //               [n, dFf]
        ops.linearAdd(input, wo.weight(), wo.bias(), rows.x(), rows.x()); // [n, D]
    }
}
