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
     * Embeds the tokens of a packed batch.
     *
     * @param ids of all tokens
     * @param typeIds of all tokens
     * @param positionIds of all tokens
     * @param sum [N, E]: out where there is no projection
     * @param term [N, E], overwritten
     * @param out [N, D]
     */
    void forward(Ops ops, int[] ids, int[] typeIds, int[] positionIds, Tensor sum, Tensor term, Tensor out) {
        ops.gather(words, ids, 0, sum); //                  [N, E]
        if (types != null) {
            ops.gather(types, typeIds, 0, term); //         [N, E]
            ops.add(sum, term, sum); //                     [N, E]
        }
        if (positions != null) {
            ops.gather(positions, positionIds, 0, term); // [N, E]
            ops.add(sum, term, sum); //                     [N, E]
        }
        if (norm != null) {
            norm.forward(ops, sum, sum); //                 [N, E]
        }
        if (projection != null) {
            projection.forward(ops, sum, out); //           [N, D]
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
