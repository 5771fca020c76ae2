package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Ops;

/** Absolute positions of an encoder-decoder, computed or learned: a row for each, added to the embedding. */
public final class PositionTable {
    private final Tensor[] rows;

    /**
     * Rows of a table.
     *
     * @param table F32 [offset + positions, D]
     * @param offset rows before that of position 0
     */
    public PositionTable(Tensor table, int offset) {
        rows = new Tensor[table.dim(0) - offset];
        for (int pos = 0; pos < rows.length; pos++) {
            rows[pos] = table.select(0, offset + pos);
        }
    }

    /** Positions that the table has. */
    public int size() {
        return rows.length;
    }

    /**
     * Adds position {@code first} + t to token t.
     *
     * @param tokens x [B, T, D] as one slice [B, D] for each t
     * @param first position of token 0; first + T is at most {@link #size}
     */
    public void add(Ops ops, Tensor[] tokens, int first) {
        for (int t = 0; t < tokens.length; t++) {
            ops.add(tokens[t], rows[first + t], tokens[t]);
        }
    }
}
