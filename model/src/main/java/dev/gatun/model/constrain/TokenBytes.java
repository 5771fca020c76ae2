package dev.gatun.model.constrain;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What each token of a vocabulary adds to a text, in UTF-8. Immutable, thread-safe. */
public final class TokenBytes {
    private static final byte[] NONE = {};

    private final byte[][] bytes;
    private final boolean losesFirstSpace;
    private final TokenTrie trie;
    private final @Nullable TokenTrie firstTrie;

    /**
     * A vocabulary.
     *
     * @param tokens by id: bytes, maybe part of a character; null for tokens that are no text
     * @param losesFirstSpace whether a space at the very start of a text is not shown, as decoders of SentencePiece do
     */
    public TokenBytes(List<byte @Nullable []> tokens, boolean losesFirstSpace) {
        this.losesFirstSpace = losesFirstSpace;
        bytes = new byte[tokens.size()][];
        for (int id = 0; id < bytes.length; id++) {
            byte[] token = tokens.get(id);
            bytes[id] = token == null ? NONE : token.clone();
        }
        trie = new TokenTrie(Arrays.asList(bytes));
        if (losesFirstSpace) {
            List<byte @Nullable []> first = new ArrayList<>(bytes.length);
            for (byte[] token : bytes) {
                first.add(token.length > 0 && token[0] == ' ' ? Arrays.copyOfRange(token, 1, token.length) : token);
            }
            firstTrie = new TokenTrie(first);
        } else {
            firstTrie = null;
        }
    }

    /** Tokens. */
    public int size() {
        return bytes.length;
    }

    /** What a token adds to a text: UTF-8, maybe part of a character; nothing for tokens that are no text. */
    public byte[] bytesOf(int id) {
        return bytes[id].clone();
    }

    byte[] bytes(int id) {
        return bytes[id];
    }

    boolean losesFirstSpace() {
        return losesFirstSpace;
    }

    TokenTrie trie() {
        return trie;
    }

    /** The tokens as they are at the start of a text. */
    TokenTrie firstTrie() {
        return firstTrie == null ? trie : firstTrie;
    }

    /** Whether both have the same tokens. */
    public boolean sameAs(TokenBytes other) {
        return losesFirstSpace == other.losesFirstSpace && Arrays.deepEquals(bytes, other.bytes);
    }
}
