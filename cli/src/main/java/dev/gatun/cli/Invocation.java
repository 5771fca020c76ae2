package dev.gatun.cli;

import java.io.InputStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ParseResult;

/**
 * What a command was called with.
 *
 * @param root what stood before the command's name
 * @param own what stood after it
 * @param in what the command reads
 * @param results where its results go
 */
record Invocation(ParseResult root, ParseResult own, InputStream in, Results results) {
    /** The value of an option, of the type it was declared with; null if it was not given. */
    <T> @Nullable T option(String name) {
        T value = own.matchedOptionValue(name, null);
        return value != null ? value : root.matchedOptionValue(name, null);
    }

    /** Whether an option without a value was given. */
    boolean flag(String name) {
        return own.hasMatchedOption(name) || root.hasMatchedOption(name);
    }

    /** The value of the command's first parameter, of the type it was declared with; {@code fallback} if there is none. */
    <T> T parameter(T fallback) {
        return own.matchedPositionalValue(0, fallback);
    }
}
