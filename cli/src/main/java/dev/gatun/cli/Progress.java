package dev.gatun.cli;

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
    private final @Nullable ProgressBar bar;
    private final long start = System.nanoTime();
    private long done;

    /**
     * Starts.
     *
     * @param total bytes, say, that there are to do
     * @param watched whether stderr is a terminal
     */
    Progress(PrintStream err, String task, long total, boolean watched) {
        this.err = err;
        this.bar = watched
                ? new ProgressBarBuilder()
                        .setTaskName(task)
                        .setInitialMax(total)
                        .setUpdateIntervalMillis(200)
                        .setStyle(ProgressBarStyle.ASCII)
                        .setConsumer(new DelegatingProgressBarConsumer(line -> err.print("\r" + line), WIDTH))
                        .build()
                : null;
    }

    /** So much more is done. */
    void step(long texts, long units) {
        done += texts;
        if (bar != null) {
            bar.stepBy(units);
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
        err.println(String.format(Locale.ROOT, "%,d texts in %.1f s, %.0f a second", done, seconds, done / seconds));
    }
}
