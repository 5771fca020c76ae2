package dev.gatun.model.generate;

import dev.gatun.memory.Tensor;

/** Ids that must not be produced. */
final class Banned {
    private Banned() {}

    /** Sets the scores [V] of banned ids to -inf. */
    static void hide(int[] ids, Tensor scores) {
        for (int id : ids) {
            scores.setFloat(Float.NEGATIVE_INFINITY, id);
        }
    }
}
