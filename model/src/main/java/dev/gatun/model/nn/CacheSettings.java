package dev.gatun.model.nn;

import dev.gatun.memory.RowFormat;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How a session's cache stores keys and values, and what it does beyond holding those of its sequences.
 *
 * @param keptPages pages of released sequences that are kept for those that begin with the same tokens, in addition to the session's
 *     own; the least recently used are given back first. Above 0, layers with a sliding window keep all pages as well: who begins
 *     alike needs the whole beginning. 0 for none
 * @param residentPages pages that are in memory; those beyond, of sequences that have not been used for the longest time, are in a
 *     file until they are needed again. All the sequences of one step have to fit
 * @param spillFolder where that file is made, without a name for others to find it by; null where all pages are in memory
 * @param format of a head's key or value: each is rounded once, when it joins the cache, and attention computes with what that is then
 */
public record CacheSettings(
        int keptPages, int residentPages, @Nullable Path spillFolder, RowFormat format) {
    /** Floats as they are, nothing beyond. */
    public static final CacheSettings DEFAULT = new CacheSettings(0, Integer.MAX_VALUE, null, RowFormat.F32);

    /**
     * Checks.
     *
     * @throws IllegalArgumentException if a number is negative, or a file is needed and there is no folder
     */
    public CacheSettings {
        if (keptPages < 0 || residentPages < 1) {
            throw new IllegalArgumentException("cache settings: " + keptPages + " kept pages and " + residentPages
                    + " resident ones: must be at least 0 and 1");
        }
        if (residentPages != Integer.MAX_VALUE && spillFolder == null) {
            throw new IllegalArgumentException(
                    "cache settings: " + residentPages + " resident pages and no folder for the rest");
        }
    }

    /** These settings with so many pages kept. */
    public CacheSettings keeping(int pages) {
        return new CacheSettings(pages, residentPages, spillFolder, format);
    }

    /** These settings with so many pages in memory, the rest in a file. */
    public CacheSettings resident(int pages, Path folder) {
        return new CacheSettings(keptPages, pages, folder, format);
    }

    /** These settings with keys and values stored in another format. */
    public CacheSettings with(RowFormat newFormat) {
        return new CacheSettings(keptPages, residentPages, spillFolder, newFormat);
    }
}
