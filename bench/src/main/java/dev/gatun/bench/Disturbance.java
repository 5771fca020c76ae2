package dev.gatun.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * How much of the processors others use while we measure, from a moment on: what the whole machine was busy for less what this
 * process and its children were. Linux says; other systems do not.
 */
final class Disturbance {
    /** Of a second: what /proc/stat counts in, for programs, on every Linux. */
    private static final double TICKS = 100;

    /** Beyond this share of one processor, numbers are not to be kept. */
    private static final double TOO_MUCH = 0.1;

    private final Path stat;
    private final double busy;
    private final double own;
    private final long start = System.nanoTime();

    private Disturbance(Path stat) throws IOException {
        this.stat = stat;
        busy = busySeconds();
        own = ownSeconds();
    }

    /** From now on. */
    static Disturbance start() throws IOException {
        return new Disturbance(Path.of("/proc/stat"));
    }

    /** In words, until now; our children must still be alive. */
    String text() throws IOException {
        if (!Files.exists(stat)) {
            return "unknown";
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        double share = Math.max(0, (busySeconds() - busy - (ownSeconds() - own)) / seconds);
        return String.format(
                Locale.ROOT,
                "%.0f%% of a processor%s",
                100 * share,
                share > TOO_MUCH ? ", too much for numbers to keep" : "");
    }

    private double busySeconds() throws IOException {
        if (!Files.exists(stat)) {
            return 0;
        }
        try (Stream<String> lines = Files.lines(stat)) {
            // cpu user nice system idle iowait irq softirq steal ...
            String[] words = lines.findFirst().orElse("").strip().split(" +", -1);
            double ticks = 0;
            for (int i = 1; i < Math.min(9, words.length); i++) {
                ticks += i == 4 || i == 5 ? 0 : Long.parseLong(words[i]);
            }
            return ticks / TICKS;
        }
    }

    private static double ownSeconds() {
        ProcessHandle self = ProcessHandle.current();
        return Stream.concat(Stream.of(self), self.descendants())
                        .map(process -> process.info().totalCpuDuration().orElse(Duration.ZERO))
                        .mapToLong(Duration::toMillis)
                        .sum()
                / 1e3;
    }
}
