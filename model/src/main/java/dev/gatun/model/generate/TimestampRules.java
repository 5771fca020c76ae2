package dev.gatun.model.generate;

import dev.gatun.memory.Tensor;

/**
 * Where times may stand among the words of a transcription (Radford et al. 2023, section 2.3; transformers'
 * WhisperTimeStampLogitsProcessor): one at the start, then in pairs of an end and a start, never going back; and a time it is where all
 * of them together are likelier than any word.
 *
 * @param first id of 0.00 s; those behind it are 0.02 s apart. The id before it, which says that there are no times, is never produced
 * @param mostAtStart the first time is at most so many ids behind {@code first}; {@link TokenRules#NONE} for any
 */
public record TimestampRules(int first, int mostAtStart) {
    /** Seconds from one time to the next. */
    public static final double STEP = 0.02;

    /** Whether an id is a time. */
    public boolean isTime(int id) {
        return id >= first;
    }

    /**
     * Sets the scores of what may not follow to -inf.
     *
     * @param scores [V]
     * @param ids what every target starts with, and what was produced
     * @param start how many of them were not produced
     * @param length of both
     * @param eosId the end
     */
    void apply(Tensor scores, int[] ids, int start, int length, int eosId) {
        int vocab = scores.dim(0);
        hide(scores, first - 1, first);
        boolean last = length > start && isTime(ids[length - 1]);
        boolean before = length - start < 2 || isTime(ids[length - 2]);
        if (last && before) {
            hide(scores, first, vocab); // words come next
        } else if (last) {
            hide(scores, 0, eosId); // the start of the next, or the end
        }
        int latest = -1;
        for (int i = length - 1; i >= start && latest < 0; i--) {
            latest = isTime(ids[i]) ? ids[i] : -1;
        }
        if (latest >= 0) {
            hide(scores, first, last && !before ? latest : Math.min(vocab, latest + 1)); // no segment of no length
        }
        if (length == start) {
            hide(scores, 0, first);
            if (mostAtStart != TokenRules.NONE) {
                hide(scores, Math.min(vocab, first + mostAtStart + 1), vocab);
            }
        }
        if (timesOutweighWords(scores)) {
            hide(scores, 0, first);
        }
    }

    private boolean timesOutweighWords(Tensor scores) {
        float word = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < first; i++) {
            word = Math.max(word, scores.getFloat(i));
        }
        double sum = 0;
        float time = Float.NEGATIVE_INFINITY;
        for (int i = first; i < scores.dim(0); i++) {
            time = Math.max(time, scores.getFloat(i));
        }
        for (int i = first; i < scores.dim(0) && time > Float.NEGATIVE_INFINITY; i++) {
            sum += Math.exp((double) scores.getFloat(i) - time);
        }
        return time > Float.NEGATIVE_INFINITY && time + Math.log(sum) > word;
    }

    private static void hide(Tensor scores, int from, int to) {
        for (int i = from; i < to; i++) {
            scores.setFloatAt(i, Float.NEGATIVE_INFINITY);
        }
    }
}
