package dev.gatun.model.generate;

import dev.gatun.model.generate.GenerationConfig.EarlyStopping;
import dev.gatun.model.transformer.TransformerSession;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Beam search with a length penalty, as Hugging Face's generate does it: at each step the 2 &times; beams best continuations of a
 * source are candidates; one that ends is finished if it ranks within the first {@code beams}, the others go on. A source is done
 * when {@code beams} hypotheses are finished and, unless it is to stop at once, the best running one cannot beat the worst of them;
 * at the token limit the running ones count as finished. All beams of all sources go through one step together; a source that is done
 * leaves the batch. A hypothesis is what it would be alone.
 */
public final class BeamSearch {
    /**
     * A finished target.
     *
     * @param ids without the start, with the end if it was reached
     * @param score sum of log-probabilities / length<sup>lengthPenalty</sup>
     */
    public record Hypothesis(int[] ids, float score) {}

    /** What running hypotheses other than the first start with, so that the first step picks from that one alone. */
    private static final float NEVER = -1e9f;

    private final GenerationConfig config;
    private final int beams;
    private final int width; // candidates of a source
    private final int start; // ids that every target starts with

    /** A search with the given beams and limits. */
    public BeamSearch(GenerationConfig config) {
        this.config = config;
        this.beams = config.beams();
        this.width = 2 * beams;
        this.start = config.startLength();
    }

    /**
     * Generates the {@code beams} best targets of each source that the session has encoded.
     *
     * @param session with as many beams as this search; freshly encoded
     * @return for each source its hypotheses, best first
     */
    public List<List<Hypothesis>> run(TransformerSession session) {
        int n = session.hypotheses();
        var all = new Source[n / beams];
        Arrays.setAll(all, s -> new Source());
        Source[] running = all.clone();
        int count = running.length;
        int[] last = new int[n];
        int[] parents = new int[n];
        int[] best = new int[n * width];
        float[] logProbabilities = new float[n * width];
        config.start(session, last);
        boolean free = config.rules().equals(TokenRules.FREE) && config.minTokens() == 0;
        for (int step = 0; step < config.maxTokens() && count > 0; step++) {
            session.decode(last, 1);
            session.ops().logSoftmax(session.logits(), session.logits()); //          [n, 1, V]
            for (int i = 0; i < count * beams && !free; i++) {
                config.rules().apply(session.logits(i, 0), running[i / beams].ids[i % beams], step, config);
            }
            session.ops().topK(session.logits(), width, best, logProbabilities);
            int going = 0;
            for (int s = 0; s < count; s++) {
                Source source = running[s];
                source.step(step, s * beams, best, logProbabilities, going * beams, parents, last);
                if (!source.done) {
                    running[going++] = source;
                }
            }
            if (going > 0) {
                session.keep(parents, going * beams);
            }
            count = going;
        }
        return Arrays.stream(all).map(source -> List.copyOf(source.finished)).toList();
    }

    /** The hypotheses of one source. */
    private final class Source {
        private final List<Hypothesis> finished = new ArrayList<>(); // best first, at most beams
        private int[][] ids = new int[beams][start + config.maxTokens()]; // the start first
        private int[][] nextIds = new int[beams][start + config.maxTokens()];
        private final float[] sums = new float[beams]; // log-probabilities of the running ones, best first
        // Candidates, best first: hypothesis, the id after it, their sum.
        private final int[] beamOf = new int[width];
        private final int[] idOf = new int[width];
        private final float[] sumOf = new float[width];
        private int candidates;
        private boolean done;

        Source() {
            Arrays.fill(sums, 1, beams, NEVER);
            for (int[] hypothesis : ids) {
                Arrays.setAll(hypothesis, i -> i < start ? config.startId(i) : 0);
            }
        }

        /**
         * Goes on by one id.
         *
         * @param first the first of its hypotheses in the session
         * @param best the best ids after each hypothesis of the session
         * @param to where the first of its hypotheses is to stand next
         * @param parents of those hypotheses
         * @param last ids of those hypotheses
         */
        void step(int step, int first, int[] best, float[] logProbabilities, int to, int[] parents, int[] last) {
            candidates = 0;
            for (int beam = 0; beam < beams; beam++) {
                int from = (first + beam) * width;
                for (int i = from; i < from + width && best[i] >= 0; i++) {
                    insert(beam, best[i], sums[beam] + logProbabilities[i]);
                }
            }
            int length = step + 1;
            boolean limit = length == config.maxTokens();
            int next = 0;
            for (int rank = 0; rank < candidates; rank++) {
                int id = idOf[rank];
                boolean ends = config.isEos(id) || limit;
                if (ends && rank < beams) {
                    finish(ids[beamOf[rank]], id, length, score(sumOf[rank], length));
                } else if (!ends && next < beams) {
                    System.arraycopy(ids[beamOf[rank]], 0, nextIds[next], 0, start + step);
                    nextIds[next][start + step] = id;
                    parents[to + next] = first + beamOf[rank];
                    last[to + next] = id;
                    sums[next++] = sumOf[rank];
                }
            }
            int[][] spare = ids;
            ids = nextIds;
            nextIds = spare;
            // Fewer than beams: the limit, or scores that are no numbers. Nothing goes on.
            done = next < beams || finished.size() == beams && !canImprove(length);
        }

        private boolean canImprove(int length) {
            if (config.earlyStopping() == EarlyStopping.AT_ONCE) {
                return false;
            }
            boolean longer = config.earlyStopping() == EarlyStopping.NEVER && config.lengthPenalty() > 0;
            return score(sums[0], longer ? config.maxTokens() : length) > finished.getLast().score;
        }

        private float score(float sum, int length) {
            return sum / (float) Math.pow(length, config.lengthPenalty());
        }

        private void finish(int[] before, int id, int length, float score) {
            int[] target = Arrays.copyOfRange(before, start, start + length);
            target[length - 1] = id;
            finished.add(new Hypothesis(target, score));
            finished.sort(Comparator.comparingDouble(Hypothesis::score)
                    .reversed()); // stable: the earlier of equals stays first
            if (finished.size() > beams) {
                finished.removeLast();
            }
        }

        /** Of equals the lower beam stays first, and within it the order of the best. */
        private void insert(int beam, int id, float sum) {
            if (candidates == width && !(sum > sumOf[width - 1])) {
                return;
            }
            int at = candidates == width ? width - 1 : candidates++;
            for (; at > 0 && sumOf[at - 1] < sum; at--) {
                beamOf[at] = beamOf[at - 1];
                idOf[at] = idOf[at - 1];
                sumOf[at] = sumOf[at - 1];
            }
            beamOf[at] = beam;
            idOf[at] = id;
            sumOf[at] = sum;
        }
    }
}
