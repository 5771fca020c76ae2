package dev.gatun.cli;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** Something that is found out while something else is opened, for each takes a tenth of a second of a cold start. */
final class Beside<T> {
    private final FutureTask<T> task;

    private Beside(FutureTask<T> task) {
        this.task = task;
    }

    /** Begins on a thread of its own; what it makes needs no closing. */
    static <T> Beside<T> start(Callable<T> call) {
        var task = new FutureTask<>(call);
        Thread.ofPlatform().name("gatun-beside").daemon().start(task);
        return new Beside<>(task);
    }

    /**
     * What came out; throws what the call has thrown.
     *
     * @throws IOException as the call, or if this thread is interrupted while it waits
     */
    T result() throws IOException {
        try {
            return task.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case IOException cause -> throw cause;
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                case null, default -> throw new IllegalStateException(e);
            }
        }
    }
}
