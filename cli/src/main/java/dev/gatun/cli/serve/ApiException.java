package dev.gatun.cli.serve;

import java.io.Serial;
import org.jspecify.annotations.Nullable;

/** A request that is answered by an error, as OpenAI's API writes it. */
final class ApiException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final int status;
    private final String type;
    private final @Nullable String param;
    private final @Nullable String code;
    private final int retrySeconds;

    private ApiException(
            int status,
            String type,
            @Nullable String param,
            @Nullable String code,
            String message,
            int retrySeconds,
            @Nullable Throwable cause) {
        super(message, cause);
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
        this.retrySeconds = retrySeconds;
    }

    /** What the client has asked is wrong; {@code param} is the field. */
    static ApiException invalid(@Nullable String param, String message) {
        return new ApiException(400, "invalid_request_error", param, null, message, 0, null);
    }

    static ApiException of(int status, String code, String message) {
        return new ApiException(status, "invalid_request_error", null, code, message, 0, null);
    }

    static ApiException busy(int status, int retrySeconds, String message) {
        return new ApiException(status, "overloaded_error", null, "overloaded", message, retrySeconds, null);
    }

    static ApiException internal(Throwable cause) {
        return new ApiException(500, "server_error", null, null, String.valueOf(cause.getMessage()), 0, cause);
    }

    int status() {
        return status;
    }

    String type() {
        return type;
    }

    @Nullable
    String param() {
        return param;
    }

    @Nullable
    String code() {
        return code;
    }

    /** For the header Retry-After; 0 for none. */
    int retrySeconds() {
        return retrySeconds;
    }
}
