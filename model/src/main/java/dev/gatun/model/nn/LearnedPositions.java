package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Ops;

/**
 * Learned absolute positions (Radford et al. 2019): a row of the table for each position, added to the embedding.
 *
 * @param table [positions + offset, D] of any floating-point type
 * @param offset rows before position 0: OPT and BART leave two
 */
public record LearnedPositions(Tensor table, int offset) {
    /** Positions that the table has. */
    public int size() {
        return table.dim(0) - offset;
    }

    /**
     * x = x + the rows of its positions.
     *
     * @param rows rows of the table, that is positions plus {@link #offset}, one for each row of x
     * @param scratch as x; overwritten
     */
    public void add(Ops ops, int[] rows, Tensor scratch, Tensor x) {
        ops.gather(table, rows, 0, scratch);
        ops.add(x, scratch, x);
    }
}
