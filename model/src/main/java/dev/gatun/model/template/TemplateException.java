package dev.gatun.model.template;

/** A template that is not one, or fails on a conversation. The message has the file, the line and the reason. */
public final class TemplateException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /** An exception with the given message. */
    public TemplateException(String message) {
        super(message);
    }
}
