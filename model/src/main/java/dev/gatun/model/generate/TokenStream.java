package dev.gatun.model.generate;

import java.util.Arrays;

/**
 * Turns ids into text as they come, in whole characters: a token may be part of one, and some decoders look at the token before.
 */
final class TokenStream {
    /** Decodes a run of ids. */
    interface Decoder {
        String decode(int[] ids);
    }

    private final Decoder decoder;
    private int[] ids = new int[64];
    private int length;
    private int shownFrom; // first id of the run whose text is known
    private int shownTo; // ids before this have been shown

    TokenStream(Decoder decoder) {
        this.decoder = decoder;
    }

    /** The text that is certain now and was not before: empty while a character is incomplete. */
    String add(int id) {
        if (length == ids.length) {
            ids = Arrays.copyOf(ids, 2 * length);
        }
        ids[length++] = id;
        return more(false);
    }

    /** What is left at the end; an incomplete character becomes U+FFFD. */
    String finish() {
        return more(true);
    }

    private String more(boolean end) {
        String before = decoder.decode(Arrays.copyOfRange(ids, shownFrom, shownTo));
        String now = decoder.decode(Arrays.copyOfRange(ids, shownFrom, length));
        if (now.length() <= before.length() || !end && now.endsWith("\uFFFD")) {
            return "";
        }
        shownFrom = shownTo;
        shownTo = length;
        return now.substring(before.length());
    }
}
