package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * Layer normalisation over the last dimension (Ba et al. 2016).
 *
 * @param weight gain [D]
 * @param bias [D], or null for none
 * @param epsilon added to the variance
 */
public record LayerNorm(Tensor weight, @Nullable Tensor bias, float epsilon) implements Norm {
    @Override
    public void forward(Ops ops, Tensor x, Tensor out) {
        ops.layerNorm(x, weight, bias, epsilon, out);
    }
}
