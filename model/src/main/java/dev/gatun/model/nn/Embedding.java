package dev.gatun.model.nn;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * Token embeddings: a row of the table for each id, times a factor (Vaswani et al. 2017, section 3.4, multiply by
 * &radic;dModel).
 */
public final class Embedding {
    private final @Nullable Tensor table;
    private final @Nullable QuantizedMatrix blocks;
    private final float factor;

    /**
     * Rows of a plain table.
     *
     * @param table [V, D] of any floating-point type
     * @param factor 1 to leave rows as they are
     */
    public Embedding(Tensor table, float factor) {
        this.table = table;
        this.blocks = null;
        this.factor = factor;
    }

    /** Rows of a table [V, D] in blocks. */
    public Embedding(QuantizedMatrix blocks, float factor) {
        this.table = null;
        this.blocks = blocks;
        this.factor = factor;
    }

    /** V. */
    public int size() {
        return blocks != null ? blocks.n() : table == null ? 0 : table.dim(0);
    }

    /**
     * Looks up one row an id.
     *
     * @param ids as many as out has rows, from index {@code from}
     * @param out [..., D]
     * @throws IndexOutOfBoundsException if an id is not 0 to V - 1
     */
    public void forward(Ops ops, int[] ids, int from, Tensor out) {
        if (blocks != null) {
            ops.gather(blocks, ids, from, out);
        } else if (table != null) {
            ops.gather(table, ids, from, out);
        }
        if (factor != 1f) {
            ops.scale(factor, out, out);
        }
    }
}
