package dev.gatun.model.generate;

import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.constrain.Matcher;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.generate.TextGeneration.End;
import dev.gatun.model.generate.TextGeneration.Listener;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.weights.ModelFormatException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What follows a prompt, as it comes, id by id: it picks from logits, says what ends the text, and shows what is certain of it. Whoever
 * has it computes the logits, alone or beside those of other texts: {@link #pick}, {@link #take}, and where that says so once more. For
 * one caller at a time.
 */
public final class Continuation {
    private final Set<Integer> eosIds;
    private final Settings settings;
    private final Listener listener;
    private final int[] all; // ids of the prompt, then those of the text
    private final int promptLength;
    private final int limit;
    private final Sampler sampler;
    private final boolean plain;
    private final TokenStream stream;
    private final StringBuilder text = new StringBuilder();
    private final int longestStop;
    private final @Nullable Matcher matcher;
    private final double[] logProbabilities;
    private int length;
    private int shown; // characters of text that the listener has seen
    private End end = End.LENGTH;

    /**
     * Nothing yet.
     *
     * @param vocab ids are below
     * @param eosIds that end a text
     * @param prompt what it follows; not changed
     * @param limit ids that it may have at most, at least 1
     * @throws dev.gatun.model.constrain.ConstraintException if the vocabulary cannot meet the settings' constraint
     */
    public Continuation(
            int vocab,
            Set<Integer> eosIds,
            HuggingFaceTokenizer tokenizer,
            Settings settings,
            Listener listener,
            int[] prompt,
            int limit) {
        this.eosIds = eosIds;
        this.settings = settings;
        this.listener = listener;
        this.limit = limit;
        promptLength = prompt.length;
        all = Arrays.copyOf(prompt, prompt.length + limit);
        stream = new TokenStream(tokenizer::decode);
        Sampling sampling = settings.sampling();
        Constraint constraint = settings.constraint();
        matcher = constraint == null ? null : constraint.matcher(tokenizer.tokenBytes(), endIds());
        plain = sampling.temperature() == 0
                && sampling.repetitionPenalty() == 1
                && !settings.logProbabilities()
                && matcher == null;
        sampler = new Sampler(sampling, plain ? 1 : vocab);
        if (!plain) {
            for (int id : prompt) {
                sampler.see(id);
            }
        }
        logProbabilities = new double[settings.logProbabilities() ? limit : 0];
        longestStop =
                settings.stopStrings().stream().mapToInt(String::length).max().orElse(0);
    }

    private Set<Integer> endIds() {
        Set<Integer> ids = new HashSet<>(eosIds);
        ids.addAll(settings.stopIds());
        return ids;
    }

    /** Whether the constraint lets nothing follow. */
    public boolean complete() {
        boolean complete = matcher != null && matcher.complete();
        if (complete) {
            end = End.EOS;
        }
        return complete;
    }

    /** Ids taken. */
    public int length() {
        return length;
    }

    /** Ids of the prompt and those taken: how many they are. */
    public int total() {
        return promptLength + length;
    }

    /** All ids, of the prompt and taken, the first {@link #total} of this; not to be changed. */
    public int[] ids() {
        return all;
    }

    int lastId() {
        return all[total() - 1];
    }

    /** Whether {@link #pick} takes so long, reading all of the vocabulary more than once, that it is worth a thread of its own. */
    public boolean pickingIsWork() {
        return !plain;
    }

    /**
     * Writes a guess of what follows.
     *
     * @param step takes it, from index 1 on
     * @return how many ids it has
     */
    int guess(Draft.@Nullable Run draft, int most, int[] step) {
        int n = total();
        int room = Math.min(most, limit - length);
        int guesses = PromptLookup.guess(all, n, Math.min(room, settings.lookup()), step, 1);
        return guesses > 0 || draft == null ? guesses : draft.guess(all, n, room, matcher, step, 1);
    }

    /**
     * The id that follows.
     *
     * @param row of the session's logits
     * @throws ModelFormatException if none is a finite number
     */
    public int pick(DecoderSession session, int row) {
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

    /**
     * The ids that were most probable at the last pick, and the one picked, if the settings ask for log-probabilities.
     *
     * @param n how many at most
     */
    public List<Sampler.Candidate> mostProbable(int n) {
        return sampler.mostProbable(n);
    }

    /** Natural logarithm of the probability of the last id taken, if the settings ask for it. */
    public double logProbability() {
        return logProbabilities[length - 1];
    }

    /** Takes an id into the text; false if the text has ended. */
    public boolean take(int id) {
        if (eosIds.contains(id) || settings.stopIds().contains(id)) {
            end = eosIds.contains(id) ? End.EOS : End.STOP;
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

    /** What there is of the text: all, once {@link #take} has said that it ends; the rest of it is shown. */
    public Result result(long firstNanos, long decodeNanos) {
        if (end != End.STOP && end != End.CANCELLED) {
            append(stream.finish());
        }
        show(text.length());
        return new Result(
                text.toString(),
                Arrays.copyOfRange(all, promptLength, promptLength + length),
                Arrays.copyOf(logProbabilities, Math.min(logProbabilities.length, length)),
                end,
                promptLength,
                firstNanos,
                decodeNanos);
    }
}
