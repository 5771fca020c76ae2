package dev.gatun.model.generate;

import dev.gatun.model.InputException;
import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.constrain.Matcher;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.weights.ModelFormatException;
import java.util.Arrays;
import java.util.HashSet;
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
        var out = new Output(prompt, limit);
        if (out.complete()) { // only the empty text will do
            return out.result(prompt.length, System.nanoTime() - start, 0);
        }
        session.prefill(sequence, prompt, cached, prompt.length);
        int id = out.pick(session, 0);
        long first = System.nanoTime();
        int most = Math.min(settings.guesses(), session.size().logits() - 1);
        Draft draft = settings.draft();
        try (Draft.@Nullable Run run = draft == null || most == 0
                ? null
                : draft.run(model, session.size().nCtx())) {
            while (out.take(id)) {
                int guesses = most == 0 ? 0 : out.guess(run, Math.min(most, room - out.length));
                if (guesses == 0) {
                    session.decode(sequence, id);
                    id = out.pick(session, 0);
                } else {
                    id = out.verify(session, sequence, guesses);
                    if (id < 0) {
                        break;
                    }
                }
            }
        }
        return out.result(prompt.length, first - start, System.nanoTime() - first);
    }

    /** The text so far. */
    private final class Output {
        private final int[] all; // ids of the prompt, then those of the text
        private final int promptLength;
        private final int[] step; // the last id and guesses of what follows
        private final int limit;
        private final Sampler sampler;
        private final boolean plain;
        private final TokenStream stream = new TokenStream(tokenizer::decode);
        private final StringBuilder text = new StringBuilder();
        private final int longestStop;
        private final @Nullable Matcher matcher;
        private final double[] logProbabilities;
        private int length;
        private int shown; // characters of text that the listener has seen
        private End end = End.LENGTH;

        Output(int[] prompt, int limit) {
            this.limit = limit;
            promptLength = prompt.length;
            all = Arrays.copyOf(prompt, prompt.length + limit);
            step = new int[settings.guesses() + 1];
            Sampling sampling = settings.sampling();
            Constraint constraint = settings.constraint();
            matcher = constraint == null ? null : constraint.matcher(tokenizer.tokenBytes(), endIds());
            plain = sampling.temperature() == 0
                    && sampling.repetitionPenalty() == 1
                    && !settings.logProbabilities()
                    && matcher == null;
            sampler = new Sampler(sampling, plain ? 1 : model.decoder().config().vocab());
            if (!plain) {
                for (int id : prompt) {
                    sampler.see(id);
                }
            }
            logProbabilities = new double[settings.logProbabilities() ? limit : 0];
            longestStop = settings.stopStrings().stream()
                    .mapToInt(String::length)
                    .max()
                    .orElse(0);
        }

        private Set<Integer> endIds() {
            Set<Integer> ids = new HashSet<>(model.eosIds());
            ids.addAll(settings.stopIds());
            return ids;
        }

        /** Whether the constraint lets nothing follow. */
        boolean complete() {
            boolean complete = matcher != null && matcher.complete();
            if (complete) {
                end = End.EOS;
            }
            return complete;
        }

        /** Writes a guess of what follows into {@code step}; how many ids it has. */
        int guess(Draft.@Nullable Run draft, int most) {
            int n = promptLength + length;
            int room = Math.min(most, limit - length);
            int guesses = PromptLookup.guess(all, n, Math.min(room, settings.lookup()), step, 1);
            return guesses > 0 || draft == null ? guesses : draft.guess(all, n, room, matcher, step, 1);
        }

        /**
         * Computes the last id and the guesses in one step and takes those that would have been picked.
         *
         * @return the first id that was picked and not guessed; -1 if the text has ended
         */
        int verify(DecoderSession session, Sequence sequence, int guesses) {
            int before = sequence.length();
            step[0] = all[promptLength + length - 1];
            session.prefillKeepingAll(sequence, step, 0, guesses + 1);
            int row = 0;
            int picked = pick(session, 0);
            while (row < guesses && picked == step[row + 1]) {
                if (!take(picked)) {
                    session.truncate(sequence, before + row + 1);
                    return -1;
                }
                row++;
                picked = pick(session, row);
            }
            session.truncate(sequence, before + row + 1);
            return picked;
        }

        int pick(DecoderSession session, int row) {
            if (plain) {
                int id = session.argMax(row);
                if (!Float.isFinite(session.logits(row).getFloat(id))) {
                    throw notANumber();
                }
                return id;
            }
            try {
                return sampler.pick(session.logits(row), matcher == null ? null : matcher.allowed());
            } catch (ArithmeticException e) {
                throw notANumber();
            }
        }

        private ModelFormatException notANumber() {
            return new ModelFormatException(
                    "after " + length + " tokens the model gives no finite logit: a weight is NaN or infinite, or a"
                            + " product has overflowed");
        }

        /** Takes an id into the text; false if the text has ended. */
        boolean take(int id) {
            if (model.eosIds().contains(id) || settings.stopIds().contains(id)) {
                end = model.eosIds().contains(id) ? End.EOS : End.STOP;
                return false;
            }
            if (settings.logProbabilities()) {
                logProbabilities[length] = sampler.logProbability();
            }
            all[promptLength + length++] = id;
            if (!plain) {
                sampler.see(id);
            }
            if (matcher != null) {
                matcher.accept(id);
            }
            if (!append(stream.add(id))) {
                return false;
            }
            return !complete() && length < limit;
        }

        private boolean append(String more) {
            int from = Math.max(0, text.length() - longestStop);
            text.append(more);
            int stop = -1;
            for (String string : settings.stopStrings()) {
                int at = text.indexOf(string, from);
                stop = at >= 0 && (stop < 0 || at < stop) ? at : stop;
            }
            if (stop >= 0) {
                text.setLength(stop);
                end = End.STOP;
                show(text.length());
                return false;
            }
            // What could be the start of a stop string waits.
            if (!show(text.length() - heldBack())) {
                end = End.CANCELLED;
                return false;
            }
            return true;
        }

        private int heldBack() {
            int held = 0;
            for (String string : settings.stopStrings()) {
                for (int n = Math.min(string.length() - 1, text.length()); n > held; n--) {
                    if (text.indexOf(string.substring(0, n), text.length() - n) >= 0) {
                        held = n;
                        break;
                    }
                }
            }
            return held;
        }

        private boolean show(int to) {
            if (to <= shown) {
                return true;
            }
            String part = text.substring(shown, to);
            shown = to;
            return listener.text(part);
        }

        Result result(int promptTokens, long firstNanos, long decodeNanos) {
            if (end != End.STOP && end != End.CANCELLED) {
                append(stream.finish());
            }
            show(text.length());
            return new Result(
                    text.toString(),
                    Arrays.copyOfRange(all, promptLength, promptLength + length),
                    Arrays.copyOf(logProbabilities, Math.min(logProbabilities.length, length)),
                    end,
                    promptTokens,
                    firstNanos,
                    decodeNanos);
        }
    }
}
