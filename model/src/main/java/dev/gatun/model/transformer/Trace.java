package dev.gatun.model.transformer;

import dev.gatun.memory.Tensor;

/** Sees intermediate values as a session computes them: for verification and for people who want to look inside. */
@FunctionalInterface
public interface Trace {
    /**
     * Called with a value that is valid until this returns.
     *
     * @param name what it is, without its index, for example {@code encoder_hidden_states}
     * @param index 0 for the input of the first layer, i for the output of layer i
     * @param value [B, T, D]; of heads [B, H, T, dK]
     */
    void see(String name, int index, Tensor value);
}
