package dev.gatun.model.generate;

import dev.gatun.memory.Tensor;
import dev.gatun.model.InputException;
import dev.gatun.model.constrain.Matcher;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.text.HuggingFaceTokenizer;
import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * A small model that guesses what a larger one says next, several ids at a time, for that to verify in one step. The larger one picks
 * every id itself, so its text, drawn or greedy, is what it would be alone: guesses change the time it takes. Immutable; the models
 * belong to who opened them.
 */
public final class Draft {
    private final DecoderModel target;
    private final DecoderModel model;
    private final int guesses;

    private Draft(DecoderModel target, DecoderModel model, int guesses) {
        this.target = target;
        this.model = model;
        this.guesses = guesses;
    }

    /**
     * Lets {@code model} guess for {@code target}.
     *
     * @param guesses ids a step at most, 1 to 64
     * @throws InputException if their vocabularies differ
     */
    public static Draft of(
            DecoderModel target,
            HuggingFaceTokenizer tokenizer,
            DecoderModel model,
            HuggingFaceTokenizer modelTokenizer,
            int guesses) {
        if (guesses < 1 || guesses > 64) {
            throw new IllegalArgumentException("guesses " + guesses + ": must be 1 to 64");
        }
        if (!tokenizer.tokenBytes().sameAs(modelTokenizer.tokenBytes())) {
            throw new InputException("the draft model has another vocabulary, of "
                    + modelTokenizer.tokenBytes().size() + " tokens, than the model, of "
                    + tokenizer.tokenBytes().size() + ": an id has to be the same token for both");
        }
        return new Draft(target, model, guesses);
    }

    /** Ids a step at most. */
    public int guesses() {
        return guesses;
    }

    /**
     * For one text.
     *
     * @throws IllegalArgumentException if the draft was made for another model
     */
    Run run(DecoderModel verifier, int nCtx) {
        if (verifier != target) {
            throw new IllegalArgumentException("the draft was made to guess for another model");
        }
        return new Run(
                model.decoder()
                        .newSession(SessionSize.forOne(
                                Math.min(nCtx, model.decoder().config().nPositions()))),
                Math.min(
                        target.decoder().config().vocab(),
                        model.decoder().config().vocab()));
    }

    /** Guesses for one text. Knows by itself which of its own guesses were wrong. */
    static final class Run implements AutoCloseable {
        private final DecoderSession session;
        private final Sequence sequence;
        private final int vocab;
        private final int[] cached; // the ids that the sequence has
        private final int[] one = new int[1];

        private Run(DecoderSession session, int vocab) {
            this.session = session;
            this.sequence = session.newSequence();
            this.vocab = vocab;
            this.cached = new int[session.size().nCtx()];
        }

        /**
         * Writes what the draft model would say.
         *
         * @param ids the text, its first {@code length}
         * @param most ids to guess at most
         * @param matcher at the text's end; guesses keep to it
         * @return how many ids were written to {@code out} from index {@code at} on
         */
        int guess(int[] ids, int length, int most, @Nullable Matcher matcher, int[] out, int at) {
            int guesses = Math.min(most, session.size().nCtx() - length);
            if (guesses < 1) {
                return 0;
            }
            int same = Arrays.mismatch(cached, 0, sequence.length(), ids, 0, length);
            int kept = Math.min(same < 0 ? length : same, length - 1);
            session.truncate(sequence, kept);
            session.prefill(sequence, ids, kept, length);
            System.arraycopy(ids, kept, cached, kept, length - kept);
            Matcher.Place place = matcher == null ? null : matcher.place();
            int n = 0;
            while (true) {
                int id = place == null || matcher == null ? session.argMax(0) : best(matcher.allowed(place));
                if (id < 0 || id >= vocab) {
                    return n;
                }
                out[at + n++] = id;
                if (place != null && matcher != null) {
                    place = matcher.after(place, id);
                }
                if (n == guesses || place == null && matcher != null) { // its last id, or one that ends the text
                    return n;
                }
                cached[sequence.length()] = id;
                one[0] = id;
                session.prefill(sequence, one, 0, 1);
            }
        }

        private int best(BitSet allowed) {
            Tensor logits = session.logits(0);
            int best = -1;
            float highest = Float.NEGATIVE_INFINITY;
            for (int id = allowed.nextSetBit(0); id >= 0 && id < vocab; id = allowed.nextSetBit(id + 1)) {
                float logit = logits.getFloat(id);
                if (logit > highest) {
                    highest = logit;
                    best = id;
                }
            }
            return best;
        }

        @Override
        public void close() {
            session.close();
        }
    }
}
