package dev.gatun.memory;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Writes a file so that nobody ever reads a part of it: under another name in the same folder, forced to disk, then renamed. Whoever
 * is killed on the way leaves the old file as it was, and a temporary one that the next to write the same file deletes.
 */
public final class AtomicFile implements AutoCloseable {
    private static final String SUFFIX = ".gatun-tmp";
    private static final AtomicLong COUNT = new AtomicLong();

    private final Path target;
    private final Path temporary;
    private final FileChannel channel;

    private AtomicFile(Path target, Path temporary, FileChannel channel) {
        this.target = target;
        this.temporary = temporary;
        this.channel = channel;
    }

    /**
     * Begins a file that will be {@code target} once it is {@linkplain #commit committed}. The caller closes it, which gives up one that
     * is not.
     *
     * @throws IOException if no file can be made beside it
     */
    public static AtomicFile open(Path target) throws IOException {
        Path file = target.toAbsolutePath();
        Path folder = Objects.requireNonNull(file.getParent(), "a folder cannot be written");
        String prefix = "." + file.getFileName() + ".";
        deleteLeftOvers(folder, prefix);
        Path temporary =
                folder.resolve(prefix + ProcessHandle.current().pid() + "." + COUNT.incrementAndGet() + SUFFIX);
        FileChannel channel = FileChannel.open(
                temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.SPARSE);
        return new AtomicFile(file, temporary, channel);
    }

    /** Where the content goes; what is left out before the file's end reads as zeros. */
    public FileChannel channel() {
        return channel;
    }

    /**
     * Puts the file in the place of one that is there.
     *
     * @throws IOException if that is not possible; the old file is as it was then
     */
    public void commit() throws IOException {
        channel.force(true);
        channel.close();
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        force(Objects.requireNonNull(target.getParent()));
    }

    /** Gives up what is not committed. */
    @Override
    public void close() throws IOException {
        channel.close();
        Files.deleteIfExists(temporary);
    }

    /** Writes the content. */
    @FunctionalInterface
    public interface Writer {
        /** Writes to a new file; what it leaves out before the file's end reads as zeros. */
        void write(FileChannel channel) throws IOException;
    }

    /**
     * Writes {@code target}, in the place of a file that is there.
     *
     * @throws IOException if it cannot be written; the old file is as it was then
     */
    public static void write(Path target, Writer writer) throws IOException {
        try (AtomicFile file = open(target)) {
            writer.write(file.channel);
            file.commit();
        }
    }

    /** Temporary files of processes that are gone. */
    private static void deleteLeftOvers(Path folder, String prefix) throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(
                folder, path -> path.getFileName().toString().startsWith(prefix))) {
            for (Path path : files) {
                String name = path.getFileName().toString();
                if (name.endsWith(SUFFIX) && name.length() > prefix.length() + SUFFIX.length()) {
                    String pid = name.substring(prefix.length(), name.length() - SUFFIX.length())
                            .split("\\.", 2)[0];
                    if (pid.matches("\\d{1,18}")
                            && ProcessHandle.of(Long.parseLong(pid)).isEmpty()) {
                        Files.deleteIfExists(path);
                    }
                }
            }
        }
    }

    /** The new name has to be on disk as well, where folders can be forced (not on Windows, which needs it not). */
    @SuppressWarnings("EmptyCatch")
    private static void force(Path folder) {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException _) {
            // The file itself is whole either way.
        }
    }
}
