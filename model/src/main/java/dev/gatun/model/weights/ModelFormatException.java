package dev.gatun.model.weights;

/**
 * A model file that breaks its format or disagrees with another. The message is one line that starts with the file, then says the
 * tensor, key or offset, the numbers and the rule. (A file that cannot be read at all is an {@link java.io.IOException}.)
 */
public final class ModelFormatException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** An exception with that message; control characters, which names in files may have, are escaped. */
    public ModelFormatException(String message) {
        super(printable(message));
    }

    /** An exception with that message and the exception that led to it. */
    public ModelFormatException(String message, Throwable cause) {
        super(printable(message), cause);
    }

    private static String printable(String message) {
        var text = new StringBuilder(message.length());
        for (int i = 0; i < message.length(); i++) {
            char c = message.charAt(i);
            if (Character.isISOControl(c)) {
                text.append(String.format("\\u%04x", (int) c));
            } else {
                text.append(c);
            }
        }
        return text.toString();
    }
}
