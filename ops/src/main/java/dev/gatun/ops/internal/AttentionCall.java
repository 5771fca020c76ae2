package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.DType;
import dev.gatun.memory.RowFormat;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.AttentionMask;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The operands of one call of attention. Mutable, one a session, so that a call makes no object. */
public final class AttentionCall {
    private static final long F = Float.BYTES;

    final Operand q = new Operand();
    final Operand k = new Operand();
    final Operand v = new Operand();
    final Operand out = new Operand();
    AttentionMask mask = AttentionMask.full();
    float scale;
    float softCap;
    int batch;
    int nHeads;
    int nKvHeads;
    int group; // query heads that share one key head
    int dK;
    int dV;
    private int queries;
    private int keys;
    private int @Nullable [] starts;

    /** Where a head's rows lie, in bytes. */
    static final class Operand {
        MemorySegment segment = MemorySegment.NULL;
        long batch;
        long head;
        long row;
        RowFormat format = RowFormat.F32;
        private int @Nullable [][] pages;
        private int pageRows;

        /** [batch, heads, ctx, d] */
        private void set(Tensor t) {
            pages = null;
            segment = t.segment();
            format = RowFormat.of(t);
            long size = t.dtype().byteSize();
            batch = t.stride(0) * size;
            head = t.stride(1) * size;
            // A single row may have any stride; BLAS wants at least its length.
            row = (t.dim(2) > 1 ? t.stride(2) : t.dim(3)) * size;
        }

        /** [pages, heads, rows, d]: row i of sequence b is row i mod rows of page table[b][i / rows]. */
        private void setPaged(Tensor t, int[][] table) {
            set(t);
            pages = table;
            pageRows = t.dim(2);
        }

        /** Whether rows have to be decoded before products read them. */
        boolean isEncoded() {
            return format != RowFormat.F32;
        }

        /** Element {@code i} of the row at byte {@code at}. */
        float get(long at, int i) {
            return isEncoded() ? format.get(segment, at, i) : segment.get(JAVA_FLOAT_UNALIGNED, at + i * F);
        }

        /** [tokens, heads, d] */
        private void setPacked(Tensor t) {
            pages = null;
            format = RowFormat.F32;
            segment = t.segment();
            batch = 0;
            head = t.stride(1) * F;
            row = (t.dim(0) > 1 ? t.stride(0) : (long) t.dim(1) * t.dim(2)) * F;
        }
    }

    /**
     * Sequences of one length each; shapes are checked by the caller.
     *
     * @param newQ [batch, nHeads, queries, dK]
     * @param newK [batch, nKvHeads, keys, dK], nKvHeads dividing nHeads
     * @param newV [batch, nKvHeads, keys, dV]
     * @param newSoftCap cap &middot; tanh(score / cap) where above 0
     * @param newOut [batch, nHeads, queries, dV]; does not overlap the others
     */
    public void set(
            Tensor newQ,
            Tensor newK,
            Tensor newV,
            AttentionMask newMask,
            float newScale,
            float newSoftCap,
            Tensor newOut) {
        q.set(newQ);
        k.set(newK);
        v.set(newV);
        out.set(newOut);
        starts = null;
        batch = newQ.dim(0);
        queries = newQ.dim(2);
        keys = newK.dim(2);
        set(newQ, newK, newV, 1, newMask, newScale, newSoftCap);
    }

    /**
     * The same over keys and values in pages.
     *
     * @param newK [pages, nKvHeads, rows, dK], of any {@link RowFormat}
     * @param newV [pages, nKvHeads, rows, dV], likewise
     * @param pages for each sequence its pages, in order
     * @param newMask says how many keys a sequence has, from key 0
     */
    public void setPaged(
            Tensor newQ,
            Tensor newK,
            Tensor newV,
            int[][] pages,
            AttentionMask newMask,
            float newScale,
            float newSoftCap,
            Tensor newOut) {
        set(newQ, newK, newV, newMask, newScale, newSoftCap, newOut);
        k.setPaged(newK, pages);
        v.setPaged(newV, pages);
        keys = Integer.MAX_VALUE;
        dV = newOut.dim(-1);
    }

    /**
     * Sequences one after another, each attending to itself; shapes are checked by the caller.
     *
     * @param newQ [tokens, nHeads, dK]
     * @param newK [tokens, nKvHeads, dK], nKvHeads dividing nHeads
     * @param newV [tokens, nKvHeads, dV]
     * @param newStarts sequence s is tokens newStarts[s] to newStarts[s + 1] - 1
     * @param newOut [tokens, nHeads, dV]; does not overlap the others
     */
    public void setPacked(
            Tensor newQ,
            Tensor newK,
            Tensor newV,
            int[] newStarts,
            int sequences,
            AttentionMask newMask,
            float newScale,
            float newSoftCap,
            Tensor newOut) {
        q.setPacked(newQ);
        k.setPacked(newK);
        v.setPacked(newV);
        out.setPacked(newOut);
        starts = newStarts;
        batch = sequences;
        set(newQ, newK, newV, 1, newMask, newScale, newSoftCap);
    }

    private void set(
            Tensor newQ,
            Tensor newK,
            Tensor newV,
            int headDim,
            AttentionMask newMask,
            float newScale,
            float newSoftCap) {
        mask = newMask;
        scale = newScale;
        softCap = newSoftCap;
        nHeads = newQ.dim(headDim);
        nKvHeads = newK.dim(headDim);
        group = nHeads / nKvHeads;
        dK = newQ.dim(-1);
        dV = newV.dim(-1);
    }

    /** Sequences. */
    public int batch() {
        return batch;
    }

    /** Heads of keys and values. */
    public int nKvHeads() {
        return nKvHeads;
    }

    /** Query heads. */
    public int nHeads() {
        return nHeads;
    }

    /** Query heads that share one key head. */
    public int group() {
        return group;
    }

    /** Size of a query and of a key. */
    public int dK() {
        return dK;
    }

    /** Size of a value. */
    public int dV() {
        return dV;
    }

    /** Queries of the longest sequence. */
    public int mostQueries() {
        int most = 0;
        for (int b = 0; b < batch; b++) {
            most = Math.max(most, queries(b));
        }
        return most;
    }

    /** Keys of the sequence that sees most. */
    public int mostKeys() {
        int most = 0;
        for (int b = 0; b < batch; b++) {
            most = Math.max(most, seen(b));
        }
        return most;
    }

    /** Pairs of a query and a key, of all heads; at least 1. Hidden pairs between keys that some query sees count as well. */
    public long scores() {
        long scores = 0;
        for (int b = 0; b < batch; b++) {
            scores += (long) queries(b) * seen(b);
        }
        return Math.max(1, scores * nHeads);
    }

    /** Keys that a sequence's queries see. */
    private int seen(int b) {
        int n = queries(b);
        return n == 0 ? 0 : Math.max(0, high(b, n - 1) - low(b, 0));
    }

    /** A {@link #step} of rows that are not evenly spaced floats. */
    static final long UNEVEN = -1;

    /** Bytes from one row to the next of {@code width} rows of a sequence from {@code from} on, or {@link #UNEVEN}. */
    long step(Operand operand, int b, int from, int width) {
        int[][] pages = operand.pages;
        if (operand.isEncoded()) {
            return UNEVEN;
        }
        if (pages == null || from / operand.pageRows == (from + width - 1) / operand.pageRows) {
            return operand.row;
        }
        if (operand.pageRows > 1) {
            return UNEVEN;
        }
        int apart = pages[b][from + 1] - pages[b][from];
        boolean even = apart > 0;
        for (int i = from + 2; even && i < from + width; i++) {
            even = pages[b][i] - pages[b][i - 1] == apart;
        }
        return even ? apart * operand.batch : UNEVEN;
    }

    /** Writes the byte offsets of {@code width} rows of a head of a sequence from {@code from} on to {@code offsets}. */
    void rows(Operand operand, int b, int head, int from, int width, long[] offsets, int offset) {
        int[][] pages = operand.pages;
        if (pages == null || from / operand.pageRows == (from + width - 1) / operand.pageRows) {
            long first = at(operand, b, head, from);
            for (int i = 0; i < width; i++) {
                offsets[offset + i] = first + i * operand.row;
            }
        } else if (operand.pageRows == 1) {
            int[] own = pages[b];
            for (int i = 0; i < width; i++) {
                offsets[offset + i] = own[from + i] * operand.batch + head * operand.head;
            }
        } else {
            for (int i = 0; i < width; i++) {
                offsets[offset + i] = at(operand, b, head, from + i);
            }
        }
    }

    int queries(int b) {
        int[] s = starts;
        return s == null ? queries : s[b + 1] - s[b];
    }

    private int keys(int b) {
        int[] s = starts;
        return s == null ? keys : s[b + 1] - s[b];
    }

    /** Byte offset of row {@code i} of a head of a sequence. */
    long at(Operand operand, int b, int head, int i) {
        int[][] pages = operand.pages;
        if (pages != null) {
            int page = pages[b][i / operand.pageRows];
            return page * operand.batch + head * operand.head + i % operand.pageRows * operand.row;
        }
        int[] s = starts;
        return b * operand.batch + head * operand.head + (s == null ? i : s[b] + (long) i) * operand.row;
    }

    /** The first key that query {@code i} may see: where the tensor of the mask leaves it. */
    int low(int b, int i) {
        long low = mask.left() == AttentionMask.UNLIMITED ? 0 : (long) mask.firstQuery(b) + i - mask.left();
        return Math.clamp(low, mask.keyFrom(b), Integer.MAX_VALUE);
    }

    /** The end of the keys that query {@code i} may see; not above {@link #low} if there are none. */
    int high(int b, int i) {
        int end = mask.keyTo(b, keys(b));
        long high = mask.right() == AttentionMask.UNLIMITED ? end : (long) mask.firstQuery(b) + i + mask.right() + 1;
        return Math.clamp(high, Integer.MIN_VALUE, end);
    }

    /** Where the mask's values for keys of query {@code i} begin, in elements; the mask has a tensor. */
    static long maskOffset(Tensor tensor, int b, int h, int i) {
        return maskOffset(tensor, 4, b) + maskOffset(tensor, 3, h) + maskOffset(tensor, 2, i);
    }

    /** Elements to skip for {@code index} of the mask's dimension that is {@code fromRight} from the right. */
    private static long maskOffset(Tensor tensor, int fromRight, int index) {
        return tensor.rank() < fromRight || tensor.dim(-fromRight) == 1 ? 0 : index * tensor.stride(-fromRight);
    }

    /** Elements from one key's mask value to the next. */
    static long maskStep(Tensor tensor) {
        return tensor.dim(-1) == 1 ? 0 : tensor.stride(-1);
    }

    /** A score with the element {@code at} of the mask's tensor applied. */
    static float masked(Tensor tensor, long at, float score) {
        if (tensor.dtype() == DType.BOOL) {
            return tensor.segment().get(JAVA_BYTE, at) == 0 ? Float.NEGATIVE_INFINITY : score;
        }
        return score + tensor.segment().get(JAVA_FLOAT_UNALIGNED, at * F);
    }
}
