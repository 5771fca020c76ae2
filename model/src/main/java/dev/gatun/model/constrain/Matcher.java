package dev.gatun.model.constrain;

import dev.gatun.model.constrain.LazyDfa.State;
import java.util.BitSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Follows one text, token by token, and says which tokens may come next. Tokens are bytes here, so one may end within a character.
 * Masks are kept by state: where a text comes back to a state, and strings, numbers and lists do, nothing is allocated. Not
 * thread-safe.
 */
public final class Matcher {
    /** Masks and transitions that are kept, about; far more than a text needs that is not made to need them. */
    private static final long MAX_BYTES = 64L << 20;

    /** A state and its transitions. */
    private static final int STATE_BYTES = 1500;

    private final TokenBytes tokens;
    private final Set<Integer> endIds;
    private final LazyDfa dfa;
    private State state;
    private boolean atStart = true;
    private long maskBytes;
    private @Nullable BitSet startMask; // where the first token loses a space

    Matcher(Grammar grammar, TokenBytes tokens, Set<Integer> endIds) {
        this.tokens = tokens;
        this.endIds = endIds;
        dfa = new LazyDfa(grammar);
        state = dfa.start();
    }

    /** A place in a text. */
    public static final class Place {
        private final State state;
        private final boolean atStart;

        private Place(State state, boolean atStart) {
            this.state = state;
            this.atStart = atStart;
        }

        boolean accepting() {
            return state.accepting();
        }

        /** One object while nothing is forgotten. */
        Object state() {
            return state;
        }
    }

    /** Where the text is now, to look ahead from; valid until {@link #accept}. */
    public Place place() {
        return new Place(state, atStart);
    }

    /** Ids that may come next; those that end a text are among them where it may end. Not to be changed. */
    public BitSet allowed() {
        return allowed(state, atStart);
    }

    /** Ids that may come next at a place. Not to be changed. */
    public BitSet allowed(Place place) {
        return allowed(place.state, place.atStart);
    }

    private BitSet allowed(State at, boolean first) {
        if (first && tokens.losesFirstSpace()) {
            if (startMask == null) {
                startMask = mask(at, tokens.firstTrie());
            }
            return startMask;
        }
        BitSet mask = at.mask;
        if (mask == null) {
            mask = mask(at, tokens.trie());
            maskBytes += mask.size() / Byte.SIZE;
            at.mask = mask;
        }
        return mask;
    }

    private BitSet mask(State at, TokenTrie trie) {
        BitSet ids = new BitSet(tokens.size());
        trie.allow(dfa, at, ids);
        for (int id : endIds) {
            ids.set(id, at.accepting());
        }
        return ids;
    }

    /**
     * Takes a token into the text.
     *
     * @throws IllegalArgumentException if it is not allowed
     */
    public void accept(int id) {
        State next = next(state, atStart, id);
        if (next == null) {
            throw new IllegalArgumentException("token " + id + " does not go on with the text");
        }
        state = next;
        atStart = false;
        if (maskBytes + (long) STATE_BYTES * dfa.size() > MAX_BYTES) {
            state = dfa.forget(state);
            maskBytes = 0;
        }
    }

    /** The place after a token; null if the text cannot go on with it. */
    public @Nullable Place after(Place place, int id) {
        State next = next(place.state, place.atStart, id);
        return next == null ? null : new Place(next, false);
    }

    private @Nullable State next(State from, boolean first, int id) {
        byte[] bytes = tokens.bytes(id);
        int at = first && tokens.losesFirstSpace() && bytes.length > 0 && bytes[0] == ' ' ? 1 : 0;
        if (at == bytes.length) {
            return null;
        }
        State next = from;
        for (; at < bytes.length && next != null; at++) {
            next = dfa.step(next, bytes[at] & 0xff);
        }
        return next;
    }

    /** Whether the text may end here. */
    public boolean accepting() {
        return state.accepting();
    }

    /** Whether the text has to end here: nothing may follow. */
    public boolean complete() {
        return state.accepting() && state.last();
    }
}
