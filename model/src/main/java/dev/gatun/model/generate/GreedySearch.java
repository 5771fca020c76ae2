package dev.gatun.model.generate;

import dev.gatun.memory.Tensor;
import dev.gatun.model.transformer.TransformerSession;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Takes the most probable id at each step (the lowest of equals), for all sources of a session side by side. */
public final class GreedySearch {
    /** Sees the raw scores of a step before an id is picked. */
    @FunctionalInterface
    public interface StepListener {
        /**
         * Called once for each source that has not ended.
         *
         * @param source its index
         * @param step 0 for the first id produced
         * @param logits [V], valid until this returns
         */
        void logits(int source, int step, Tensor logits);
    }

    private final GenerationConfig config;
    private final int[] bannedIds;

    /** A search with the given limits; the number of beams is not looked at. */
    public GreedySearch(GenerationConfig config) {
        this.config = config;
        this.bannedIds = config.bannedIds();
    }

    /**
     * Generates a target for each source that the session has encoded.
     *
     * @param session with one beam; freshly encoded
     * @return ids of each target, without the start, with the end if it was reached
     */
    public int[][] run(TransformerSession session) {
        return run(session, null);
    }

    /** As {@link #run(TransformerSession)}, showing each step's scores. */
    public int[][] run(TransformerSession session, @Nullable StepListener listener) {
        int n = session.hypotheses();
        int[][] targets = new int[n][config.maxTokens()];
        int[] lengths = new int[n];
        boolean[] ended = new boolean[n];
        int[] last = new int[n];
        Arrays.fill(last, config.startId());
        int running = n;
        for (int step = 0; step < config.maxTokens() && running > 0; step++) {
            session.decode(last, 1);
            for (int i = 0; i < n; i++) {
                last[i] = config.padId();
                if (ended[i]) {
                    continue;
                }
                Tensor logits = session.logits(i, 0);
                if (listener != null) {
                    listener.logits(i, step, logits);
                }
                Banned.hide(bannedIds, logits);
                last[i] = session.argMax(i, 0);
                targets[i][lengths[i]++] = last[i];
                if (last[i] == config.eosId()) {
                    ended[i] = true;
                    running--;
                }
            }
        }
        for (int i = 0; i < n; i++) {
            targets[i] = Arrays.copyOf(targets[i], lengths[i]);
        }
        return targets;
    }
}
