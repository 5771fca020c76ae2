package dev.gatun.bench;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The caches of the CPU, in bytes.
 *
 * @param l2 of one core
 * @param last the largest, which cores may share
 */
record Caches(long l2, long last) {
    /** Where no one says. */
    private static final Caches USUAL = new Caches(1 << 20, 32 << 20);

    /** Those of this computer, as Linux says; elsewhere usual ones. */
    static Caches here() {
        return of(Path.of("/sys/devices/system/cpu/cpu0/cache"));
    }

    static Caches of(Path folder) {
        long l2 = 0;
        long last = 0;
        try (DirectoryStream<Path> caches = Files.newDirectoryStream(folder, "index*")) {
            for (Path cache : caches) {
                String size = Files.readString(cache.resolve("size")).strip(); // as 1280K
                long bytes = Long.parseLong(size.substring(0, size.length() - 1)) << 10;
                last = Math.max(last, bytes);
                if (Files.readString(cache.resolve("level")).strip().equals("2")) {
                    l2 = bytes;
                }
            }
        } catch (IOException | NumberFormatException _) {
            return USUAL;
        }
        return l2 == 0 ? USUAL : new Caches(l2, last);
    }

    /** Bytes to walk through such that no cache holds them until they are walked through again. */
    long beyondCaches() {
        return 4 * last;
    }
}
