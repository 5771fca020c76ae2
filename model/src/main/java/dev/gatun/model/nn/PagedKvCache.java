package dev.gatun.model.nn;

import dev.gatun.memory.DType;
import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;

/**
 * Keys and values of all layers for many sequences, in pages of {@value #PAGE} positions that sequences may share (Kwon et al.
 * 2023): a fork copies page numbers, and a page is copied only when one of its readers writes to it. Attention cuts keys every
 * {@value #PAGE} positions as well, so each tile lies in one page and no result depends on where pages are. All memory is taken at
 * the start; appending allocates nothing. For one caller at a time.
 */
public final class PagedKvCache {
    /** Positions of a page: attention's key tile. */
    public static final int PAGE = 256;

    private final Tensor[] keys; // for each layer [pages, nKvHeads, pageRows, headDim]
    private final Tensor[] values;
    private final int pageRows;
    private final int nCtx;
    private final int[] readers; // sequences that have a page
    private final int[] free; // a stack of pages that nobody has
    private int freePages;

    private Sequence[] current = {};
    private int[][] pageTables = {};
    private int[] lengths = {};

    /** The pages of one sequence. */
    public static final class Sequence {
        private final int[] pages;
        private int used;
        private int length;
        private boolean open = true;

        private Sequence(int pages) {
            this.pages = new int[pages];
        }

        /** Positions written. */
        public int length() {
            return length;
        }
    }

    private PagedKvCache(Tensor[] keys, Tensor[] values, int pageRows, int nCtx, int pages) {
        this.keys = keys;
        this.values = values;
        this.pageRows = pageRows;
        this.nCtx = nCtx;
        this.readers = new int[pages];
        this.free = new int[pages];
        for (int i = 0; i < pages; i++) {
            free[i] = pages - 1 - i;
        }
        this.freePages = pages;
    }

    private static int pageRows(int nCtx) {
        return Math.min(PAGE, nCtx);
    }

    /** Pages that a sequence of {@code nCtx} positions has, where that is the longest: a single page is no longer than that. */
    public static int pagesOf(int nCtx) {
        return Math.ceilDiv(nCtx, PAGE);
    }

    private static Shape shape(int pages, int nKvHeads, int nCtx, int headDim) {
        return Shape.of(pages, nKvHeads, pageRows(nCtx), headDim);
    }

    /** Bytes that {@link #allocate} takes. */
    public static long byteSize(int layers, int pages, int nKvHeads, int nCtx, int headDim) {
        return Math.multiplyExact(shape(pages, nKvHeads, nCtx, headDim).elements() * Float.BYTES, (long) layers * 2);
    }

    /** Room for any number of sequences of up to {@code nCtx} positions, as long as they have no more than {@code pages} together. */
    public static PagedKvCache allocate(Arena arena, int layers, int pages, int nKvHeads, int nCtx, int headDim) {
        Shape shape = shape(pages, nKvHeads, nCtx, headDim);
        Tensor[] keys = new Tensor[layers];
        Tensor[] values = new Tensor[layers];
        for (int i = 0; i < layers; i++) {
            keys[i] = Tensor.allocate(arena, DType.F32, shape);
            values[i] = Tensor.allocate(arena, DType.F32, shape);
        }
        return new PagedKvCache(keys, values, pageRows(nCtx), nCtx, pages);
    }

    /** A sequence of no tokens; it takes pages as it grows. */
    public Sequence newSequence() {
        return new Sequence((nCtx + pageRows - 1) / pageRows);
    }

    /** A sequence with the same tokens so far, in the same pages. */
    public Sequence fork(Sequence from) {
        checkOpen(from);
        Sequence copy = newSequence();
        copy.used = (from.length + pageRows - 1) / pageRows;
        System.arraycopy(from.pages, 0, copy.pages, 0, copy.used);
        copy.length = from.length;
        for (int i = 0; i < copy.used; i++) {
            readers[copy.pages[i]]++;
        }
        return copy;
    }

    /** Forgets all tokens after the first {@code length}. */
    public void truncate(Sequence sequence, int length) {
        checkOpen(sequence);
        if (length < 0 || length > sequence.length) {
            throw new IllegalArgumentException(
                    "truncate: a sequence of " + sequence.length + " tokens cannot be cut to " + length);
        }
        int needed = (length + pageRows - 1) / pageRows;
        while (sequence.used > needed) {
            release(sequence.pages[--sequence.used]);
        }
        sequence.length = length;
    }

    /** Gives the sequence's pages back; it cannot be used afterwards. */
    public void release(Sequence sequence) {
        if (sequence.open) {
            truncate(sequence, 0);
            sequence.open = false;
        }
    }

    private void release(int page) {
        if (--readers[page] == 0) {
            free[freePages++] = page;
        }
    }

    private static void checkOpen(Sequence sequence) {
        if (!sequence.open) {
            throw new IllegalStateException("the sequence has been closed");
        }
    }

    /** Pages that {@link #begin} would take at most for so many more tokens of a sequence. */
    public int pagesFor(Sequence sequence, int tokens) {
        int rows = sequence.length % pageRows;
        int copied = rows > 0 && readers[sequence.pages[sequence.length / pageRows]] > 1 ? 1 : 0;
        return copied + Math.max(0, Math.ceilDiv(sequence.length + tokens, pageRows) - sequence.used);
    }

    /** Pages that nobody has. */
    public int freePages() {
        return freePages;
    }

    /**
     * Makes these sequences the ones that {@link #append} and attention work on, with room for {@code tokens} more each.
     *
     * @throws IllegalArgumentException if one would have more than nCtx tokens
     * @throws MemoryBudgetException if there are not enough pages
     */
    public void begin(Sequence[] sequences, int tokens) {
        int count = sequences.length;
        for (int b = 0; b < count; b++) {
            Sequence sequence = sequences[b];
            checkOpen(sequence);
            if (tokens > nCtx - sequence.length) {
                throw new IllegalArgumentException("no room for " + tokens + " more tokens after " + sequence.length
                        + ": the session has " + nCtx + " positions a sequence");
            }
            for (int i = 0; i < b; i++) {
                if (sequences[i] == sequence) {
                    throw new IllegalArgumentException("sequence " + b + " of the batch is also sequence " + i);
                }
            }
        }
        for (int b = 0; b < count; b++) {
            makeRoom(sequences[b], tokens);
        }
        if (current.length != count) {
            current = new Sequence[count];
            pageTables = new int[count][];
            lengths = new int[count];
        }
        for (int b = 0; b < count; b++) {
            current[b] = sequences[b];
            pageTables[b] = sequences[b].pages;
            lengths[b] = sequences[b].length + tokens;
        }
    }

    private void makeRoom(Sequence sequence, int tokens) {
        int last = sequence.length / pageRows;
        int rows = sequence.length % pageRows;
        if (rows > 0 && readers[sequence.pages[last]] > 1) {
            int shared = sequence.pages[last];
            int own = take();
            for (int i = 0; i < keys.length; i++) {
                copyPage(keys[i], shared, own, rows);
                copyPage(values[i], shared, own, rows);
            }
            sequence.pages[last] = own;
            release(shared);
        }
        while (sequence.used * pageRows < sequence.length + tokens) {
            sequence.pages[sequence.used] = take();
            sequence.used++;
        }
    }

    private int take() {
        if (freePages == 0) {
            throw new MemoryBudgetException("key/value cache: all " + free.length + " pages of " + pageRows
                    + " positions are taken; open the session for more sequences or positions");
        }
        int page = free[--freePages];
        readers[page] = 1;
        return page;
    }

    private static void copyPage(Tensor t, int from, int to, int rows) {
        for (int h = 0; h < t.dim(1); h++) {
            t.copyRun(from * t.stride(0) + h * t.stride(1), t, to * t.stride(0) + h * t.stride(1), rows * t.stride(2));
        }
    }

    /** Ends what {@link #begin} began: the new tokens count. */
    public void commit() {
        for (int b = 0; b < current.length; b++) {
            current[b].length = lengths[b];
        }
    }

    /**
     * Writes the keys and values of the new tokens of one layer.
     *
     * @param newKeys [B, nKvHeads, T, headDim], any strides whose last is 1
     * @param newValues likewise
     */
    public void append(int layer, Tensor newKeys, Tensor newValues) {
        copy(newKeys, keys[layer]);
        copy(newValues, values[layer]);
    }

    private void copy(Tensor from, Tensor to) {
        for (int b = 0; b < current.length; b++) {
            int first = current[b].length;
            for (int t = 0; t < from.dim(2); t++) {
                int page = pageTables[b][(first + t) / pageRows];
                long at = page * to.stride(0) + (first + t) % pageRows * to.stride(2);
                for (int h = 0; h < from.dim(1); h++) {
                    from.copyRun(
                            b * from.stride(0) + h * from.stride(1) + t * from.stride(2),
                            to,
                            at + h * to.stride(1),
                            from.dim(3));
                }
            }
        }
    }

    /** Keys of a layer [pages, nKvHeads, rows of a page, headDim]. */
    public Tensor keys(int layer) {
        return keys[layer];
    }

    /** Values of a layer, as {@link #keys}. */
    public Tensor values(int layer) {
        return values[layer];
    }

    /** For each of the current sequences its pages; valid until the next {@link #begin}. */
    public int[][] pageTables() {
        return pageTables;
    }
}
