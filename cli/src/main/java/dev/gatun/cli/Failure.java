package dev.gatun.cli;

import org.jspecify.annotations.Nullable;

/** Bad use or bad input; the message is the line that the user sees. */
public final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Bad use. */
    public Failure(String message) {
        this(message, null);
    }

    /** Bad use or bad input, found out by an exception. */
    public Failure(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
