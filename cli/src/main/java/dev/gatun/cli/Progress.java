package dev.gatun.cli;

import java.io.Console;
import java.io.PrintStream;
import java.util.Locale;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** Says on stderr how far long work is: a bar where somebody watches, and the rate at the end. */
final class Progress implements AutoCloseable {
    private static final int WIDTH = 80;

    private final PrintStream err;
    private final Unit unit;
    private final @Nullable ProgressBar bar;
    private final long start = System.nanoTime();
    private long done;

    /**
     * What the rate counts.
     *
     * @param name of many of them
     * @param size what is one of them, in what {@code done} counts
     */
    record Unit(String name, long size) {
        static final Unit TEXTS = new Unit("texts", 1);
        static final Unit MEGABYTES = new Unit("MB", 1_000_000);
    }

    /**
     * Starts.
     *
     * @param total bytes that there are to do
     * @param watched whether stderr is a terminal
     */
    Progress(PrintStream err, String task, long total, Unit unit, boolean watched) {
        this.err = err;
        this.unit = unit;
        this.bar = watched
                ? new ProgressBarBuilder()
                        .setTaskName(task)
                        .setInitialMax(total)
                        .setUnit(" MB", 1_000_000)
                        .setUpdateIntervalMillis(200)
                        .setStyle(ProgressBarStyle.ASCII)
                        .setConsumer(new DelegatingProgressBarConsumer(line -> err.print("\r" + line), WIDTH))
                        .build()
                : null;
    }

    /** Whether somebody sees what is written to stderr. */
    static boolean isWatched() {
        return System.getenv("TERM") != null && isTerminal(System.console());
    }

    private static boolean isTerminal(@Nullable Console console) {
        return console != null && console.isTerminal();
    }

    /** So much more is done. */
    void step(long texts, long bytes) {
        done += texts;
        if (bar != null) {
            bar.stepBy(bytes);
        }
    }

    /** So much is done in all. */
    void at(long bytes) {
        done = bytes;
        if (bar != null) {
            bar.stepTo(bytes);
        }
    }

    /** Ends the bar and prints the rate. */
    @Override
    public void close() {
        if (bar != null) {
            bar.close();
            err.println();
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        err.println(String.format(
                Locale.ROOT,
                unit.size == 1 ? "%,.0f %s in %.1f s, %.0f a second" : "%,.1f %s in %.1f s, %.1f a second",
                (double) done / unit.size,
                unit.name,
                seconds,
                done / seconds / unit.size));
    }
}
