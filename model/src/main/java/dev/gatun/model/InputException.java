package dev.gatun.model;

/** An input that a model cannot take: a text longer than its positions, say. The message has the numbers and the limit. */
public final class InputException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /** An exception with the given message. */
    public InputException(String message) {
        super(message);
    }
}
