package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Ops;

/**
 * Root mean square normalisation over the last dimension (Zhang &amp; Sennrich 2019): no mean is taken off.
 *
 * @param weight gain [D]
 * @param epsilon added to the mean square
 */
public record RmsNorm(Tensor weight, float epsilon) implements Norm {
    @Override
    public void forward(Ops ops, Tensor x, Tensor out) {
        ops.rmsNorm(x, weight, epsilon, out);
    }
}
