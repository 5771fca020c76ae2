package dev.gatun.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What Linux says of the computer and of the limits that it sets; other systems say less.
 *
 * @param root the file system with proc and sys in it
 */
public record Machine(Path root) {
    /** This computer. */
    public static Machine here() {
        return new Machine(Path.of("/"));
    }

    /** The name of the CPU. */
    public String cpuModel() throws IOException {
        // On arm64 there is no name, only numbers: of who designed it and of what.
        for (String key : List.of("model name", "CPU part")) {
            List<String> values = cpuInfo(key);
            if (!values.isEmpty()) {
                return key.equals("CPU part")
                        ? "implementer " + String.join("", first(cpuInfo("CPU implementer"))) + " part "
                                + values.getFirst()
                        : values.getFirst();
            }
        }
        String windows = System.getenv("PROCESSOR_IDENTIFIER");
        return windows == null ? "unknown" : windows;
    }

    /** What the CPU can do, as in the line "flags" (x86) or "Features" (arm); empty where no one says. */
    Set<String> cpuFlags() throws IOException {
        Set<String> flags = new HashSet<>();
        for (String key : List.of("flags", "Features")) {
            for (String line : first(cpuInfo(key))) {
                flags.addAll(List.of(line.split(" +")));
            }
        }
        return flags;
    }

    /** Processors that are switched on, whatever this process may use of them; 0 where no one says. */
    int processors() throws IOException {
        return cpuInfo("processor").size();
    }

    /** Bytes of memory; 0 where no one says. */
    public long memory() throws IOException {
        for (String line : lines(root.resolve("proc/meminfo"))) {
            if (line.startsWith("MemTotal:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
            }
        }
        return 0;
    }

    /** Bytes that the control groups of this process allow it, the least of them; Long.MAX_VALUE if there is no limit. */
    long memoryLimit() throws IOException {
        long least = Long.MAX_VALUE;
        for (String line : lines(root.resolve("proc/self/cgroup"))) {
            // id:controllers:path; version 2 has the one line 0::path
            String[] parts = line.split(":", 3);
            if (parts.length == 3 && parts[1].isEmpty()) {
                least = Math.min(least, limit(root.resolve("sys/fs/cgroup"), parts[2], "memory.max"));
            } else if (parts.length == 3 && List.of(parts[1].split(",")).contains("memory")) {
                least = Math.min(least, limit(root.resolve("sys/fs/cgroup/memory"), parts[2], "memory.limit_in_bytes"));
            }
        }
        return least;
    }

    /** The least limit of a group and those around it. Inside a container the outer part of the path is not there. */
    private static long limit(Path top, String group, String file) throws IOException {
        long least = Long.MAX_VALUE;
        Path folder = top.resolve(group.substring(1)).normalize();
        while (folder != null && folder.startsWith(top)) {
            for (String line : lines(folder.resolve(file))) {
                if (!line.equals("max")) {
                    long bytes = Long.parseLong(line);
                    // Version 1 writes the largest multiple of a page where there is no limit.
                    least = bytes >= Long.MAX_VALUE - (1 << 20) ? least : Math.min(least, bytes);
                }
            }
            folder = folder.getParent();
        }
        return least;
    }

    private List<String> cpuInfo(String key) throws IOException {
        List<String> values = new ArrayList<>();
        for (String line : lines(root.resolve("proc/cpuinfo"))) {
            int colon = line.indexOf(':');
            if (colon > 0 && line.substring(0, colon).strip().equals(key)) {
                values.add(line.substring(colon + 1).strip());
            }
        }
        return values;
    }

    private static List<String> first(List<String> values) {
        return values.subList(0, Math.min(1, values.size()));
    }

    private static List<String> lines(Path file) throws IOException {
        return Files.exists(file) ? Files.readAllLines(file) : List.of();
    }

    /** Bytes as people say them. */
    public static String bytes(long bytes) {
        return bytes < 1L << 30
                ? String.format(Locale.ROOT, "%.0f MB", bytes / 0x1p20)
                : String.format(Locale.ROOT, "%.1f GB", bytes / 0x1p30);
    }
}
