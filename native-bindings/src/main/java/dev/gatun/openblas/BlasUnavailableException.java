package dev.gatun.openblas;

import org.jspecify.annotations.Nullable;

/** No BLAS could be loaded. The message says what was tried, what went wrong and what to do about it. */
public final class BlasUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    BlasUnavailableException(String problem, String fix, @Nullable Throwable cause) {
        super(problem + "; " + fix, cause);
    }
}
