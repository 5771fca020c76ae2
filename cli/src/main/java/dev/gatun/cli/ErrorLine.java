package dev.gatun.cli;

import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.model.InputException;
import dev.gatun.model.constrain.ConstraintException;
import dev.gatun.model.template.TemplateException;
import dev.gatun.model.text.TokenizerUnavailableException;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.BackendUnavailableException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.Objects;
import java.util.stream.Collectors;

/** Turns what was thrown into the one line that says what is wrong. */
public final class ErrorLine {
    private ErrorLine() {}

    /**
     * The line, without a line separator and with nothing in it that a terminal would act upon. A plan that does not fit has a line
     * for each of its items behind it.
     */
    public static String of(Throwable thrown) {
        return thrown instanceof MemoryBudgetException
                ? String.valueOf(thrown.getMessage())
                        .lines()
                        .map(ErrorLine::printable)
                        .collect(Collectors.joining(System.lineSeparator()))
                : printable(text(thrown));
    }

    private static String text(Throwable thrown) {
        return switch (thrown) {
            case Failure _,
                    ModelFormatException _,
                    InputException _,
                    ConstraintException _,
                    TemplateException _,
                    BackendUnavailableException _,
                    TokenizerUnavailableException _,
                    MemoryBudgetException _ -> String.valueOf(thrown.getMessage());
            case FileSystemException e -> fileSystem(e);
            case UncheckedIOException e -> e.getMessage() + cause(e);
            case IOException e ->
                Objects.requireNonNullElse(e.getMessage(), e.getClass().getSimpleName());
            case OutOfMemoryError e ->
                "out of memory: " + e.getMessage() + "; the JVM may take "
                        + Runtime.getRuntime().maxMemory() / (1 << 20)
                        + " MB for its heap and as much off it, -Xmx in GATUN_JAVA_OPTS allows it more";
            default ->
                "internal error: " + thrown.getClass().getSimpleName() + ": " + thrown.getMessage()
                        + " (--debug shows the stack trace)";
        };
    }

    private static String cause(Throwable thrown) {
        Throwable cause = thrown.getCause();
        return cause == null ? "" : ": " + text(cause);
    }

    /** The system's words, or those it leaves to the exception's class. */
    private static String fileSystem(FileSystemException e) {
        if (e.getReason() != null) {
            return String.valueOf(e.getMessage());
        }
        return e.getFile() + ": "
                + switch (e) {
                    case NoSuchFileException _ -> "no such file";
                    case NotDirectoryException _ -> "not a folder";
                    case AccessDeniedException _ -> "access denied";
                    default -> e.getClass().getSimpleName();
                };
    }

    /** The text on one line, control characters (which names in files may have) escaped. */
    public static String printable(String text) {
        StringBuilder printable = null;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isISOControl(c)) {
                if (printable == null) {
                    printable = new StringBuilder(text.length() + 16).append(text, 0, i);
                }
                printable.append(c == '\n' ? "; " : String.format("\\u%04x", (int) c));
            } else if (printable != null) {
                printable.append(c);
            }
        }
        return printable == null ? text : printable.toString();
    }
}
