package dev.gatun.model.transformer;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Norm;
import dev.gatun.ops.Ops;

/** Residual connection and norm around a sublayer f: norm(x + f(x)) as in the paper, or x + f(norm(x)) with pre-norm. */
final class Residual {
    private Residual() {}

    /** What the sublayer reads: x, or with pre-norm norm(x), written to {@code normed}. */
    static Tensor enter(Ops ops, Tensor x, Norm norm, boolean normFirst, Tensor normed) {
        if (!normFirst) {
            return x;
        }
        norm.forward(ops, x, normed); //     [B, T, D]
        return normed;
    }

    /** x = x + f, and with post-norm x = norm(x). */
    static void leave(Ops ops, Tensor x, Tensor f, Norm norm, boolean normFirst) {
        ops.add(x, f, x); //                 [B, T, D]
        if (!normFirst) {
            norm.forward(ops, x, x); //      [B, T, D]
        }
    }
}
