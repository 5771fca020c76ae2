package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Ops;

/**
 * Token embeddings: a row of the table for each id, times a factor (Vaswani et al. 2017, section 3.4, multiply by
 * &radic;dModel).
 *
 * @param table [V, D] of any floating-point type
 * @param factor 1 to leave rows as they are
 */
public record Embedding(Tensor table, float factor) {
    /**
     * Looks up one row an id.
     *
     * @param ids as many as out has rows, from index {@code from}
     * @param out [..., D]
     * @throws IndexOutOfBoundsException if an id is not 0 to V - 1
     */
    public void forward(Ops ops, int[] ids, int from, Tensor out) {
        ops.gather(table, ids, from, out);
        if (factor != 1f) {
            ops.scale(factor, out, out);
        }
    }
}
