package dev.gatun.model.nn;

import dev.gatun.memory.DType;
import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.memory.RowFormat;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Keys and values of all layers for many sequences, in pages of {@value #PAGE} positions that sequences may share (Kwon et al.
 * 2023): a fork copies page numbers, and a page is copied only when one of its readers writes to it. Attention's tiles of keys
 * divide a page, so each tile lies in one and no result depends on where pages are. Layers with a sliding window have pages of
 * their own and give back those that no query will see again. All memory is taken at the start; appending allocates nothing. For
 * one caller at a time; whoever opened it closes it, beside its arena.
 */
public final class PagedKvCache implements AutoCloseable {
    /** Positions of a page: a whole number of attention's key tiles. */
    public static final int PAGE = 256;

    private final Layout layout;
    private final int pageRows;
    private final int nCtx;
    private final PagePool[] pools;
    private final int[] poolOf; // of each layer
    private final int[] layerIn; // its pool
    private final int[] windows; // of each pool
    private final List<SpillFile> files;

    private Sequence[] current = {};
    private int[][][] pageTables; // of each pool, for each current sequence
    private int[] lengths = {};

    /** The pages of one sequence. */
    public static final class Sequence {
        private final int[][] pages; // of each pool, by position / pageRows; those before first are not there
        private final int[][] slots; // where they are during a step: the same array where nothing is ever moved
        private final int[] first;
        private final int[] used;
        private final int[] ids;
        private int length;
        private boolean open = true;

        private Sequence(PagePool[] pools, int pages, int nCtx) {
            this.pages = new int[pools.length][pages];
            this.slots = new int[pools.length][];
            Arrays.setAll(slots, i -> pools[i].spills() ? new int[pages] : this.pages[i]);
            this.first = new int[pools.length];
            this.used = new int[pools.length];
            this.ids = new int[nCtx];
        }

        /** Positions written. */
        public int length() {
            return length;
        }

        /** The tokens, one for each position. */
        public int[] ids() {
            return Arrays.copyOf(ids, length);
        }
    }

    /**
     * What a cache is sized for.
     *
     * @param windows for each layer the keys that a query sees, itself included; 0 for all
     * @param sequences that are there at most, as far as windows are concerned
     * @param nCtx positions of a sequence
     * @param chunk tokens of a sequence that one {@link #begin} adds at most
     * @param pages that all sequences have together at most, of layers without a window
     */
    public record Layout(
            List<Integer> windows,
            int nKvHeads,
            int headDim,
            int sequences,
            int nCtx,
            int chunk,
            int pages,
            CacheSettings settings) {
        /** Copies the list. */
        public Layout {
            windows = List.copyOf(windows);
        }

        /** The windows that differ, 0 first: each is a pool. */
        List<Integer> pools() {
            return settings.keptPages() > 0
                    ? List.of(0)
                    : windows.stream().distinct().sorted().toList();
        }

        int poolOf(int layer) {
            return settings.keptPages() > 0 ? 0 : pools().indexOf(windows.get(layer));
        }

        int layersOf(int pool) {
            int layers = 0;
            for (int i = 0; i < windows.size(); i++) {
                layers += poolOf(i) == pool ? 1 : 0;
            }
            return layers;
        }

        /** Pages that a pool has, in memory and in a file. */
        int pagesOf(int pool) {
            int window = pools().get(pool);
            int most = Math.addExact(pages, settings.keptPages());
            return window == 0 ? most : (int) Math.min(most, (long) sequences * pagesOfWindow(window, chunk, nCtx));
        }

        /** Pages of them that are in memory. */
        int slotsOf(int pool) {
            return Math.min(pagesOf(pool), settings.residentPages());
        }

        Shape shape(int pool) {
            return Shape.of(
                    slotsOf(pool), nKvHeads, pageRows(nCtx), settings.format().columns(headDim));
        }

        /** Bytes of the keys of a layer in memory; of its values likewise. */
        long layerBytes(int pool) {
            return Math.multiplyExact(
                    shape(pool).elements(), (long) settings.format().dtype().byteSize());
        }

        /** Bytes of memory that {@link PagedKvCache#allocate} takes. */
        public long byteSize() {
            long bytes = 0;
            for (int i = 0; i < pools().size(); i++) {
                bytes = Math.addExact(bytes, Math.multiplyExact(layerBytes(i), 2L * layersOf(i)));
            }
            return bytes;
        }
    }

    private PagedKvCache(Layout layout, PagePool[] pools, List<SpillFile> files) {
        this.layout = layout;
        this.nCtx = layout.nCtx;
        this.pageRows = pageRows(nCtx);
        this.pools = pools;
        this.files = files;
        this.windows = layout.pools().stream().mapToInt(window -> window).toArray();
        int layers = layout.windows.size();
        poolOf = new int[layers];
        layerIn = new int[layers];
        int[] count = new int[pools.length];
        for (int i = 0; i < layers; i++) {
            poolOf[i] = layout.poolOf(i);
            layerIn[i] = count[poolOf[i]]++;
        }
        pageTables = new int[pools.length][0][];
    }

    static int pageRows(int nCtx) {
        return Math.min(PAGE, nCtx);
    }

    /** Pages that a sequence of {@code nCtx} positions has, where that is the longest: a single page is no longer than that. */
    public static int pagesOf(int nCtx) {
        return Math.ceilDiv(nCtx, PAGE);
    }

    /** Pages that a sequence has where queries see {@code window} keys: those of a chunk's first query, and the chunk. */
    static int pagesOfWindow(int window, int chunk, int nCtx) {
        long positions = Math.min(nCtx, (long) window - 1 + chunk);
        int rows = pageRows(nCtx);
        return (int) Math.min(pagesOf(nCtx), (positions + rows - 2) / rows + 1);
    }

    static PagedKvCache of(Layout layout, PagePool[] pools) {
        return new PagedKvCache(layout, pools, List.of());
    }

    Layout layout() {
        return layout;
    }

    /** Where page {@code index} of a sequence is in a layer's tensors, until the next call. */
    int slot(Sequence sequence, int layer, int index) {
        PagePool pool = pools[poolOf[layer]];
        pool.beginStep();
        return pool.slot(sequence.pages[poolOf[layer]][index]);
    }

    /** Saves a sequence, see {@link CacheFile}. */
    public void save(Sequence sequence, Fingerprint fingerprint, byte[] note, Path path) throws IOException {
        checkOpen(sequence);
        CacheFile.write(this, sequence, fingerprint, note, path);
    }

    /**
     * The cache that a file is, mapped.
     *
     * @param layout {@link CacheFile#layoutOfOne}
     * @throws IOException if it cannot be mapped
     * @throws dev.gatun.model.weights.ModelFormatException if it is damaged, or of another layout
     */
    public static PagedKvCache restore(CacheFile.Header header, Layout layout, Arena arena) throws IOException {
        return CacheFile.map(header, layout, arena);
    }

    /** The sequence of a cache that was restored. */
    public Sequence restored(CacheFile.Header header) {
        Sequence sequence = newSequence();
        for (int p = 0; p < pools.length; p++) {
            sequence.first[p] = header.pools()[p].first();
            sequence.used[p] = sequence.first[p] + header.pools()[p].count();
            for (int i = sequence.first[p]; i < sequence.used[p]; i++) {
                sequence.pages[p][i] = pools[p].take(); // in the order of the slots: 0, 1, ...
            }
        }
        sequence.length = header.length();
        System.arraycopy(header.ids(), 0, sequence.ids, 0, header.length());
        return sequence;
    }

    /** Takes {@link Layout#byteSize} bytes of {@code arena}. */
    public static PagedKvCache allocate(Arena arena, Layout layout) {
        List<SpillFile> files = new ArrayList<>();
        try {
            PagePool[] pools = new PagePool[layout.pools().size()];
            for (int i = 0; i < pools.length; i++) {
                Shape shape = layout.shape(i);
                DType dtype = layout.settings.format().dtype();
                int layers = layout.layersOf(i);
                Tensor[] keys = PagePool.allocate(arena, layers, dtype, shape);
                Tensor[] values = PagePool.allocate(arena, layers, dtype, shape);
                SpillFile file = null;
                Path folder = layout.settings.spillFolder();
                if (folder != null && layout.slotsOf(i) < layout.pagesOf(i)) {
                    file = new SpillFile(folder, 2 * layers, keys[0].stride(0) * dtype.byteSize());
                    files.add(file);
                }
                pools[i] = new PagePool(keys, values, layout.pagesOf(i), file, layout.settings.keptPages());
            }
            return new PagedKvCache(layout, pools, files);
        } catch (Throwable e) {
            files.forEach(SpillFile::close);
            throw e;
        }
    }

    /** A sequence of no tokens; it takes pages as it grows. */
    public Sequence newSequence() {
        return new Sequence(pools, pagesOf(nCtx), nCtx);
    }

    /** A sequence with the same tokens so far, in the same pages. */
    public Sequence fork(Sequence from) {
        checkOpen(from);
        Sequence copy = newSequence();
        for (int p = 0; p < pools.length; p++) {
            copy.first[p] = from.first[p];
            copy.used[p] = Math.ceilDiv(from.length, pageRows);
            for (int i = copy.first[p]; i < copy.used[p]; i++) {
                copy.pages[p][i] = from.pages[p][i];
                pools[p].share(from.pages[p][i]);
            }
        }
        copy.length = from.length;
        System.arraycopy(from.ids, 0, copy.ids, 0, from.length);
        return copy;
    }

    /**
     * Attaches pages that the cache still has of the same beginning, from sequences there are or pages that are kept. One token at
     * least is left to compute, for somebody wants its logits.
     *
     * @param sequence without tokens
     * @param ids from 0 to {@code count}
     * @return tokens that the sequence has now
     */
    public int reuse(Sequence sequence, int[] ids, int count) {
        checkOpen(sequence);
        if (sequence.length > 0) {
            throw new IllegalStateException("reuse: the sequence has " + sequence.length + " tokens already");
        }
        PagePool pool = pools[0];
        int parent = -1;
        while (sequence.length + pageRows < Math.min(count, nCtx)) {
            int page = pool.find(parent, ids, sequence.length);
            if (page < 0) {
                break;
            }
            pool.share(page);
            sequence.pages[0][sequence.used[0]++] = page;
            System.arraycopy(ids, sequence.length, sequence.ids, sequence.length, pageRows);
            sequence.length += pageRows;
            parent = page;
        }
        return sequence.length;
    }

    /**
     * Forgets all tokens after the first {@code length}; or all there are, where a window has given back pages that the next token
     * would see.
     *
     * @return tokens that are left: length, or 0
     */
    public int truncate(Sequence sequence, int length) {
        checkOpen(sequence);
        if (length < 0 || length > sequence.length) {
            throw new IllegalArgumentException(
                    "truncate: a sequence of " + sequence.length + " tokens cannot be cut to " + length);
        }
        int left = length;
        for (int p = 0; p < pools.length; p++) {
            left = sequence.first[p] > firstSeen(windows[p], length) / pageRows ? 0 : left;
        }
        int needed = Math.ceilDiv(left, pageRows);
        for (int p = 0; p < pools.length; p++) {
            while (sequence.used[p] > Math.max(needed, sequence.first[p])) {
                pools[p].release(sequence.pages[p][--sequence.used[p]]);
            }
            if (left == 0) {
                sequence.first[p] = 0;
                sequence.used[p] = 0;
            }
        }
        sequence.length = left;
        return left;
    }

    /** The first position that a query at {@code position} sees through a window. */
    static int firstSeen(int window, int position) {
        return window == 0 ? 0 : (int) Math.max(0, (long) position - window + 1);
    }

    /** Gives the sequence's pages back; it cannot be used afterwards. */
    public void release(Sequence sequence) {
        if (sequence.open) {
            truncate(sequence, 0);
            sequence.open = false;
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
        int copied = rows > 0 && pools[0].isShared(sequence.pages[0][sequence.length / pageRows]) ? 1 : 0;
        return copied + Math.max(0, Math.ceilDiv(sequence.length + tokens, pageRows) - sequence.used[0]);
    }

    /** Pages that no sequence has, of layers without a window if there are any. */
    public int freePages() {
        return pools[0].freePages();
    }

    /**
     * Makes these sequences the ones that {@link #append} and attention work on, with room for {@code tokens} more each.
     *
     * @param ids of the new tokens: those of sequence b from index {@code from + b tokens} on
     * @throws IllegalArgumentException if one would have more than nCtx tokens
     * @throws MemoryBudgetException if there are not enough pages
     */
    public void begin(Sequence[] sequences, int tokens, int[] ids, int from) {
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
        for (PagePool pool : pools) {
            pool.beginStep();
        }
        for (int b = 0; b < count; b++) {
            for (int p = 0; p < pools.length; p++) {
                makeRoom(sequences[b], p, tokens);
            }
            System.arraycopy(ids, from + b * tokens, sequences[b].ids, sequences[b].length, tokens);
        }
        if (current.length != count) {
            current = new Sequence[count];
            pageTables = new int[pools.length][count][];
            lengths = new int[count];
        }
        for (int b = 0; b < count; b++) {
            current[b] = sequences[b];
            lengths[b] = sequences[b].length + tokens;
            for (int p = 0; p < pools.length; p++) {
                pageTables[p][b] = sequences[b].slots[p];
            }
        }
    }

    private void makeRoom(Sequence sequence, int p, int tokens) {
        PagePool pool = pools[p];
        int[] pages = sequence.pages[p];
        int seen = firstSeen(windows[p], sequence.length) / pageRows;
        for (; sequence.first[p] < seen; sequence.first[p]++) {
            pool.release(pages[sequence.first[p]]);
            pages[sequence.first[p]] = 0; // a page that there is: attention does not look before the window
        }
        int last = sequence.length / pageRows;
        int rows = sequence.length % pageRows;
        if (rows > 0) {
            int page = pages[last];
            if (pool.isShared(page)) {
                int own = pool.take();
                pool.copy(page, own, rows);
                pages[last] = own;
                pool.release(page);
            } else {
                pool.change(page);
            }
        }
        while (sequence.used[p] * (long) pageRows < sequence.length + tokens) {
            pages[sequence.used[p]] = pool.take();
            sequence.used[p]++;
        }
        if (pool.spills()) {
            for (int i = sequence.first[p]; i < sequence.used[p]; i++) {
                sequence.slots[p][i] = pool.slot(pages[i]);
            }
        }
    }

    /** Ends what {@link #begin} began: the new tokens count. */
    public void commit() {
        for (int b = 0; b < current.length; b++) {
            Sequence sequence = current[b];
            int from = sequence.length / pageRows;
            sequence.length = lengths[b];
            if (layout.settings.keptPages() > 0) {
                int[] pages = sequence.pages[0];
                for (int i = from; i < sequence.length / pageRows; i++) {
                    pages[i] = pools[0].remember(pages[i], i == 0 ? -1 : pages[i - 1], sequence.ids, i * pageRows);
                }
            }
        }
    }

    /**
     * Writes the keys and values of the new tokens of one layer, in the cache's format.
     *
     * @param newKeys F32 [B, nKvHeads, T, headDim], any strides whose last is 1
     * @param newValues likewise
     */
    public void append(int layer, Tensor newKeys, Tensor newValues) {
        copy(newKeys, keys(layer), pageTables[poolOf[layer]]);
        copy(newValues, values(layer), pageTables[poolOf[layer]]);
    }

    private void copy(Tensor from, Tensor to, int[][] tables) {
        RowFormat format = layout.settings.format();
        long size = format.dtype().byteSize();
        MemorySegment source = from.segment();
        MemorySegment target = to.segment();
        int d = from.dim(3);
        for (int b = 0; b < current.length; b++) {
            int first = current[b].length;
            for (int t = 0; t < from.dim(2); t++) {
                int page = tables[b][(first + t) / pageRows];
                long at = page * to.stride(0) + (first + t) % pageRows * to.stride(2);
                for (int h = 0; h < from.dim(1); h++) {
                    long row = b * from.stride(0) + h * from.stride(1) + t * from.stride(2);
                    format.write(source, row * Float.BYTES, d, target, (at + h * to.stride(1)) * size);
                }
            }
        }
    }

    /** Keys of a layer [pages, nKvHeads, rows of a page, headDim], the last dimension as the format has it. */
    public Tensor keys(int layer) {
        return pools[poolOf[layer]].keys(layerIn[layer]);
    }

    /** Values of a layer, as {@link #keys}. */
    public Tensor values(int layer) {
        return pools[poolOf[layer]].values(layerIn[layer]);
    }

    /** For each of the current sequences its pages in a layer; valid until the next {@link #begin}. */
    public int[][] pageTables(int layer) {
        return pageTables[poolOf[layer]];
    }

    /** Gives up what is in files; memory goes with the arena. */
    @Override
    public void close() {
        files.forEach(SpillFile::close);
    }
}
