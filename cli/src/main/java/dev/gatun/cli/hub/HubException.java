package dev.gatun.cli.hub;

import java.io.IOException;

/** The Hub says no, or something that cannot be true; the message names the model or the address, and what can be done. */
public final class HubException extends IOException {
    private static final long serialVersionUID = 1L;

    private final boolean unreachable;

    HubException(String message) {
        super(message);
        this.unreachable = false;
    }

    private HubException(String message, IOException cause) {
        super(message, cause);
        this.unreachable = true;
    }

    /** Nobody has answered, or only that it does not work just now: what is in the cache may do. */
    static HubException unreachable(String message, IOException cause) {
        return new HubException(message, cause);
    }

    boolean isUnreachable() {
        return unreachable;
    }
}
