package dev.gatun.cli;

import java.io.PrintStream;
import java.text.MessageFormat;
import java.util.ResourceBundle;
import org.jspecify.annotations.Nullable;

/**
 * What is logged while a command runs goes to its stderr, a line each, {@code WARNING: ...}; less than a warning is dropped. It
 * takes the place of java.util.logging, which prints two lines and costs a start some 30 ms.
 */
public final class StderrLoggerFinder extends System.LoggerFinder {
    /** The stderr of the command that this thread runs. */
    static final ScopedValue<PrintStream> SINK = ScopedValue.newInstance();

    /** For ServiceLoader. */
    public StderrLoggerFinder() {}

    @Override
    public System.Logger getLogger(String name, Module module) {
        return new StderrLogger(name);
    }

    private record StderrLogger(String name) implements System.Logger {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public boolean isLoggable(Level level) {
            return level.getSeverity() >= Level.WARNING.getSeverity() && level != Level.OFF;
        }

        @Override
        public void log(
                Level level, @Nullable ResourceBundle bundle, @Nullable String message, @Nullable Throwable thrown) {
            if (isLoggable(level)) {
                String text = ErrorLine.printable(String.valueOf(message));
                SINK.orElse(System.err).println(level.getName() + ": " + text + (thrown == null ? "" : ": " + thrown));
            }
        }

        @Override
        public void log(
                Level level, @Nullable ResourceBundle bundle, @Nullable String format, @Nullable Object... params) {
            boolean plain = params == null || params.length == 0 || format == null;
            log(level, bundle, plain ? format : MessageFormat.format(format, params), (Throwable) null);
        }
    }
}
