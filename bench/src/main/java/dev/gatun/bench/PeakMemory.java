package dev.gatun.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The memory of this process. */
final class PeakMemory {
    private PeakMemory() {}

    /** Bytes resident at most so far, mapped files included; NaN where no one says. */
    static double bytes() {
        Path status = Path.of("/proc/self/status");
        if (Files.exists(status)) {
            try {
                for (String line : Files.readAllLines(status)) {
                    if (line.startsWith("VmHWM:")) {
                        return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024.0;
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(status + " cannot be read", e);
            }
        }
        return Double.NaN;
    }
}
