package dev.gatun.model.generate;

import dev.gatun.memory.Tensor;
import dev.gatun.model.transformer.TransformerSession;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Beam search with a length penalty, as Hugging Face's generate does it with early_stopping false: at each step the 2 &times;
 * beams best continuations of a source are candidates; one that ends is finished if it ranks within the first {@code beams}, the
 * others go on. A source is done when {@code beams} hypotheses are finished and the best running one, divided by its current
 * length, cannot beat the worst of them; at the token limit the running ones count as finished.
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
    private final int[] bannedIds;

    /** A search with the given beams and limits. */
    public BeamSearch(GenerationConfig config) {
        this.config = config;
        this.bannedIds = config.bannedIds();
    }

    /**
     * Generates the {@code beams} best targets of each source that the session has encoded.
     *
     * @param session with as many beams as this search; freshly encoded
     * @return for each source its hypotheses, best first
     */
    public List<List<Hypothesis>> run(TransformerSession session) {
        int beams = config.beams();
        int n = session.hypotheses();
        var sources = new Source[n / beams];
        for (int s = 0; s < sources.length; s++) {
            sources[s] = new Source();
        }
        int[] last = new int[n];
        int[] parents = new int[n];
        Arrays.fill(last, config.startId());
        int running = sources.length;
        for (int step = 0; step < config.maxTokens() && running > 0; step++) {
            if (step > 0) {
                session.reorder(parents);
            }
            session.decode(last, 1);
            for (int s = 0; s < sources.length; s++) {
                for (int beam = 0; beam < beams; beam++) {
                    parents[s * beams + beam] = s * beams + beam;
                    last[s * beams + beam] = config.padId();
                }
                if (!sources[s].done) {
                    sources[s].step(session, s * beams, step, parents, last);
                    running -= sources[s].done ? 1 : 0;
                }
            }
        }
        return Arrays.stream(sources)
                .map(source -> List.copyOf(source.finished))
                .toList();
    }

    /** The hypotheses of one source. */
    private final class Source {
        private final int beams = config.beams();
        private final List<Hypothesis> finished = new ArrayList<>(); // best first, at most beams
        private int[][] ids = new int[beams][0];
        private float[] sums = new float[beams]; // log-probabilities of the running ones, best first
        private boolean done;

        Source() {
            Arrays.fill(sums, 1, beams, NEVER);
        }

        /** A continuation: hypothesis {@code beam} and one more id. */
        private record Candidate(int beam, int id, float sum) {}

        void step(TransformerSession session, int first, int step, int[] parents, int[] last) {
            List<Candidate> candidates = candidates(session, first);
            int length = step + 1;
            boolean limit = length == config.maxTokens();
            int next = 0;
            int[][] nextIds = new int[beams][];
            float[] nextSums = new float[beams];
            for (int rank = 0; rank < candidates.size(); rank++) {
                Candidate candidate = candidates.get(rank);
                boolean ends = candidate.id == config.eosId() || limit;
                if (ends && rank < beams) {
                    finish(append(ids[candidate.beam], candidate.id), score(candidate.sum, length));
                } else if (!ends && next < beams) {
                    parents[first + next] = first + candidate.beam;
                    last[first + next] = candidate.id;
                    nextIds[next] = append(ids[candidate.beam], candidate.id);
                    nextSums[next++] = candidate.sum;
                }
            }
            if (next < beams) {
                done = true; // the limit: nothing goes on
                return;
            }
            ids = nextIds;
            sums = nextSums;
            done = finished.size() == beams && score(sums[0], length) <= finished.getLast().score;
        }

        private float score(float sum, int length) {
            return sum / (float) Math.pow(length, config.lengthPenalty());
        }

        private void finish(int[] target, float score) {
            finished.add(new Hypothesis(target, score));
            finished.sort(Comparator.comparingDouble(Hypothesis::score)
                    .reversed()); // stable: the earlier of equals stays first
            if (finished.size() > beams) {
                finished.removeLast();
            }
        }

        private static int[] append(int[] ids, int id) {
            int[] longer = Arrays.copyOf(ids, ids.length + 1);
            longer[ids.length] = id;
            return longer;
        }

        /** The 2 beams best continuations, best first; of equals the lower beam and id. */
        private List<Candidate> candidates(TransformerSession session, int first) {
            var best = new ArrayList<Candidate>(2 * beams + 1);
            for (int beam = 0; beam < beams; beam++) {
                Tensor logits = session.logits(first + beam, 0);
                session.ops().logSoftmax(logits, logits);
                Banned.hide(bannedIds, logits);
                for (int id = 0; id < logits.dim(0); id++) {
                    float sum = sums[beam] + logits.getFloat(id);
                    if (best.size() < 2 * beams || sum > best.getLast().sum) {
                        insert(best, new Candidate(beam, id, sum));
                    }
                }
            }
            return best;
        }

        private void insert(List<Candidate> best, Candidate candidate) {
            int at = best.size();
            while (at > 0 && best.get(at - 1).sum < candidate.sum) {
                at--;
            }
            best.add(at, candidate);
            if (best.size() > 2 * beams) {
                best.removeLast();
            }
        }
    }
}
