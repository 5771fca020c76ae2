package dev.gatun.ops;

import dev.gatun.memory.DType;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Which keys a query may see; a key it may not see has score -inf (Vaswani et al. 2017, section 3.2.3). Query i of sequence b
 * stands at position p = firstQuery[b] + i, counted as keys are. It sees key j if all of these hold:
 *
 * <ul>
 *   <li>p - left &le; j &le; p + right: causal is right = 0, a sliding window of w keys is left = w - 1, right = 0;
 *   <li>keyFrom[b] &le; j &lt; keyTo[b]: what lies outside is padding, or not yet written; it is not read;
 *   <li>the mask tensor, if there is one, is true there; one of floats is added to the score instead.
 * </ul>
 *
 * A query that sees no key gets zeros. The arrays are read at each call and not copied: a decoding loop moves on by writing to
 * them. Immutable otherwise.
 */
public final class AttentionMask {
    /** A {@link #left} or {@link #right} that hides nothing. */
    public static final int UNLIMITED = Integer.MAX_VALUE;

    private final int left;
    private final int right;
    private final int @Nullable [] firstQuery;
    private final int @Nullable [] keyFrom;
    private final int @Nullable [] keyTo;
    private final @Nullable Tensor tensor;

    private AttentionMask(
            int left,
            int right,
            int @Nullable [] firstQuery,
            int @Nullable [] keyFrom,
            int @Nullable [] keyTo,
            @Nullable Tensor tensor) {
        this.left = left;
        this.right = right;
        this.firstQuery = firstQuery;
        this.keyFrom = keyFrom;
        this.keyTo = keyTo;
        this.tensor = tensor;
    }

    /** Every query sees every key. */
    public static AttentionMask full() {
        return new AttentionMask(UNLIMITED, UNLIMITED, null, null, null, null);
    }

    /** A query sees its own position and what came before. */
    public static AttentionMask causal() {
        return full().within(UNLIMITED, 0);
    }

    /** This mask, and at most {@code newLeft} keys before and {@code newRight} keys after the query's own position. */
    public AttentionMask within(int newLeft, int newRight) {
        if (newLeft < 0 || newRight < 0) {
            throw new IllegalArgumentException(
                    "attention mask within " + newLeft + ", " + newRight + ": must not be negative");
        }
        return new AttentionMask(newLeft, newRight, firstQuery, keyFrom, keyTo, tensor);
    }

    /** This mask with query 0 of sequence b at position {@code positions[b]}, which may be negative. */
    public AttentionMask atPositions(int[] positions) {
        return new AttentionMask(left, right, positions, keyFrom, keyTo, tensor);
    }

    /**
     * This mask with the keys of sequence b being {@code from[b]} (inclusive) to {@code to[b]} (exclusive); null for 0 and for
     * all.
     */
    public AttentionMask withKeys(int @Nullable [] from, int @Nullable [] to) {
        return new AttentionMask(left, right, firstQuery, from, to, tensor);
    }

    /**
     * This mask and a tensor: BOOL, true where a query may look, or F32, added to the scaled score. Its shape is
     * [batch, heads, queries, keys], or fewer dimensions from the right; a dimension of 1 serves for all.
     */
    public AttentionMask with(Tensor mask) {
        if (mask.dtype() != DType.BOOL && mask.dtype() != DType.F32 || mask.rank() < 1 || mask.rank() > 4) {
            throw new ShapeException("attention mask " + mask + ": must be BOOL or F32 with 1 to 4 dimensions");
        }
        return new AttentionMask(left, right, firstQuery, keyFrom, keyTo, mask);
    }

    /** Keys seen before the query's position. */
    public int left() {
        return left;
    }

    /** Keys seen after the query's position. */
    public int right() {
        return right;
    }

    /** Position of query 0 of a sequence. */
    public int firstQuery(int batch) {
        return firstQuery == null ? 0 : firstQuery[batch];
    }

    /** First key of a sequence. */
    public int keyFrom(int batch) {
        return keyFrom == null ? 0 : keyFrom[batch];
    }

    /** End of a sequence's keys, where {@code keys} are in the tensor. */
    public int keyTo(int batch, int keys) {
        return keyTo == null ? keys : keyTo[batch];
    }

    /** The mask tensor. */
    public @Nullable Tensor tensor() {
        return tensor;
    }

    /** Checks that nothing is set that has no meaning for packed sequences, and that the tensor has a corner for each. */
    void checkPacked(int heads, int[] starts, int sequences) {
        if (firstQuery != null || keyFrom != null || keyTo != null) {
            throw new ShapeException("attentionPacked: the mask has positions or key ranges; packed sequences take a"
                    + " window and a tensor alone");
        }
        if (tensor == null) {
            return;
        }
        int longest = 0;
        for (int s = 0; s < sequences; s++) {
            longest = Math.max(longest, starts[s + 1] - starts[s]);
        }
        boolean fits = tensor.rank() < 4 || tensor.dim(0) == 1;
        for (int i = 1; i <= Math.min(3, tensor.rank()); i++) {
            int dim = tensor.dim(-i);
            fits = fits && (dim == 1 || (i == 3 ? dim == heads : dim >= longest));
        }
        if (!fits) {
            throw new ShapeException("attentionPacked: mask " + tensor + " does not fit [1,heads,queries,keys] with "
                    + heads + " heads and at least " + longest + " queries and keys");
        }
    }

    /** Checks the arrays and the tensor against a call's sizes. */
    void check(int batch, int heads, int queries, int keys) {
        checkArrays(batch, keys);
        checkTensor(batch, heads, queries, keys, keys);
    }

    /** The same for keys in pages: the tensor has a column for each key of the longest sequence, or more. */
    void checkPaged(int batch, int heads, int queries) {
        checkArrays(batch, Integer.MAX_VALUE);
        int longest = 0;
        for (int b = 0; b < batch && tensor != null; b++) {
            longest = Math.max(longest, keyTo(b, Integer.MAX_VALUE));
        }
        checkTensor(batch, heads, queries, longest, Integer.MAX_VALUE);
    }

    private void checkArrays(int batch, int keys) {
        if (firstQuery != null && firstQuery.length < batch
                || keyFrom != null && keyFrom.length < batch
                || keyTo != null && keyTo.length < batch) {
            throw new ShapeException("attention: mask has fewer positions or key ranges than the batch of " + batch);
        }
        for (int b = 0; b < batch; b++) {
            if (keyFrom(b) < 0 || keyTo(b, keys) > keys) {
                throw new ShapeException("attention: keys [" + keyFrom(b) + "," + keyTo(b, keys) + ") of sequence " + b
                        + " are not within the " + keys + " given");
            }
        }
    }

    private void checkTensor(int batch, int heads, int queries, int keys, int mostKeys) {
        if (tensor == null) {
            return;
        }
        for (int i = 1; i <= tensor.rank(); i++) {
            int dim = tensor.dim(-i);
            boolean fits = switch (i) {
                case 1 -> dim >= keys && dim <= mostKeys;
                case 2 -> dim == queries;
                case 3 -> dim == heads;
                default -> dim == batch;
            };
            if (!fits && dim != 1) {
                throw new ShapeException("attention: mask " + tensor + " does not fit [batch,heads,queries,keys] = ["
                        + batch + "," + heads + "," + queries + "," + keys + "]");
            }
        }
    }
}
