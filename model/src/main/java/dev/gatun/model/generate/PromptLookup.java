package dev.gatun.model.generate;

/** Guesses that a text goes on as it did when it had the same last ids before. */
final class PromptLookup {
    /** Ids at the end of a text that are looked for before: three rarely mislead, and one is better than none. */
    private static final int LONGEST_MATCH = 3;

    private PromptLookup() {}

    /**
     * Writes what followed.
     *
     * @param ids the text, its first {@code length}
     * @param most ids to guess at most
     * @return how many ids were written to {@code out} from index {@code at} on
     */
    static int guess(int[] ids, int length, int most, int[] out, int at) {
        if (most < 1) {
            return 0;
        }
        for (int n = LONGEST_MATCH; n > 0; n--) {
            for (int from = length - n - 1; from >= 0; from--) {
                if (same(ids, from, length - n, n)) {
                    int guesses = Math.min(most, length - from - n);
                    System.arraycopy(ids, from + n, out, at, guesses);
                    return guesses;
                }
            }
        }
        return 0;
    }

    private static boolean same(int[] ids, int a, int b, int n) {
        for (int i = 0; i < n; i++) {
            if (ids[a + i] != ids[b + i]) {
                return false;
            }
        }
        return true;
    }
}
