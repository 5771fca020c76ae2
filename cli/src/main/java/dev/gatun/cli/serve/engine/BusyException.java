package dev.gatun.cli.serve.engine;

import java.io.Serial;

/** There is no room to wait in; it is worth asking again. */
public final class BusyException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final int retrySeconds;

    BusyException(String message, int retrySeconds) {
        super(message);
        this.retrySeconds = retrySeconds;
    }

    /** When to ask again, a guess: at least 1. */
    public int retrySeconds() {
        return retrySeconds;
    }
}
