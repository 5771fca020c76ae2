package dev.gatun.model.nn;

import java.util.Arrays;

/**
 * Finds full pages by the tokens they hold and those before: by a hash, and then by the tokens themselves, so that no collision is ever
 * taken for the same text. A page whose predecessor has been forgotten is not found any more. Makes no object after the start.
 */
final class PrefixIndex {
    private final int rows;
    private final int[] ids; // of each page
    private final int[] parent;
    private final long[] parentVersion;
    private final long[] version; // counts what a page number has stood for
    private final long[] hash; // of all tokens up to the page's end
    private final boolean[] has;
    private final int[] bucket; // a page + 1, or 0
    private final int[] next;

    PrefixIndex(int pages, int rows) {
        this.rows = rows;
        ids = new int[Math.multiplyExact(pages, rows)];
        parent = new int[pages];
        parentVersion = new long[pages];
        version = new long[pages];
        hash = new long[pages];
        has = new boolean[pages];
        bucket = new int[Math.max(16, Integer.highestOneBit(pages) * 4)];
        next = new int[pages];
    }

    boolean has(int page) {
        return has[page];
    }

    private long hash(int before, int[] tokens, int from) {
        long h = before < 0 ? 0x9E3779B97F4A7C15L : hash[before];
        for (int i = 0; i < rows; i++) {
            h = (h ^ tokens[from + i]) * 0xBF58476D1CE4E5B9L;
            h ^= h >>> 29;
        }
        return h;
    }

    private int slot(long h) {
        return (int) (h ^ h >>> 32) & bucket.length - 1;
    }

    int find(int before, int[] tokens, int from) {
        long h = hash(before, tokens, from);
        for (int page = bucket[slot(h)] - 1; page >= 0; page = next[page] - 1) {
            if (hash[page] == h
                    && parent[page] == before
                    && (before < 0 || parentVersion[page] == version[before])
                    && Arrays.equals(ids, page * rows, (page + 1) * rows, tokens, from, from + rows)) {
                return page;
            }
        }
        return -1;
    }

    void add(int page, int before, int[] tokens, int from) {
        System.arraycopy(tokens, from, ids, page * rows, rows);
        parent[page] = before;
        parentVersion[page] = before < 0 ? 0 : version[before];
        hash[page] = hash(before, tokens, from);
        has[page] = true;
        int slot = slot(hash[page]);
        next[page] = bucket[slot];
        bucket[slot] = page + 1;
    }

    void remove(int page) {
        if (!has[page]) {
            return;
        }
        has[page] = false;
        version[page]++;
        int slot = slot(hash[page]);
        if (bucket[slot] == page + 1) {
            bucket[slot] = next[page];
            return;
        }
        int at = bucket[slot] - 1;
        while (next[at] != page + 1) {
            at = next[at] - 1;
        }
        next[at] = next[page];
    }
}
