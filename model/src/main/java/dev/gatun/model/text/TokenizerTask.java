package dev.gatun.model.text;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** A tokenizer that is opened while its model is, for either takes some tenths of a second. */
public final class TokenizerTask {
    private final FutureTask<HuggingFaceTokenizer> task;

    private TokenizerTask(FutureTask<HuggingFaceTokenizer> task) {
        this.task = task;
    }

    /** Begins on a thread of its own. The caller takes the {@link #result} or {@linkplain #abandon abandons} it. */
    public static TokenizerTask start(Callable<HuggingFaceTokenizer> open) {
        var task = new FutureTask<>(open);
        Thread.ofPlatform().name("gatun-tokenizer").daemon().start(task);
        return new TokenizerTask(task);
    }

    /**
     * The tokenizer, which the caller closes; waits also while interrupted, for it may read what the caller owns.
     *
     * @throws IOException if it could not be read; all else that opening it throws is thrown as well
     */
    public HuggingFaceTokenizer result() throws IOException {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return task.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    switch (e.getCause()) {
                        case IOException cause -> throw cause;
                        case RuntimeException cause -> throw cause;
                        case Error cause -> throw cause;
                        case null, default -> throw new IllegalStateException(e);
                    }
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Closes what comes of it, after another failure, which is the one to report. */
    @SuppressWarnings("EmptyCatch")
    public void abandon() {
        try {
            result().close();
        } catch (IOException | RuntimeException | Error _) {
            // Perhaps for the same reason, or because the file was unmapped.
        }
    }
}
