package dev.gatun.cli;

import org.jspecify.annotations.Nullable;

/** Bad use or bad input; the message is the line that the user sees. */
final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Failure(String message) {
        this(message, null);
    }

    Failure(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
