package dev.gatun.memory;

/** A plan that needs more memory than it may take. Nothing has been allocated; the message is the itemised plan. */
public final class MemoryBudgetException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** An exception with the given message. */
    public MemoryBudgetException(String message) {
        super(message);
    }
}
