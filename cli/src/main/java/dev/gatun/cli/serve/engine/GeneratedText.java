package dev.gatun.cli.serve.engine;

import dev.gatun.model.generate.Sampler.Candidate;
import dev.gatun.model.generate.TextGeneration.Result;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A text that an engine generates, for the one thread that takes its parts. The engine does not wait for that thread: what it has not
 * taken gathers here, at most a whole text.
 */
public final class GeneratedText {
    /**
     * A token of the text.
     *
     * @param id of it
     * @param logProbability natural logarithm
     * @param mostProbable ids at its place, the most probable first; as many as were asked for
     */
    public record Token(int id, double logProbability, List<Candidate> mostProbable) {}

    /**
     * What has come since the part before.
     *
     * @param text may be empty
     * @param tokens where log-probabilities are asked for; they need not end where {@code text} does
     * @param result the whole, in the last part; null before
     */
    public record Part(
            String text, List<Token> tokens, @Nullable Result result) {}

    // All guarded by this.
    private final StringBuilder text = new StringBuilder();
    private List<Token> tokens = new ArrayList<>();
    private @Nullable Result result;
    private @Nullable Throwable failure;
    private boolean started;
    private boolean cancelled;
    private int knownTokens;

    GeneratedText() {}

    synchronized void start(int known) {
        started = true;
        knownTokens = known;
        notifyAll();
    }

    /** Adds text; false if nobody wants it any more. */
    synchronized boolean add(String more) {
        text.append(more);
        notifyAll();
        return !cancelled;
    }

    synchronized void add(Token token) {
        tokens.add(token);
    }

    synchronized void end(Result whole) {
        result = whole;
        notifyAll();
    }

    synchronized void fail(Throwable cause) {
        failure = cause;
        notifyAll();
    }

    synchronized boolean isCancelled() {
        return cancelled;
    }

    /** Stops the work, soon. Nothing happens if it is done. */
    public synchronized void cancel() {
        cancelled = true;
    }

    /** Whether it is being worked on, or is done; before, it waits for its turn. */
    public synchronized boolean isStarted() {
        return started || failure != null;
    }

    /** Waits for its turn, at most so long; whether that has come. */
    public synchronized boolean awaitStart(long nanos) throws InterruptedException {
        long deadline = System.nanoTime() + nanos;
        while (!started && failure == null) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                return false;
            }
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return true;
    }

    /** Tokens of its prompt that had been computed for another text; 0 before its turn has come. */
    public synchronized int knownTokens() {
        return knownTokens;
    }

    /**
     * Waits until there is something, at most so long.
     *
     * @return what there is; null if there is nothing. After the part with the result there is nothing any more
     * @throws EngineFailure if the text has failed; what came before may not have been seen
     */
    public synchronized @Nullable Part next(long nanos) throws InterruptedException {
        long deadline = System.nanoTime() + nanos;
        while (text.isEmpty() && result == null && failure == null) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                return null;
            }
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        if (failure != null) {
            throw new EngineFailure(failure);
        }
        Part part = new Part(text.toString(), tokens, result);
        text.setLength(0);
        tokens = new ArrayList<>();
        return part;
    }

    /** Why a text did not come to its end. */
    public static final class EngineFailure extends RuntimeException {
        private static final long serialVersionUID = 1L;

        EngineFailure(Throwable cause) {
            super(cause.getMessage(), cause);
        }
    }
}
