package dev.gatun.model.nn;

import dev.gatun.memory.DType;
import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The pages of some layers: each has the keys and values of all of them for the same positions. A page has readers; without any it is
 * free, or kept for who begins with the same tokens. With a {@link SpillFile} there are fewer slots in memory than pages, and those
 * that were not used for the longest time wait in the file.
 */
final class PagePool {
    private static final int NONE = -1;

    private final Tensor[] keys; // for each layer [slots, nKvHeads, pageRows, headDim]
    private final Tensor[] values;
    private final int pages;
    private final int slots;
    private final int[] readers; // sequences that have a page
    private final int[] free; // a stack of pages that nobody has
    private int freePages;

    private final @Nullable PrefixIndex index;
    private final int mostKept;
    private final long[] releasedAt; // of kept pages
    private int kept;

    private final @Nullable SpillFile file;
    private final int[] slotOf; // of a page; NONE where it is in the file or empty
    private final int[] pageOf; // of a slot; NONE where it is free
    private final long[] usedAt; // of a slot
    private final boolean[] written; // pages that the file has
    private long clock = 1;

    /**
     * Pages over memory that is there.
     *
     * @param keys for each layer [slots, nKvHeads, pageRows, headDim]
     * @param file where pages beyond the slots are; null where there are none
     * @param mostKept pages that are kept without readers
     */
    PagePool(Tensor[] keys, Tensor[] values, int pages, @Nullable SpillFile file, int mostKept) {
        this.keys = keys;
        this.values = values;
        this.pages = pages;
        this.slots = keys[0].dim(0);
        this.file = file;
        this.mostKept = mostKept;
        this.index = mostKept > 0 ? new PrefixIndex(pages, keys[0].dim(2)) : null;
        readers = new int[pages];
        free = new int[pages];
        for (int i = 0; i < pages; i++) {
            free[i] = pages - 1 - i;
        }
        freePages = pages;
        releasedAt = new long[pages];
        slotOf = new int[pages];
        Arrays.fill(slotOf, NONE);
        pageOf = new int[slots];
        Arrays.fill(pageOf, NONE);
        usedAt = new long[slots];
        written = new boolean[pages];
    }

    static Tensor[] allocate(Arena arena, int layers, DType dtype, Shape shape) {
        Tensor[] tensors = new Tensor[layers];
        for (int i = 0; i < layers; i++) {
            tensors[i] = Tensor.allocate(arena, dtype, shape);
        }
        return tensors;
    }

    Tensor keys(int layer) {
        return keys[layer];
    }

    Tensor values(int layer) {
        return values[layer];
    }

    int layers() {
        return keys.length;
    }

    /** Pages that can be taken. */
    int freePages() {
        return freePages + kept;
    }

    boolean isShared(int page) {
        return readers[page] > 1;
    }

    boolean spills() {
        return file != null;
    }

    /** A page for one reader; what it holds is anything. */
    int take() {
        if (freePages == 0 && kept > 0) {
            dropOldest();
        }
        if (freePages == 0) {
            throw new MemoryBudgetException("key/value cache: all " + pages + " pages of " + keys[0].dim(2)
                    + " positions are taken; open the session for more sequences or positions");
        }
        int page = free[--freePages];
        readers[page] = 1;
        return page;
    }

    void share(int page) {
        if (readers[page]++ == 0) {
            kept--;
        }
    }

    /** One reader less. */
    void release(int page) {
        if (--readers[page] > 0) {
            return;
        }
        if (index == null || !index.has(page)) {
            give(page);
            return;
        }
        releasedAt[page] = ++clock;
        kept++;
        if (kept > mostKept) {
            dropOldest();
        }
    }

    /** What is kept for the longest time; who has the tokens before it finds it no more. */
    private void dropOldest() {
        PrefixIndex known = index;
        int oldest = NONE;
        for (int page = 0; known != null && page < pages; page++) {
            if (readers[page] == 0 && known.has(page) && (oldest == NONE || releasedAt[page] < releasedAt[oldest])) {
                oldest = page;
            }
        }
        if (known != null && oldest != NONE) {
            known.remove(oldest);
            kept--;
            give(oldest);
        }
    }

    private void give(int page) {
        free[freePages++] = page;
        written[page] = false;
        int slot = slotOf[page];
        if (slot != NONE) {
            slotOf[page] = NONE;
            pageOf[slot] = NONE;
        }
    }

    /** The page is going to be written to: it is not what others look for any more. */
    void change(int page) {
        if (index != null) {
            index.remove(page);
        }
    }

    /**
     * Makes a page that is full findable by its tokens.
     *
     * @param parent the page of the tokens before it; -1 for the first
     * @param ids the sequence's, the page's from {@code from} on
     * @return the page to use for these tokens: this one, or one that has been there before
     */
    int remember(int page, int parent, int[] ids, int from) {
        if (index == null || parent >= 0 && !index.has(parent) || index.has(page)) {
            return page;
        }
        int same = index.find(parent, ids, from);
        if (same < 0) {
            index.add(page, parent, ids, from);
            return page;
        }
        share(same);
        release(page);
        return same;
    }

    /** The page of these tokens after those of {@code parent}; -1 if there is none. */
    int find(int parent, int[] ids, int from) {
        return index == null ? -1 : index.find(parent, ids, from);
    }

    /** Begins a step: pages that are asked for from now on stay in memory until the next. */
    void beginStep() {
        clock++;
    }

    /**
     * The slot of a page, which is in memory then.
     *
     * @throws MemoryBudgetException if the pages of the step take all slots
     * @throws java.io.UncheckedIOException if the file cannot be written or read
     */
    int slot(int page) {
        SpillFile spill = file;
        if (spill == null) {
            return page;
        }
        int slot = slotOf[page];
        if (slot == NONE) {
            slot = freeSlot(spill);
            if (written[page]) {
                for (int i = 0; i < keys.length; i++) {
                    spill.read(page, 2 * i, keys[i], slot);
                    spill.read(page, 2 * i + 1, values[i], slot);
                }
            }
            slotOf[page] = slot;
            pageOf[slot] = page;
        }
        usedAt[slot] = clock;
        return slot;
    }

    private int freeSlot(SpillFile spill) {
        int oldest = NONE;
        for (int slot = 0; slot < slots; slot++) {
            if (pageOf[slot] == NONE) {
                return slot;
            }
            if (usedAt[slot] != clock && (oldest == NONE || usedAt[slot] < usedAt[oldest])) {
                oldest = slot;
            }
        }
        if (oldest == NONE) {
            throw new MemoryBudgetException("key/value cache: the sequences of a step have more than the " + slots
                    + " pages that are in memory; take fewer at once or open the session for more");
        }
        int page = pageOf[oldest];
        for (int i = 0; i < keys.length; i++) {
            spill.write(page, 2 * i, keys[i], oldest);
            spill.write(page, 2 * i + 1, values[i], oldest);
        }
        written[page] = true;
        slotOf[page] = NONE;
        pageOf[oldest] = NONE;
        return oldest;
    }

    /** Copies the first rows of a page; both are in memory. */
    void copy(int from, int to, int rows) {
        int fromSlot = slot(from);
        int toSlot = slot(to);
        for (int i = 0; i < keys.length; i++) {
            copyPage(keys[i], fromSlot, toSlot, rows);
            copyPage(values[i], fromSlot, toSlot, rows);
        }
    }

    private static void copyPage(Tensor t, int from, int to, int rows) {
        for (int h = 0; h < t.dim(1); h++) {
            t.copyRun(from * t.stride(0) + h * t.stride(1), t, to * t.stride(0) + h * t.stride(1), rows * t.stride(2));
        }
    }
}
