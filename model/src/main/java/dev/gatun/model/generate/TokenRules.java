package dev.gatun.model.generate;

import dev.gatun.memory.Tensor;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What may not, or must, follow at a step, as Hugging Face's generate has it. Immutable but for the arrays, which nobody changes.
 *
 * @param forcedFirst the only id that may come first, or {@link #NONE}
 * @param forcedLast the only id that may come last, where a target is as long as it may be; or {@link #NONE}
 * @param suppressed never produced
 * @param suppressedFirst not produced as the first id; as the second where the first is forced
 * @param badWords sequences of ids that are never completed
 * @param noRepeatNgram sequences of so many ids do not come twice; 0 for any
 * @param repetitionPenalty divides positive scores of ids that were there already, and multiplies negative ones; 1 for none
 * @param timestamps where times stand in a transcription; null for any
 */
public record TokenRules(
        int forcedFirst,
        int forcedLast,
        int[] suppressed,
        int[] suppressedFirst,
        List<int[]> badWords,
        int noRepeatNgram,
        float repetitionPenalty,
        @Nullable TimestampRules timestamps) {
    /** No id is forced. */
    public static final int NONE = -1;

    /** Everything may follow everything. */
    public static final TokenRules FREE = new TokenRules(NONE, NONE, new int[0], new int[0], List.of(), 0, 1f, null);

    /** Checks the numbers. */
    public TokenRules {
        if (noRepeatNgram < 0) {
            throw new IllegalArgumentException("noRepeatNgram " + noRepeatNgram + ": must not be negative");
        }
        if (!(repetitionPenalty > 0 && repetitionPenalty <= 100)) {
            throw new IllegalArgumentException(
                    "repetitionPenalty " + repetitionPenalty + ": must be above 0 and at most 100");
        }
        badWords = List.copyOf(badWords);
    }

    /** These rules with another id that comes first, or {@link #NONE}: the code of the language that is translated to. */
    public TokenRules withForcedFirst(int id) {
        return new TokenRules(
                id, forcedLast, suppressed, suppressedFirst, badWords, noRepeatNgram, repetitionPenalty, timestamps);
    }

    /** These rules with sequences of {@code n} ids that do not come twice; 0 for any. */
    public TokenRules withNoRepeatNgram(int n) {
        return new TokenRules(
                forcedFirst, forcedLast, suppressed, suppressedFirst, badWords, n, repetitionPenalty, timestamps);
    }

    /** These rules with times among the words; null for none. */
    public TokenRules withTimestamps(@Nullable TimestampRules rules) {
        return new TokenRules(
                forcedFirst,
                forcedLast,
                suppressed,
                suppressedFirst,
                badWords,
                noRepeatNgram,
                repetitionPenalty,
                rules);
    }

    /**
     * Sets the scores of ids that may not follow to -inf, and where an id is forced its own to 0.
     *
     * @param scores [V]
     * @param ids what every target starts with, and {@code step} that were produced
     * @param step 0 for the first id produced
     * @param config says how long a target is, and its ends
     */
    void apply(Tensor scores, int[] ids, int step, GenerationConfig config) {
        int length = config.startLength() + step;
        if (repetitionPenalty != 1f) {
            penalize(scores, ids, length);
        }
        if (noRepeatNgram > 0) {
            hideRepeated(scores, ids, length);
        }
        for (int[] words : badWords) {
            hideLast(scores, ids, length, words);
        }
        if (step < config.minTokens()) {
            for (int i = 0; i < config.eosCount(); i++) {
                hide(scores, config.eosId(i));
            }
        }
        if (step == 0 && forcedFirst != NONE) {
            force(scores, forcedFirst);
        } else if (step == config.maxTokens() - 1 && forcedLast != NONE) {
            force(scores, forcedLast);
        }
        for (int id : suppressed) {
            hide(scores, id);
        }
        if (step == (forcedFirst == NONE ? 0 : 1)) {
            for (int id : suppressedFirst) {
                hide(scores, id);
            }
        }
        if (timestamps != null) {
            timestamps.apply(scores, ids, config.startLength(), length, config.eosId(0));
        }
    }

    private static void hide(Tensor scores, int id) {
        scores.setFloatAt(id, Float.NEGATIVE_INFINITY);
    }

    private static void force(Tensor scores, int id) {
        for (int i = 0; i < scores.dim(0); i++) {
            hide(scores, i);
        }
        scores.setFloatAt(id, 0f);
    }

    private void penalize(Tensor scores, int[] ids, int length) {
        for (int i = 0; i < length; i++) {
            int id = ids[i];
            boolean first = true;
            for (int j = 0; j < i && first; j++) {
                first = ids[j] != id;
            }
            if (first) {
                float score = scores.getFloat(id);
                scores.setFloatAt(id, score < 0 ? score * repetitionPenalty : score / repetitionPenalty);
            }
        }
    }

    private void hideRepeated(Tensor scores, int[] ids, int length) {
        int before = noRepeatNgram - 1;
        for (int i = 0; i + before < length; i++) {
            if (Arrays.equals(ids, i, i + before, ids, length - before, length)) {
                hide(scores, ids[i + before]);
            }
        }
    }

    private static void hideLast(Tensor scores, int[] ids, int length, int[] words) {
        int before = words.length - 1;
        if (before <= length && Arrays.equals(words, 0, before, ids, length - before, length)) {
            hide(scores, words[before]);
        }
    }
}
