package dev.gatun.model.constrain;

import dev.gatun.model.constrain.LazyDfa.State;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of all tokens as a tree, so that what tokens begin with alike is tried once. Immutable, thread-safe. Nodes are in the
 * order of a depth-first walk.
 */
final class TokenTrie {
    private final byte[] label; // the byte that leads to a node
    private final short[] depth; // bytes that lead to it, less one
    private final int[] skip; // the node after all that are below it
    private final int[] firstId; // an id whose bytes end here, or -1
    private final int[] otherId; // by id: another with the same bytes, or -1
    private final int maxDepth;
    private final BitSet singleBytes = new BitSet();

    /** The tree of tokens by id; null or empty for those that are no part of a text. */
    TokenTrie(List<byte @Nullable []> tokens) {
        int[] sorted = IntStream.range(0, tokens.size())
                .filter(id -> length(tokens.get(id)) > 0)
                .boxed()
                .sorted(Comparator.comparing(id -> bytes(tokens, id), Arrays::compareUnsigned))
                .mapToInt(Integer::intValue)
                .toArray();
        int n = 0;
        byte[] last = {};
        for (int id : sorted) {
            n += bytes(tokens, id).length - common(last, bytes(tokens, id));
            last = bytes(tokens, id);
        }
        label = new byte[n];
        depth = new short[n];
        skip = new int[n];
        firstId = new int[n];
        otherId = new int[tokens.size()];
        Arrays.fill(firstId, -1);
        Arrays.fill(otherId, -1);
        int longest =
                Arrays.stream(sorted).map(id -> bytes(tokens, id).length).max().orElse(0);
        if (longest > Short.MAX_VALUE) {
            throw new ConstraintException(
                    "a token has " + longest + " bytes, with constraints " + Short.MAX_VALUE + " are allowed");
        }
        maxDepth = longest;
        int[] path = new int[longest];
        int node = 0;
        last = new byte[0];
        for (int id : sorted) {
            byte[] bytes = bytes(tokens, id);
            int common = common(last, bytes);
            for (int d = last.length - 1; d >= common; d--) {
                skip[path[d]] = node;
            }
            for (int d = common; d < bytes.length; d++) {
                path[d] = node;
                label[node] = bytes[d];
                depth[node++] = (short) d;
            }
            int leaf = path[bytes.length - 1];
            otherId[id] = firstId[leaf];
            firstId[leaf] = id;
            if (bytes.length == 1) {
                singleBytes.set(bytes[0] & 0xff);
            }
            last = bytes;
        }
        for (int d = 0; d < last.length; d++) {
            skip[path[d]] = node;
        }
    }

    private static int length(byte @Nullable [] bytes) {
        return bytes == null ? 0 : bytes.length;
    }

    private static byte[] bytes(List<byte @Nullable []> tokens, int id) {
        byte[] bytes = tokens.get(id);
        return bytes == null ? new byte[0] : bytes;
    }

    private static int common(byte[] a, byte[] b) {
        int mismatch = Arrays.mismatch(a, b);
        return mismatch < 0 ? a.length : mismatch;
    }

    /** Bytes that are tokens: texts of these can always be gone on with. */
    BitSet singleBytes() {
        return singleBytes;
    }

    /** Sets the ids of all tokens that a text can go on with from a state. */
    void allow(LazyDfa dfa, State from, BitSet ids) {
        State[] path = new State[maxDepth + 1]; // after that many bytes
        path[0] = from;
        for (int node = 0; node < label.length; ) {
            int d = depth[node];
            State next = dfa.step(path[d], label[node] & 0xff);
            if (next == null) {
                node = skip[node];
            } else {
                for (int id = firstId[node]; id >= 0; id = otherId[id]) {
                    ids.set(id);
                }
                path[d + 1] = next;
                node++;
            }
        }
    }
}
