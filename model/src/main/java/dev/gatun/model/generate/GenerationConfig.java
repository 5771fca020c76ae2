package dev.gatun.model.generate;

import dev.gatun.model.transformer.TransformerSession;
import dev.gatun.model.weights.JsonConfig;
import java.util.Arrays;
import java.util.List;

/**
 * How a model wants its targets generated: what its generation_config.json says, or a caller.
 *
 * @param startId what every target starts with; not part of the result
 * @param prompt what follows the start in every target, and is no part of the result either: Whisper's language and task
 * @param eosIds each ends a target; part of the result
 * @param padId fills up shorter targets of a batch
 * @param rules which ids may follow
 * @param minTokens ids produced at least before the end
 * @param maxTokens ids produced at most, the end included
 * @param beams hypotheses of each source; 1 is greedy
 * @param lengthPenalty a hypothesis is worth the sum of its log-probabilities divided by its length to this power
 * @param earlyStopping when a source's beam search is done
 */
public record GenerationConfig(
        int startId,
        int[] prompt,
        int[] eosIds,
        int padId,
        TokenRules rules,
        int minTokens,
        int maxTokens,
        int beams,
        float lengthPenalty,
        EarlyStopping earlyStopping) {
    /** Most beams that make sense: more than that is a mistake, and memory grows with them. */
    public static final int MAX_BEAMS = 256;

    /** Ids of a target where the model's files set no limit. */
    private static final int DEFAULT_TOKENS = 512;

    private static final int MAX = 1 << 20;
    private static final int[] NO_IDS = {};

    /** When the beam search of a source, which has as many finished hypotheses as beams, is done. */
    public enum EarlyStopping {
        /** At once. */
        AT_ONCE,
        /** When the best running hypothesis, were it to end now, could not beat the worst finished one. */
        LIKELY,
        /** When no running one could, however long it gets. */
        NEVER
    }

    /** Copies the array and checks numbers. */
    public GenerationConfig {
        prompt = prompt.clone();
        eosIds = eosIds.clone();
        if (beams < 1 || beams > MAX_BEAMS) {
            throw new IllegalArgumentException("beams " + beams + ": must be 1 to " + MAX_BEAMS);
        }
        if (maxTokens < 1) {
            throw new IllegalArgumentException("maxTokens " + maxTokens + ": must be at least 1");
        }
        if (minTokens < 0) {
            throw new IllegalArgumentException("minTokens " + minTokens + ": must not be negative");
        }
        if (!Float.isFinite(lengthPenalty)) {
            throw new IllegalArgumentException("lengthPenalty " + lengthPenalty + ": must be a finite number");
        }
    }

    /** Plain settings: greedy, up to {@code maxTokens}, nothing forbidden. */
    public static GenerationConfig greedy(int startId, int eosId, int padId, int maxTokens) {
        return new GenerationConfig(
                startId, NO_IDS, new int[] {eosId}, padId, TokenRules.FREE, 0, maxTokens, 1, 1f, EarlyStopping.LIKELY);
    }

    /**
     * Reads a checkpoint's settings.
     *
     * @param config config.json, which has the special ids where {@code generate} has not
     * @param generate generation_config.json, or config.json again: older checkpoints have all in one
     * @param vocab ids are 0 to vocab - 1
     * @param nPositions ids produced at most, whatever the files say
     * @throws dev.gatun.model.weights.ModelFormatException if a setting is out of range
     */
    public static GenerationConfig read(JsonConfig config, JsonConfig generate, int vocab, int nPositions) {
        int last = vocab - 1;
        List<Integer> eos = (generate.has("eos_token_id") ? generate : config).ints("eos_token_id", 0, last);
        int pad = generate.optionalInt("pad_token_id", config.optionalInt("pad_token_id", 0, 0, last), 0, last);
        int bos = config.optionalInt("bos_token_id", pad, 0, last);
        int start = generate.optionalInt(
                "decoder_start_token_id", config.optionalInt("decoder_start_token_id", bos, 0, last), 0, last);
        // A target has a position for the start token and for each id produced but the last.
        int most = Math.min(nPositions, DEFAULT_TOKENS);
        if (generate.has("max_length")) {
            most = generate.requireInt("max_length", 2, MAX) - 1; // counts the start token
        }
        most = generate.optionalInt("max_new_tokens", most, 1, MAX);
        int least = Math.max(
                generate.optionalInt("min_length", 0, 0, MAX) - 1, generate.optionalInt("min_new_tokens", 0, 0, MAX));
        TokenRules rules = generate.checked(() -> new TokenRules(
                generate.optionalInt("forced_bos_token_id", TokenRules.NONE, 0, last),
                generate.ints("forced_eos_token_id", 0, last).stream()
                        .findFirst()
                        .orElse(TokenRules.NONE),
                ints(generate.ints("suppress_tokens", 0, last)),
                ints(generate.ints("begin_suppress_tokens", 0, last)),
                generate.intLists("bad_words_ids", 0, last).stream()
                        .filter(words -> !words.isEmpty())
                        .map(GenerationConfig::ints)
                        .toList(),
                generate.optionalInt("no_repeat_ngram_size", 0, 0, MAX),
                (float) generate.optionalDouble("repetition_penalty", 1, 1e-3, 100),
                null));
        return new GenerationConfig(
                start,
                NO_IDS,
                ints(eos),
                pad,
                rules,
                Math.max(0, least),
                Math.min(nPositions, most),
                generate.optionalInt("num_beams", 1, 1, MAX_BEAMS),
                (float) generate.optionalDouble("length_penalty", 1, -100, 100),
                earlyStopping(generate));
    }

    private static EarlyStopping earlyStopping(JsonConfig generate) {
        if (generate.isString("early_stopping")) {
            return generate.requireOneOf("early_stopping", java.util.Map.of("never", EarlyStopping.NEVER));
        }
        return generate.optionalBoolean("early_stopping", false) ? EarlyStopping.AT_ONCE : EarlyStopping.LIKELY;
    }

    private static int[] ints(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    /** A copy. */
    @Override
    public int[] prompt() {
        return prompt.clone();
    }

    /** Ids that every target starts with: the start and the prompt. */
    int startLength() {
        return 1 + prompt.length;
    }

    /** Decodes what every target starts with but for the last of it, which goes to {@code last}. */
    void start(TransformerSession session, int[] last) {
        for (int i = 0; i < startLength(); i++) {
            Arrays.fill(last, startId(i));
            if (i < prompt.length) {
                session.decode(last, 1);
            }
        }
    }

    /** The i-th of them. */
    int startId(int i) {
        return i == 0 ? startId : prompt[i - 1];
    }

    /** A copy. */
    @Override
    public int[] eosIds() {
        return eosIds.clone();
    }

    /** Whether an id ends a target. */
    public boolean isEos(int id) {
        for (int eos : eosIds) {
            if (eos == id) {
                return true;
            }
        }
        return false;
    }

    int eosCount() {
        return eosIds.length;
    }

    int eosId(int i) {
        return eosIds[i];
    }

    /** These settings with another number of beams. */
    public GenerationConfig withBeams(int newBeams) {
        return new GenerationConfig(
                startId, prompt, eosIds, padId, rules, minTokens, maxTokens, newBeams, lengthPenalty, earlyStopping);
    }

    /** These settings with other limits. */
    public GenerationConfig withTokens(int newMinTokens, int newMaxTokens) {
        return new GenerationConfig(
                startId, prompt, eosIds, padId, rules, newMinTokens, newMaxTokens, beams, lengthPenalty, earlyStopping);
    }

    /** These settings with another upper limit. */
    public GenerationConfig withMaxTokens(int newMaxTokens) {
        return withTokens(minTokens, newMaxTokens);
    }

    /** These settings with another length penalty. */
    public GenerationConfig withLengthPenalty(float newLengthPenalty) {
        return new GenerationConfig(
                startId, prompt, eosIds, padId, rules, minTokens, maxTokens, beams, newLengthPenalty, earlyStopping);
    }

    /** These settings with other rules. */
    public GenerationConfig withRules(TokenRules newRules) {
        return new GenerationConfig(
                startId, prompt, eosIds, padId, newRules, minTokens, maxTokens, beams, lengthPenalty, earlyStopping);
    }

    /** These settings with another end of beam search. */
    public GenerationConfig withEarlyStopping(EarlyStopping newEarlyStopping) {
        return new GenerationConfig(
                startId, prompt, eosIds, padId, rules, minTokens, maxTokens, beams, lengthPenalty, newEarlyStopping);
    }

    /** These settings with other ids behind the start. */
    public GenerationConfig withPrompt(int... newPrompt) {
        return new GenerationConfig(
                startId, newPrompt, eosIds, padId, rules, minTokens, maxTokens, beams, lengthPenalty, earlyStopping);
    }

    /** These settings with another first id: mBART's target language. */
    public GenerationConfig withStartId(int newStartId) {
        return new GenerationConfig(
                newStartId, prompt, eosIds, padId, rules, minTokens, maxTokens, beams, lengthPenalty, earlyStopping);
    }
}
