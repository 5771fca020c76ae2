package dev.gatun.cli;

import java.io.InputStream;
import java.io.PrintStream;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ParseResult;

/**
 * What a command was called with.
 *
 * @param root what stood before the command's name
 * @param own what stood after it
 * @param in what the command reads
 * @param inIsTerminal whether somebody would have to type that
 * @param results where its results go
 * @param log where all else goes, unless it is to be quiet
 */
public record Invocation(
        ParseResult root,
        ParseResult own,
        InputStream in,
        BooleanSupplier inIsTerminal,
        Results results,
        PrintStream log) {
    /** The value of an option, which was declared with this type; null if it was not given. */
    public <T> @Nullable T option(String name, Class<T> type) {
        Object value = own.matchedOptionValue(name, null);
        return type.cast(value != null ? value : root.matchedOptionValue(name, null));
    }

    /** Whether an option without a value was given. */
    public boolean flag(String name) {
        return own.hasMatchedOption(name) || root.hasMatchedOption(name);
    }

    /** The value of the command's first parameter, of the type it was declared with; {@code fallback} if there is none. */
    public <T> T parameter(T fallback) {
        return own.matchedPositionalValue(0, fallback);
    }
}
