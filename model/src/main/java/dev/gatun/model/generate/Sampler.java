package dev.gatun.model.generate;

import dev.gatun.memory.Tensor;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Picks ids for one text. Holds the ids seen, for the penalty, and the state of the draws. Allocates nothing after the constructor.
 * Every number is computed in double and in one order, so a seed gives the same ids on every machine.
 */
public final class Sampler {
    private final Sampling sampling;
    private final SplittableRandom random;
    private final BitSet seen;
    private final double[] scores; // of candidates
    private final int[] candidates; // ids, a heap at first, then most probable first
    private double largest;
    private int picked;

    /** A sampler for a vocabulary of {@code vocab} ids. */
    public Sampler(Sampling sampling, int vocab) {
        this.sampling = sampling;
        this.random = new SplittableRandom(sampling.seed());
        this.seen = new BitSet(vocab);
        this.scores = new double[vocab];
        this.candidates = new int[vocab];
    }

    /** Says that an id is part of the text: of the prompt, or picked. */
    public void see(int id) {
        seen.set(id);
    }

    /**
     * The next id, which is not yet {@link #see seen}.
     *
     * @param logits [V]; not changed
     * @param allowed ids that may be picked, or null for all
     * @throws ArithmeticException if no logit of an allowed id is a number
     */
    public int pick(Tensor logits, @Nullable BitSet allowed) {
        int best = -1;
        double highest = Double.NEGATIVE_INFINITY;
        int vocab = scores.length;
        boolean penalty = sampling.repetitionPenalty() != 1;
        for (int id = 0; id < vocab; id++) {
            double score = logits.getFloat(id);
            if (penalty && seen.get(id)) {
                score = score > 0 ? score / sampling.repetitionPenalty() : score * sampling.repetitionPenalty();
            }
            if (allowed != null && !allowed.get(id)) {
                score = Double.NEGATIVE_INFINITY;
            }
            scores[id] = score;
            if (score > highest) {
                highest = score;
                best = id;
            }
        }
        if (best < 0 || Double.isInfinite(highest)) {
            throw new ArithmeticException(
                    "no logit is a finite number: a weight is NaN or infinite, or no id is allowed");
        }
        largest = highest;
        picked = sampling.temperature() == 0 ? best : draw();
        return picked;
    }

    /**
     * An id that could have been picked.
     *
     * @param id itself
     * @param logProbability natural logarithm of its probability, after penalty and before temperature
     */
    public record Candidate(int id, double logProbability) {}

    /** Natural logarithm of the probability of the last id picked, after penalty and before temperature. */
    public double logProbability() {
        return scores[picked] - largest - logSum();
    }

    private double logSum() {
        double sum = 0;
        for (double score : scores) {
            sum += StrictMath.exp(score - largest);
        }
        return StrictMath.log(sum);
    }

    /** The ids that were most probable at the last pick, at most {@code n} of them, the most probable first; none that was not allowed. */
    public List<Candidate> mostProbable(int n) {
        int[] best = new int[Math.min(n, scores.length)];
        int found = 0;
        for (int id = 0; id < scores.length && best.length > 0; id++) {
            if (Double.isInfinite(scores[id]) || found == best.length && scores[id] <= scores[best[found - 1]]) {
                continue;
            }
            int at = found < best.length ? found++ : found - 1;
            for (; at > 0 && scores[id] > scores[best[at - 1]]; at--) {
                best[at] = best[at - 1];
            }
            best[at] = id;
        }
        double logSum = logSum();
        List<Candidate> candidates = new ArrayList<>();
        for (int i = 0; i < found; i++) {
            candidates.add(new Candidate(best[i], scores[best[i]] - largest - logSum));
        }
        return candidates;
    }

    /** Probability divided by the largest one. */
    private double weight(int id) {
        return StrictMath.exp((scores[id] - largest) / sampling.temperature());
    }

    private int draw() {
        return sampling.topK() == 0 && sampling.topP() == 1 ? drawFromAll() : drawFromTop();
    }

    private int drawFromAll() {
        double total = 0;
        for (int id = 0; id < scores.length; id++) {
            double weight = weight(id);
            total += weight >= sampling.minP() ? weight : 0;
        }
        double at = random.nextDouble() * total;
        int last = picked;
        for (int id = 0; id < scores.length; id++) {
            double weight = weight(id);
            if (weight > 0 && weight >= sampling.minP()) {
                last = id;
                at -= weight;
                if (at < 0) {
                    break;
                }
            }
        }
        return last;
    }

    private int drawFromTop() {
        int n = scores.length;
        for (int i = 0; i < n; i++) {
            candidates[i] = i;
        }
        for (int i = n / 2 - 1; i >= 0; i--) {
            sink(i, n);
        }
        // A heap gives candidates from the most probable on, and only as many as are needed; they gather at the end.
        int taken = 0;
        double total = 0;
        if (sampling.topK() == 0) {
            for (int id = 0; id < n; id++) {
                total += weight(id);
            }
        } else {
            while (taken < Math.min(n, sampling.topK())) {
                total += weight(take(n - taken++));
            }
        }
        double wanted = sampling.topP() * total;
        double sum = 0;
        int kept = 0;
        while (kept < (sampling.topK() == 0 ? n : taken)) {
            int id = kept < taken ? candidates[n - 1 - kept] : take(n - taken++);
            double weight = weight(id);
            if (kept > 0 && (sum >= wanted || weight < sampling.minP() || weight == 0)) {
                break;
            }
            sum += weight;
            kept++;
        }
        double at = random.nextDouble() * sum;
        for (int i = 0; i < kept; i++) {
            int id = candidates[n - 1 - i];
            at -= weight(id);
            if (at < 0) {
                return id;
            }
        }
        return candidates[n - 1];
    }

    /** Moves the heap's top to its end, which leaves it. */
    private int take(int heap) {
        int id = candidates[0];
        candidates[0] = candidates[heap - 1];
        candidates[heap - 1] = id;
        sink(0, heap - 1);
        return id;
    }

    private boolean before(int a, int b) {
        return scores[a] > scores[b] || scores[a] == scores[b] && a < b;
    }

    private void sink(int i, int n) {
        int at = i;
        while (true) {
            int child = 2 * at + 1;
            if (child >= n) {
                return;
            }
            if (child + 1 < n && before(candidates[child + 1], candidates[child])) {
                child++;
            }
            if (!before(candidates[child], candidates[at])) {
                return;
            }
            int swap = candidates[at];
            candidates[at] = candidates[child];
            candidates[child] = swap;
            at = child;
        }
    }
}
