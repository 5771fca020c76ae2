package dev.gatun.cli.hub;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where the Hub's clients keep one model:
 *
 * <pre>
 * models--org--name/refs/main                    the commit that a branch or tag was last
 * models--org--name/snapshots/COMMIT/config.json -> ../../blobs/HASH
 * models--org--name/blobs/HASH                   bytes, once for all commits; HASH.incomplete while they come
 * .locks/models--org--name/HASH.lock             held by who writes a blob
 * </pre>
 */
final class HubCache {
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final Duration LOCK_INTERVAL = Duration.ofMillis(100);

    private final Path model;
    private final Path locks;

    /** The part of a cache folder that is for a model; it need not be there yet. */
    HubCache(Path cache, String repo) {
        String name = "models--" + repo.replace("/", "--");
        this.model = cache.resolve(name);
        this.locks = cache.resolve(".locks").resolve(name);
    }

    /** The folder of a commit; it need not be there. */
    Path snapshot(String commit) {
        return model.resolve("snapshots").resolve(commit);
    }

    /** The folder of what a revision was last; null if it was never here. */
    @Nullable
    Path lastSnapshot(String revision) throws IOException {
        String commit = revision;
        if (!COMMIT.matcher(revision).matches()) {
            Path ref = model.resolve("refs").resolve(revision);
            if (!Files.isRegularFile(ref) || Files.size(ref) > 100) {
                return null;
            }
            commit = Files.readString(ref).strip();
        }
        Path snapshot = snapshot(commit);
        return COMMIT.matcher(commit).matches() && Files.isDirectory(snapshot) ? snapshot : null;
    }

    /** Notes what a revision is. */
    void remember(String revision, String commit) throws IOException {
        if (revision.equals(commit)) {
            return;
        }
        Path ref = model.resolve("refs").resolve(revision);
        if (Files.isRegularFile(ref) && Files.readString(ref).equals(commit)) {
            return;
        }
        Files.createDirectories(ref.getParent());
        Path fresh = Files.createTempFile(ref.getParent(), ".", ".tmp");
        try {
            Files.write(fresh, commit.getBytes(StandardCharsets.US_ASCII));
            move(fresh, ref);
        } finally {
            Files.deleteIfExists(fresh);
        }
    }

    /** Where a file's bytes are; its folder is there. */
    Path blob(String hash) throws IOException {
        return Files.createDirectories(model.resolve("blobs")).resolve(hash);
    }

    /** Shows a blob as a file of a commit: a relative link, or a copy where there are no links. */
    void link(String commit, String path, Path blob) throws IOException {
        Path pointer = snapshot(commit).resolve(path);
        if (Files.exists(pointer)) {
            return;
        }
        Path folder = Files.createDirectories(pointer.getParent());
        Files.deleteIfExists(pointer); // a link to nothing
        try {
            Files.createSymbolicLink(pointer, folder.relativize(blob));
        } catch (FileAlreadyExistsException e) {
            // Another process was faster with the same link.
        } catch (UnsupportedOperationException | FileSystemException e) {
            Path fresh = Files.createTempFile(folder, ".", ".tmp");
            try {
                Files.copy(blob, fresh, StandardCopyOption.REPLACE_EXISTING);
                move(fresh, pointer);
            } finally {
                Files.deleteIfExists(fresh);
            }
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Something that is done by one process at a time. */
    interface Guarded {
        void run() throws IOException;
    }

    /**
     * Does something while no other process does it for the same blob; waits for one that does.
     *
     * @param busy told once if another process is at it
     */
    void locked(String hash, Patience patience, Runnable busy, Guarded guarded) throws IOException {
        Path file = Files.createDirectories(locks).resolve(hash + ".lock");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            FileLock lock = tryLock(channel);
            if (lock == null) {
                busy.run();
                while (lock == null) {
                    patience.pause(LOCK_INTERVAL);
                    lock = tryLock(channel);
                }
            }
            guarded.run(); // the lock goes with the channel
        }
    }

    private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) { // held by another thread of this process
            return null;
        }
    }
}
