package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * What a model was trained for, on top of the encoder: out(norm(activation(dense(x)))) of the rows it is for.
 *
 * @param task which rows, and what the scores mean
 * @param reads what a sequence is judged by; of tokens, each by itself
 * @param dense [E, D], or null for none
 * @param activation after it, or null for none
 * @param norm after that, or null for none
 * @param out [labels, E], or the vocabulary's tokens
 * @param second of DeiT: judges by the distillation token; the result is the mean of both
 */
record Head(
        Task task,
        Reads reads,
        @Nullable Linear dense,
        @Nullable Activation activation,
        @Nullable LayerNorm norm,
        Linear out,
        @Nullable Linear second) {
    /** What a sequence is judged by. */
    enum Reads {
        /** Its first token. */
        FIRST,
        /** The mean of its tokens. */
        MEAN
    }

    /** A head of one layer. */
    static Head of(Task task, Linear out) {
        return new Head(task, Reads.FIRST, null, null, null, out, null);
    }

    /** Number of scores. */
    int labels() {
        return out.weight().n();
    }

    /** Width of the rows between dense and out; 0 where there are none. */
    int width() {
        return dense == null ? 0 : dense.weight().n();
    }

    /**
     * Scores of rows.
     *
     * @param x [n, D]
     * @param hidden [n, E], overwritten; not read where there is no dense layer
     * @param scores [n, labels]
     */
    void forward(Ops ops, Tensor x, Tensor hidden, Tensor scores) {
        Tensor last = x;
        if (dense != null) {
            dense.forward(ops, x, hidden); //               [n, E]
            if (activation != null) {
                ops.activate(activation, hidden, hidden); // [n, E]
            }
            if (norm != null) {
                norm.forward(ops, hidden, hidden); //       [n, E]
            }
            last = hidden;
        }
        out.forward(ops, last, scores); //                  [n, labels]
    }
}
