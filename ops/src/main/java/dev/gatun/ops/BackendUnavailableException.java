package dev.gatun.ops;

/** A backend that was asked for and cannot be had. The message says why and what to do about it. */
public final class BackendUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    BackendUnavailableException(String message) {
        super(message);
    }

    BackendUnavailableException(Throwable cause) {
        super(cause.getMessage(), cause);
    }
}
