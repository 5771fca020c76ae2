package dev.gatun.cli.serve.engine;

/**
 * How many tokens of a prompt go between two decoding steps: as many as take about twice as long as such a step, so that nobody who
 * is being written to waits for long, while a prompt that is alone gets all the machine. What is measured decides how long texts take,
 * and never what they say.
 */
final class PrefillPace {
    /** Products of fewer rows read the weights as often as these do. */
    private static final int FEWEST = 8;

    /**
     * A call of fewer tokens takes longer for each, since compressed weights are decoded once a call: such calls would have it that
     * prompts are slow, and so make those to come shorter still.
     */
    static final int TELLING = 32;

    private static final double SHARE = 2;
    private static final double NEWEST = 0.2; // weight of the last measurement

    private final int most;
    private double prefillNanos; // a token
    private double decodeNanos; // a step

    PrefillPace(int most) {
        this.most = most;
    }

    void prefilled(int tokens, long nanos) {
        double each = (double) nanos / tokens;
        // A short call that was faster than expected tells as much: or after a slow start all would be short, and none
        // would tell.
        if (tokens >= TELLING || tokens >= FEWEST && each < prefillNanos) {
            prefillNanos = mean(prefillNanos, each);
        }
    }

    void decoded(long nanos) {
        decodeNanos = mean(decodeNanos, (double) nanos);
    }

    private static double mean(double before, double now) {
        return before == 0 ? now : (1 - NEWEST) * before + NEWEST * now;
    }

    /** Tokens that may go now, at least 1. */
    int tokens(boolean othersWait) {
        if (!othersWait) {
            return most;
        }
        if (prefillNanos == 0 || decodeNanos == 0) {
            return Math.min(most, TELLING);
        }
        double tokens = SHARE * decodeNanos / prefillNanos;
        return (int) Math.min(most, Math.max(FEWEST, Math.floor(tokens / FEWEST) * FEWEST));
    }

    /** Of a prompt with this many tokens to go, those that go now, where {@code left} may: all if the rest would be a small one. */
    int part(int remaining, int left) {
        return remaining <= Math.min(most, left + left / 2) ? remaining : Math.min(most, left);
    }
}
