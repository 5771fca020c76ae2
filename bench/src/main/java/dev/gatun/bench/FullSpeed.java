package dev.gatun.bench;

import java.util.Arrays;

/**
 * When calls have become as fast as they get.
 *
 * @param afterMillis from the first result
 * @param callMillis of a call then
 */
record FullSpeed(double afterMillis, double callMillis) {
    /** Calls whose median is looked at: one that a busy machine held up does not count. */
    private static final int WINDOW = 11;

    /** A window is at full speed if it is no slower than the last half of all calls by this factor. */
    private static final double TOLERANCE = 1.25;

    /**
     * Finds the first window that is at full speed.
     *
     * @param ends nanoseconds at which calls ended, the first result's being ends[0]
     * @return NaN if the calls were too few
     */
    static FullSpeed of(long[] ends, int calls) {
        double[] took = new double[calls - 1];
        for (int i = 0; i < took.length; i++) {
            took[i] = (ends[i + 1] - ends[i]) / 1e6;
        }
        if (took.length < 2 * WINDOW) {
            return new FullSpeed(Double.NaN, Double.NaN);
        }
        double full = Stats.median(Arrays.copyOfRange(took, took.length / 2, took.length));
        int at = 0;
        while (at < took.length - WINDOW
                && Stats.median(Arrays.copyOfRange(took, at, at + WINDOW)) > TOLERANCE * full) {
            at++;
        }
        return new FullSpeed((ends[at] - ends[0]) / 1e6, full);
    }

    /** Reads what {@link Object#toString} wrote. */
    static FullSpeed parse(String line) {
        String[] words = line.split(" ", -1);
        return new FullSpeed(Double.parseDouble(words[0]), Double.parseDouble(words[1]));
    }

    @Override
    public String toString() {
        return afterMillis + " " + callMillis;
    }
}
