package dev.gatun.model.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Checks SentencePiece's {@code precompiled_charsmap}: 4 bytes of trie length, the trie from what is replaced to where its
 * replacement starts, and the replacements, each ended by a NUL. The trie is a double array as in darts-clone (darts.h): units of 4
 * bytes, little-endian. The library walks it without looking where it goes, so that one changed byte can end the JVM; here it is
 * proven that no text leads the walk out of the array.
 */
final class CharsMap {
    /** The library takes at most 32 matches at a place into an array on the stack, and does not stop there. */
    private static final int MAX_DEPTH = 32;

    /** A unit's label, the byte of text that leads to it; also what a byte can change in a unit's index. */
    private static final int BLOCK = 0xFF;

    private final int[] units;

    private CharsMap(int[] units) {
        this.units = units;
    }

    /** What is wrong with it, or nothing. */
    static String flaw(byte[] charsMap) {
        if (charsMap.length == 0) {
            return "";
        }
        if (charsMap.length <= Integer.BYTES) {
            return "is too short for the length of its trie";
        }
        ByteBuffer bytes = ByteBuffer.wrap(charsMap).order(ByteOrder.LITTLE_ENDIAN);
        long trieBytes = Integer.toUnsignedLong(bytes.getInt());
        if (trieBytes == 0 || trieBytes % Integer.BYTES != 0 || trieBytes > bytes.remaining()) {
            return "has a trie of " + trieBytes + " bytes: not a multiple of 4, or beyond its end";
        }
        int[] units = new int[(int) trieBytes / Integer.BYTES];
        bytes.asIntBuffer().get(units);
        return new CharsMap(units).flaw(charsMap.length - Integer.BYTES - (int) trieBytes);
    }

    private static int offset(int unit) {
        return unit >>> 10 << ((unit & 1 << 9) >>> 6);
    }

    private String flaw(int replacementBytes) {
        // Every unit that could be walked through: where it leads, whatever byte comes next, and its value.
        int[] lastOfBase = new int[units.length];
        int[] previous = new int[units.length];
        Arrays.fill(lastOfBase, -1);
        for (int i = 0; i < units.length; i++) {
            int unit = units[i];
            if (i > 0 && unit < 0) {
                continue; // a value: with the top bit in its label, no byte leads here
            }
            int base = i ^ offset(unit);
            if ((base | BLOCK) >= units.length) {
                return "leads from unit " + i + " to " + base + ", beyond its " + units.length + " units";
            }
            // One byte past the end is legal: the library's copy ends in a NUL of its own.
            if ((unit & 1 << 8) != 0 && (units[base] & Integer.MAX_VALUE) > replacementBytes) {
                return "has a replacement at byte " + (units[base] & Integer.MAX_VALUE) + " of " + replacementBytes;
            }
            // A walk gets to this unit from those whose base is its index without its label.
            int from = i ^ unit & BLOCK;
            previous[i] = lastOfBase[from];
            lastOfBase[from] = i;
        }
        return depth(lastOfBase, previous) > MAX_DEPTH
                ? "matches more than " + MAX_DEPTH + " bytes, or runs in circles"
                : "";
    }

    /** The length of the longest walk, or one more than is allowed. */
    private int depth(int[] lastOfBase, int[] previous) {
        int[] level = new int[units.length];
        int[] next = new int[units.length];
        int[] reachedAt = new int[units.length];
        int count = 1; // the root, unit 0
        for (int depth = 1; depth <= MAX_DEPTH + 1; depth++) {
            int found = 0;
            for (int n = 0; n < count; n++) {
                int node = level[n];
                for (int i = lastOfBase[node ^ offset(units[node])]; i >= 0; i = previous[i]) {
                    if (reachedAt[i] != depth) {
                        reachedAt[i] = depth;
                        next[found++] = i;
                    }
                }
            }
            if (found == 0) {
                return depth - 1;
            }
            int[] reached = next;
            next = level;
            level = reached;
            count = found;
        }
        return MAX_DEPTH + 1;
    }
}
