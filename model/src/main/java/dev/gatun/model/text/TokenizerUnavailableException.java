package dev.gatun.model.text;

/** A tokenizer's native library that cannot be had. The message says why and what to do about it. */
public final class TokenizerUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    TokenizerUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
