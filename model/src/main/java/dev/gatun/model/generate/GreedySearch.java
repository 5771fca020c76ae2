package dev.gatun.model.generate;

import dev.gatun.memory.Tensor;
import dev.gatun.model.transformer.TransformerSession;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One id after the other for all sources of a session side by side: the most probable (the lowest of equals), or one drawn. A source
 * that has ended leaves the batch. A target is what it would be alone.
 */
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
    private final Sampling sampling;

    /** A search with the given limits; the number of beams is not looked at. */
    public GreedySearch(GenerationConfig config) {
        this(config, Sampling.GREEDY);
    }

    /** Draws ids: each source by itself, from the same seed. */
    public GreedySearch(GenerationConfig config, Sampling sampling) {
        this.config = config;
        this.sampling = sampling;
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
        int running = session.hypotheses();
        int most = config.maxTokens();
        int start = config.startLength();
        int[][] ids = new int[running][start + most]; // the start first
        int[][] targets = new int[running][];
        Sampler[] samplers = new Sampler[sampling.equals(Sampling.GREEDY) ? 0 : running];
        int[] last = new int[running];
        int[] source = new int[running]; // of each that is running
        int[] kept = new int[running];
        int[] best = new int[running];
        float[] scores = new float[running];
        Arrays.setAll(source, i -> i);
        for (int[] target : ids) {
            Arrays.setAll(target, i -> i < start ? config.startId(i) : 0);
        }
        config.start(session, last);
        boolean free = config.rules().equals(TokenRules.FREE) && config.minTokens() == 0;
        for (int step = 0; step < most && running > 0; step++) {
            session.decode(last, 1);
            for (int i = 0; i < running; i++) {
                Tensor logits = session.logits(i, 0);
                if (listener != null) {
                    listener.logits(source[i], step, logits);
                }
                if (!free) {
                    config.rules().apply(logits, ids[source[i]], step, config);
                }
            }
            if (samplers.length == 0) {
                session.ops().topK(session.logits(), 1, best, scores);
            } else {
                draw(session, samplers, source, running, best);
            }
            int going = 0;
            for (int i = 0; i < running; i++) {
                int s = source[i];
                if (best[i] < 0) {
                    throw new ArithmeticException("source " + s + ": no score is a number, so no id can follow");
                }
                ids[s][start + step] = best[i];
                if (config.isEos(best[i]) || step == most - 1) {
                    targets[s] = Arrays.copyOfRange(ids[s], start, start + step + 1);
                } else {
                    kept[going] = i;
                    last[going] = best[i];
                    source[going++] = s;
                }
            }
            if (going < running && going > 0) {
                session.keep(kept, going);
            }
            running = going;
        }
        return targets;
    }

    private void draw(TransformerSession session, Sampler[] samplers, int[] source, int running, int[] best) {
        for (int i = 0; i < running; i++) {
            int s = source[i];
            Tensor logits = session.logits(i, 0);
            if (samplers[s] == null) {
                samplers[s] = new Sampler(sampling, logits.dim(0));
            }
            best[i] = samplers[s].pick(logits, null);
            samplers[s].see(best[i]);
        }
    }
}
