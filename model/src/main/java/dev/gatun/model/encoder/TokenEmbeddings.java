package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * What the first layer reads of a token: the sum of its word, its position and its type, normalised (Devlin et al. 2019, figure
 * 2).
 *
 * @param words [V, E] of any floating-point type
 * @param positions [P, E], or null where positions come otherwise
 * @param types [types, E], or null
 * @param norm of the sum, or null
 * @param projection [D, E] from the embedding's width to the layers', or null where they are the same
 * @param padId a token with this id has no position of its own, and the positions of others start at padId + 1 (RoBERTa); -1 where
 *     positions are counted from 0
 */
record TokenEmbeddings(
        Tensor words,
        @Nullable Tensor positions,
        @Nullable Tensor types,
        @Nullable LayerNorm norm,
        @Nullable Linear projection,
        int padId) {
    /** Width E of the tables. */
    int width() {
        return words.dim(1);
    }

    /**
     * Embeds the tokens of a block into its rows of x.
     *
     * @param ids of all tokens of the batch
     * @param typeIds of all tokens
     * @param positionIds of all tokens
     */
    void forward(Ops ops, int[] ids, int[] typeIds, int[] positionIds, PackedViews.Block block) {
        int from = block.from();
        Tensor sum = block.sum();
        ops.gather(words, ids, from, sum); //                          [n, E]
        if (types != null) {
            ops.gather(types, typeIds, from, block.term()); //         [n, E]
            ops.add(sum, block.term(), sum); //                        [n, E]
        }
        if (positions != null) {
            ops.gather(positions, positionIds, from, block.term()); // [n, E]
            ops.add(sum, block.term(), sum); //                        [n, E]
        }
        if (norm != null) {
            norm.forward(ops, sum, sum); //                            [n, E]
        }
        if (projection != null) {
            projection.forward(ops, sum, block.x()); //                [n, D]
        }
    }

    /** Writes the positions of a sequence's tokens. */
    void positions(int[] ids, int from, int to, int[] positionIds) {
        int next = padId + 1;
        for (int i = from; i < to; i++) {
            positionIds[i] = padId >= 0 && ids[i] == padId ? padId : next++;
        }
    }
}
