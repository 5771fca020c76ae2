package dev.gatun.cli.hub;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;

/**
 * How long a server is waited for.
 *
 * @param answer until the headers of an answer are there
 * @param stall between two parts of a file
 * @param tries of a request, or of a file while no byte more arrives
 * @param longest the longest pause between two tries; a server that asks for a longer one is an error
 * @param pauses how to pause
 */
record Patience(Duration answer, Duration stall, int tries, Duration longest, Pauses pauses) {
    /** Pauses the caller. */
    interface Pauses {
        void pause(Duration time) throws InterruptedException;
    }

    static final Patience USUAL =
            new Patience(Duration.ofSeconds(30), Duration.ofSeconds(30), 5, Duration.ofMinutes(2), Thread::sleep);

    private static final Duration FIRST = Duration.ofSeconds(1);

    /** Pauses after a try that failed: each time twice as long. */
    void afterTry(int number) throws IOException {
        Duration time = FIRST.multipliedBy(1L << Math.min(number, 20));
        pause(time.compareTo(longest) < 0 ? time : longest);
    }

    void pause(Duration time) throws IOException {
        try {
            pauses.pause(time);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            var interrupted = new InterruptedIOException("interrupted while waiting for a server");
            interrupted.initCause(e);
            throw interrupted;
        }
    }
}
