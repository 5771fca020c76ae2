package dev.gatun.model.constrain;

/** A regular expression or a schema that cannot be used: what is wrong, where, and the rule. */
public final class ConstraintException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /** An exception with the given message. */
    public ConstraintException(String message) {
        super(message);
    }
}
