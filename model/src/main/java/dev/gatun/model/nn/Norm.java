package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Ops;

/** A normalisation of each row: what a family puts before, and sometimes after, a sublayer. */
public sealed interface Norm permits LayerNorm, RmsNorm {
    /** Normalises each row of x [..., D] into out, which may be x. */
    void forward(Ops ops, Tensor x, Tensor out);
}
