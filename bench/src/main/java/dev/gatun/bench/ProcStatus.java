package dev.gatun.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What Linux says of processes in /proc; other systems do not have it. */
final class ProcStatus {
    private ProcStatus() {}

    /** Whether there is such a place. */
    static boolean exists() {
        return Files.exists(Path.of("/proc/self/status"));
    }

    /**
     * A number of kilobytes, such as {@code VmRSS}, what is in memory now, or {@code VmHWM}, at most so far; mapped files included.
     *
     * @param process an id, or {@code self}
     * @throws IOException if there is no such process or number
     */
    static long kilobytes(String process, String name) throws IOException {
        Path status = Path.of("/proc", process, "status");
        for (String line : Files.readAllLines(status)) {
            if (line.startsWith(name + ":")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new IOException(status + " has no " + name);
    }

    /** File descriptors that a process has open. */
    static long descriptors(String process) throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc", process, "fd"))) {
            return open.count();
        }
    }
}
