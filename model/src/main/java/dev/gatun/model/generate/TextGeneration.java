package dev.gatun.model.generate;

import dev.gatun.model.InputException;
import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.text.HuggingFaceTokenizer;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One text being generated: prefill, then pick, show and decode until something ends it. For one caller, once. */
public final class TextGeneration {
    /**
     * What is asked for.
     *
     * @param maxTokens ids to produce at most
     * @param sampling how they are picked
     * @param stopStrings end the text where one of them appears; not part of it
     * @param stopIds end the text, as the model's own do; not part of it
     * @param logProbabilities whether the result has them
     * @param lookup ids to guess a step from what the text said before (speculative decoding by prompt lookup), verified, so that
     *     the text is the same; 0 for none
     * @param constraint what the text has to be, or null for anything. The text ends where it has to; it may be unfinished where
     *     something else ends it, as the result says
     * @param draft a smaller model that guesses where {@code lookup} finds nothing, or null; the text is the same
     */
    public record Settings(
            int maxTokens,
            Sampling sampling,
            List<String> stopStrings,
            Set<Integer> stopIds,
            boolean logProbabilities,
            int lookup,
            @Nullable Constraint constraint,
            @Nullable Draft draft) {
        /** Greedy, 128 tokens at most. */
        public static final Settings DEFAULT = new Settings(128, Sampling.GREEDY, List.of(), Set.of(), false, 0);

        /** Without a constraint or a draft. */
        public Settings(
                int maxTokens,
                Sampling sampling,
                List<String> stopStrings,
                Set<Integer> stopIds,
                boolean logProbabilities,
                int lookup) {
            this(maxTokens, sampling, stopStrings, stopIds, logProbabilities, lookup, null, null);
        }

        /** Checks and copies. */
        public Settings {
            if (maxTokens < 1) {
                throw new IllegalArgumentException("maxTokens " + maxTokens + ": must be at least 1");
            }
            if (lookup < 0 || lookup > 64) {
                throw new IllegalArgumentException("lookup " + lookup + ": must be 0 to 64");
            }
            stopStrings = List.copyOf(stopStrings);
            stopIds = Set.copyOf(stopIds);
            if (stopStrings.contains("")) {
                throw new IllegalArgumentException("a stop string is empty: it would end every text");
            }
        }

        /** These settings with another limit. */
        public Settings withMaxTokens(int newMaxTokens) {
            return new Settings(
                    newMaxTokens, sampling, stopStrings, stopIds, logProbabilities, lookup, constraint, draft);
        }

        /** These settings with another way to pick. */
        public Settings with(Sampling newSampling) {
            return new Settings(
                    maxTokens, newSampling, stopStrings, stopIds, logProbabilities, lookup, constraint, draft);
        }

        /** These settings with a constraint. */
        public Settings with(Constraint newConstraint) {
            return new Settings(
                    maxTokens, sampling, stopStrings, stopIds, logProbabilities, lookup, newConstraint, draft);
        }

        /** These settings with a draft model. */
        public Settings with(Draft newDraft) {
            return new Settings(
                    maxTokens, sampling, stopStrings, stopIds, logProbabilities, lookup, constraint, newDraft);
        }

        /** Ids that a step guesses at most. */
        public int guesses() {
            return Math.max(lookup, draft == null ? 0 : draft.guesses());
        }
    }

    /** Why a text ended. */
    public enum End {
        /** The model said so, or the constraint lets nothing follow. */
        EOS,
        /** A stop string or id. */
        STOP,
        /** maxTokens, or the context is full. */
        LENGTH,
        /** The listener. */
        CANCELLED
    }

    /**
     * What came out.
     *
     * @param text without the prompt and what ended it
     * @param ids as produced, without the one that ended it
     * @param logProbabilities of each id, natural logarithms; empty unless asked for
     * @param end why it ended
     * @param promptTokens ids of the prompt
     * @param firstNanos time to the first id: tokenized prompt to pick
     * @param decodeNanos time for all after the first
     */
    public record Result(
            String text,
            int[] ids,
            double[] logProbabilities,
            End end,
            int promptTokens,
            long firstNanos,
            long decodeNanos) {}

    /** Sees text as it comes. */
    @FunctionalInterface
    public interface Listener {
        /** Nobody. */
        Listener NONE = text -> true;

        /**
         * Called with whole characters that will not change.
         *
         * @return whether to go on
         */
        boolean text(String text);
    }

    private final DecoderModel model;
    private final HuggingFaceTokenizer tokenizer;
    private final Settings settings;
    private final Listener listener;

    /** Keeps its arguments. */
    public TextGeneration(DecoderModel model, HuggingFaceTokenizer tokenizer, Settings settings, Listener listener) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.settings = settings;
        this.listener = listener;
    }

    /**
     * Goes on from what is in a sequence and {@code prompt}.
     *
     * @param sequence may have tokens, which {@code prompt} starts with; those are not computed again. Afterwards it has the prompt
     *     and all ids produced but perhaps the last
     * @throws InputException if the prompt is empty or leaves no room
     */
    public Result run(DecoderSession session, Sequence sequence, int[] prompt) {
        int cached = sequence.length();
        if (prompt.length <= cached) {
            throw new InputException("prompt of " + prompt.length + " tokens: there is nothing to go on from");
        }
        int room = session.size().nCtx() - prompt.length;
        if (room < 1) {
            throw new InputException("prompt of " + prompt.length + " tokens: the session has "
                    + session.size().nCtx() + " positions, and one at least has to be left");
        }
        long start = System.nanoTime();
        int limit = Math.min(room, settings.maxTokens());
        var out = new Continuation(
                model.decoder().config().vocab(), model.eosIds(), tokenizer, settings, listener, prompt, limit);
        if (out.complete()) { // only the empty text will do
            return out.result(System.nanoTime() - start, 0);
        }
        session.prefill(sequence, prompt, cached, prompt.length);
        int id = out.pick(session, 0);
        long first = System.nanoTime();
        int most = Math.min(settings.guesses(), session.size().logits() - 1);
        int[] step = new int[settings.guesses() + 1]; // the last id and guesses of what follows
        Draft draft = settings.draft();
        try (Draft.@Nullable Run run = draft == null || most == 0
                ? null
                : draft.run(model, session.size().nCtx())) {
            while (out.take(id)) {
                int guesses = most == 0 ? 0 : out.guess(run, Math.min(most, room - out.length()), step);
                if (guesses == 0) {
                    session.decode(sequence, id);
                    id = out.pick(session, 0);
                } else {
                    id = verify(out, session, sequence, step, guesses);
                    if (id < 0) {
                        break;
                    }
                }
            }
        }
        return out.result(first - start, System.nanoTime() - first);
    }

    /**
     * Computes the last id and the guesses in one step and takes those that would have been picked.
     *
     * @return the first id that was picked and not guessed; -1 if the text has ended
     */
    private static int verify(Continuation out, DecoderSession session, Sequence sequence, int[] step, int guesses) {
        int before = sequence.length();
        step[0] = out.lastId();
        session.prefillKeepingAll(sequence, step, 0, guesses + 1);
        int row = 0;
        int picked = out.pick(session, 0);
        while (row < guesses && picked == step[row + 1]) {
            if (!out.take(picked)) {
                session.truncate(sequence, before + row + 1);
                return -1;
            }
            row++;
            picked = out.pick(session, row);
        }
        session.truncate(sequence, before + row + 1);
        return picked;
    }
}
