package dev.gatun.memory;

/** A shape, stride, index or element type that an operation cannot take. The message names operand, numbers and rule. */
public final class ShapeException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /** An exception with the given message: operation, operand names, their shapes, the broken rule. */
    public ShapeException(String message) {
        super(message);
    }
}
