package dev.gatun.openblas;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * The folder into which libraries are taken out of their jar, shared by all processes of the user.
 *
 * <p>There is no lock. Files are written and checked in a temporary folder and then renamed: the folder as a whole where
 * the target is not there yet, file by file where it is there but damaged. Whoever comes second renames the same content
 * over the same content, so any interleaving of processes, and any process killed on the way, leaves whole files.
 */
final class LibraryCache {
    private static final String TEMPORARY = ".tmp-";

    /** Longer than any extraction takes: a temporary folder this old belongs to a process that was killed. */
    private static final Duration ABANDONED = Duration.ofDays(1);

    private final Path folder;

    /** @param cacheFolder Gatun's cache folder; it need not exist */
    LibraryCache(Path cacheFolder) {
        folder = cacheFolder.toAbsolutePath().resolve("openblas");
    }

    /**
     * Gatun's folder in the user's cache folder, by the rules of each system.
     *
     * @param home        the user's home folder
     * @param environment the value of an environment variable, or null
     */
    static Path userFolder(String osName, String home, UnaryOperator<@Nullable String> environment) {
        String os = osName.toLowerCase(Locale.ROOT);
        if (os.startsWith("mac")) return Path.of(home, "Library", "Caches", "gatun");
        if (os.startsWith("windows")) {
            String local = environment.apply("LOCALAPPDATA");
            return local != null && !local.isEmpty()
                    ? Path.of(local, "gatun", "cache")
                    : Path.of(home, "AppData", "Local", "gatun", "cache");
        }
        // XDG Base Directory Specification 0.8: a relative path in the variable is invalid and to be ignored.
        String xdg = environment.apply("XDG_CACHE_HOME");
        return xdg != null && Path.of(xdg).isAbsolute() ? Path.of(xdg, "gatun") : Path.of(home, ".cache", "gatun");
    }

    /**
     * Makes sure that the libraries of {@code jar} lie in the cache, each with the size and the CRC the jar gives for it.
     *
     * @return the folder that holds them
     */
    Path install(PlatformJar jar) throws IOException {
        Path target = folder.resolve(jar.key());
        if (damaged(target, jar.libraries()).isEmpty()) return target;

        Files.createDirectories(folder);
        deleteAbandoned();
        Path fresh = Files.createTempDirectory(folder, TEMPORARY);
        try {
            for (PlatformJar.Library library : jar.libraries()) {
                extract(jar, library, fresh.resolve(library.name()));
            }
            flushFolder(fresh);
            publish(fresh, target, jar.libraries());
            flushFolder(folder);
        } finally {
            delete(fresh);
        }
        return target;
    }

    private static void extract(PlatformJar jar, PlatformJar.Library library, Path file) throws IOException {
        try (InputStream in = jar.open(library)) {
            Files.copy(in, file);
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
        if (!isWhole(file, library)) {
            throw new IOException(library.name() + " came out of " + jar.file()
                    + " with another size or CRC than the jar states: delete the jar, so that it is downloaded again");
        }
    }

    private static void publish(Path fresh, Path target, List<PlatformJar.Library> libraries) throws IOException {
        try {
            Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            // A folder cannot be renamed over one with files in it: another process came first, or a file is damaged.
            if (!Files.isDirectory(target)) throw e;
            for (PlatformJar.Library library : damaged(target, libraries)) {
                Path file = Path.of(library.name());
                Files.move(fresh.resolve(file), target.resolve(file), StandardCopyOption.ATOMIC_MOVE);
            }
            flushFolder(target);
        }
    }

    private static List<PlatformJar.Library> damaged(Path target, List<PlatformJar.Library> libraries)
            throws IOException {
        List<PlatformJar.Library> damaged = new ArrayList<>();
        for (PlatformJar.Library library : libraries) {
            if (!isWhole(target.resolve(library.name()), library)) damaged.add(library);
        }
        return damaged;
    }

    private static boolean isWhole(Path file, PlatformJar.Library library) throws IOException {
        if (!Files.isRegularFile(file) || Files.size(file) != library.size()) return false;
        CRC32 crc = new CRC32();
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
        try (FileChannel channel = FileChannel.open(file)) {
            while (channel.read(buffer.clear()) >= 0) {
                crc.update(buffer.flip());
            }
        }
        return crc.getValue() == library.crc();
    }

    /** A rename is on the disk once its folder is. Windows cannot open a folder, and flushes renames by itself. */
    private static void flushFolder(Path folder) throws IOException {
        if (folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
            try (FileChannel channel = FileChannel.open(folder)) {
                channel.force(true);
            }
        }
    }

    /**
     * Gives a library a second path, for a class loader that may not use the first: the JVM lets one path be loaded by
     * one class loader. A hard link, because the system then sees the file it has already mapped, and the class loaders
     * share one copy of OpenBLAS and its threads; a copy where the file system has no hard links, or lies elsewhere.
     *
     * @param files the library and what it is linked against
     * @return a new folder with a link to each file, to be handed to {@link #delete} when the library is loaded
     */
    Path link(List<Path> files) throws IOException {
        Files.createDirectories(folder);
        deleteAbandoned();
        Path links = Files.createTempDirectory(folder, TEMPORARY);
        for (Path file : files) {
            Path link = links.resolve(file.getFileName());
            try {
                Files.createLink(link, file);
            } catch (IOException | UnsupportedOperationException e) {
                Files.copy(file, link);
            }
        }
        return links;
    }

    private void deleteAbandoned() throws IOException {
        Instant limit = Instant.now().minus(ABANDONED);
        try (Stream<Path> children = Files.list(folder)) {
            for (Path child : children.toList()) {
                if (child.getFileName().toString().startsWith(TEMPORARY)
                        && Files.getLastModifiedTime(child).toInstant().isBefore(limit)) {
                    delete(child);
                }
            }
        } catch (NoSuchFileException e) {
            // Another process deleted it first.
        }
    }

    /** Deletes a folder with its files, if it is there. What cannot be deleted, as a loaded DLL, is left for another day. */
    static void delete(Path tree) {
        try (Stream<Path> paths = Files.walk(tree)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        } catch (IOException | UncheckedIOException e) {
            // See above.
        }
    }
}
