package dev.gatun.cli;

import dev.gatun.cli.hub.Hub;
import java.io.PrintStream;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Shows on stderr how a download goes on. */
final class DownloadProgress implements Hub.Watcher {
    private final PrintStream err;
    private @Nullable Progress progress;

    DownloadProgress(PrintStream err) {
        this.err = err;
    }

    @Override
    public void note(String line) {
        err.println("gatun: " + ErrorLine.printable(line));
    }

    @Override
    public void start(String what, long bytes) {
        err.println(String.format(Locale.ROOT, "downloading %s: %,d bytes", what, bytes));
        progress = new Progress(err, "download", bytes, Progress.Unit.MEGABYTES, Progress.isWatched());
    }

    @Override
    public void at(long bytes) {
        if (progress != null) {
            progress.at(bytes);
        }
    }

    @Override
    public void end() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
    }
}
