package dev.gatun.model.transformer;

import dev.gatun.model.nn.Embedding;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.nn.PositionTable;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * What the first layer of a stack reads: embedding plus position.
 *
 * @param embedding of tokens
 * @param positions added to it, or null where layers have relative ones
 * @param norm of the sum, or null
 */
public record Input(
        Embedding embedding,
        @Nullable PositionTable positions,
        @Nullable Norm norm) implements SourceInput {
    /**
     * Writes the tokens' rows to a.x().
     *
     * @param first position of the first of each sequence
     */
    void forward(Ops ops, int[] ids, int first, Activations a) {
        embedding.forward(ops, ids, 0, a.x()); //                [B, T, D]
        if (positions != null) {
            positions.add(ops, a.tokens(), first); //            [B, T, D]
        }
        if (norm != null) {
            norm.forward(ops, a.x(), a.x()); //                  [B, T, D]
        }
    }
}
