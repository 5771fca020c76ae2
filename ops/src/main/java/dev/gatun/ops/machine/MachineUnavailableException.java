package dev.gatun.ops.machine;

/** Machine code can't be run here; the message says why. */
public final class MachineUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    MachineUnavailableException(String message) {
        super(message);
    }
}
