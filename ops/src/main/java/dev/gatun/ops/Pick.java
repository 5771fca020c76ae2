package dev.gatun.ops;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Who computes operations of one shape: OpenBLAS, until the vector kernels are compiled, or machine code, until OpenBLAS is loaded; then
 * each in turn for a few calls, which are timed; then whoever was faster, for good. Trying real calls rather than invented ones measures what users wait for: the
 * weights as cold or warm as they are, the threads as busy.
 *
 * <p>One instance is shared by all sessions. What two of them do at once may cost a sample, never the order of the states.
 */
final class Pick {
    /** What {@link #next} returns: bits. */
    static final int VECTOR = 1;

    /** The call is to be timed and told to {@link #report}. */
    static final int TRIAL = 2;

    /** The first call of all: somebody has to see to it that {@link #ready} is called. */
    static final int FIRST = 4;

    /** Samples of each that decide. Their median: a thread that the system took away spoils a few of them. */
    static final int SAMPLES = 9;

    /** Samples of each that confirm what a table says: that the vector kernels are compiled here as well. */
    private static final int CONFIRMING = 3;

    /** The first vector calls of a shape run through code that is not compiled yet. */
    private static final int VECTOR_WARM_UP = 2;

    /**
     * Kernels that lose by this much are not compiled, or not any more: no measured shape came near it. Then the trial is off until
     * they are {@link #ready} again.
     */
    private static final double NOT_COMPILED = 3;

    /** How often. */
    private static final int RETRIES = 6;

    /** What was measured, or read: nanoseconds for a row; 0 for unknown. */
    record Timing(boolean vector, double openBlasNanos, double vectorNanos) {}

    private enum State {
        WAITING, // for who does not compute yet
        TRYING,
        DECIDED
    }

    private final Runnable onDecision;
    private final boolean kernelsFirst;
    private volatile State state = State.WAITING;
    private volatile @Nullable Timing timing;
    private int decision; // 0 for OpenBLAS or VECTOR; valid once state is DECIDED
    private boolean cached;

    // Guarded by this.
    private boolean asked; // ever
    private boolean requested; // since the kernels were awaited last
    private final double[] openBlas = new double[SAMPLES];
    private final double[] vector = new double[SAMPLES];
    private int openBlasCount;
    private int vectorCount;
    private int turn;
    private int retries;

    /**
     * Waits for {@link #ready}.
     *
     * @param kernelsFirst whether our kernels compute until then, and not OpenBLAS
     * @param onDecision told of each decision that was measured here
     */
    Pick(boolean kernelsFirst, Runnable onDecision) {
        this.kernelsFirst = kernelsFirst;
        this.onDecision = onDecision;
    }

    private int first() {
        return kernelsFirst ? VECTOR : 0;
    }

    /** Who computes the next call; a set of bits. Always the same one before {@link #ready}. */
    int next() {
        return state == State.DECIDED ? decision : undecided();
    }

    private synchronized int undecided() {
        if (state == State.DECIDED) {
            return decision;
        }
        if (state == State.WAITING) {
            boolean first = !requested;
            requested = true;
            asked = true;
            return first() | (first ? FIRST : 0);
        }
        return TRIAL | (turn++ & VECTOR);
    }

    /**
     * What a call that {@link #next} wanted timed took.
     *
     * @param way what next had returned
     * @param nanosPerRow time over rows, so that calls of one class with more and with fewer rows compare
     */
    synchronized void report(int way, double nanosPerRow) {
        if (state != State.TRYING) {
            return;
        }
        if ((way & VECTOR) == 0) {
            openBlas[openBlasCount++ % SAMPLES] = nanosPerRow;
        } else {
            int at = vectorCount++ - VECTOR_WARM_UP;
            if (at >= 0) {
                vector[at % SAMPLES] = nanosPerRow;
                if (at == 0
                        && !kernelsFirst
                        && openBlasCount > 0
                        && nanosPerRow > NOT_COMPILED * median(openBlas, openBlasCount)) {
                    tryLater();
                    return;
                }
            }
        }
        int needed = timing == null ? SAMPLES : CONFIRMING;
        if (openBlasCount >= needed && vectorCount >= needed + VECTOR_WARM_UP) {
            decide(median(openBlas, openBlasCount), median(vector, vectorCount - VECTOR_WARM_UP));
        }
    }

    /** Waits for the kernels again; unless that was enough. */
    private void tryLater() {
        if (retries < RETRIES) {
            retries++;
            requested = false;
            openBlasCount = 0;
            vectorCount = 0;
            state = State.WAITING;
        }
    }

    private void decide(double openBlasNanos, double vectorNanos) {
        if (!kernelsFirst && vectorNanos > NOT_COMPILED * openBlasNanos && retries < RETRIES) {
            tryLater();
            return;
        }
        Timing known = timing;
        if (known == null) {
            timing = new Timing(vectorNanos <= openBlasNanos, openBlasNanos, vectorNanos);
            onDecision.run();
        }
        decision = (known == null ? vectorNanos <= openBlasNanos : known.vector) ? VECTOR : 0;
        state = State.DECIDED;
    }

    private static double median(double[] samples, int count) {
        double[] sorted = Arrays.copyOf(samples, Math.min(count, SAMPLES));
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    /** The vector kernels are compiled, or OpenBLAS is loaded: from now on {@link #next} may choose it. */
    synchronized void ready() {
        if (state == State.WAITING) {
            state = State.TRYING;
        }
    }

    /** The vector kernels do not become fast here, or there is no OpenBLAS: it is the other one, for this process. */
    synchronized void giveUp() {
        if (state == State.WAITING) {
            decision = first();
            state = State.DECIDED;
        }
    }

    /**
     * What an earlier process has measured. A choice of who computes already holds at once, one of the other once that is ready and
     * is seen to be fast here too.
     */
    synchronized void know(Timing known) {
        if (timing == null && state != State.DECIDED) {
            timing = known;
            cached = true;
            if (known.vector == kernelsFirst) {
                decision = first();
                state = State.DECIDED;
            }
        }
    }

    /** What was measured or read, or null. */
    @Nullable
    Timing timing() {
        return timing;
    }

    /** Whether it is settled who computes, for as long as this process lasts. */
    boolean isDecided() {
        return state == State.DECIDED;
    }

    /** Whether {@link #next} was ever called before there was a decision. */
    synchronized boolean isAsked() {
        return asked;
    }

    /** {@code openblas}, the name of our kernels or {@code undecided}. */
    synchronized String chosen(String kernels) {
        if (state == State.DECIDED) {
            return decision == VECTOR ? kernels : "openblas";
        }
        Timing known = timing;
        return known != null && cached ? (known.vector ? kernels : "openblas") : "undecided";
    }

    /** Whether the choice came from {@link #know}. */
    synchronized boolean isCached() {
        return cached;
    }
}
