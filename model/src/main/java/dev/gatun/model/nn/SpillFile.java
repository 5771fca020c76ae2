package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Pages that memory has no room for, in a file that is gone with its last user, also when that is killed. Written and read, not mapped:
 * a mapping would count as the process's memory, which the limit is there for, and a full disk would be a fault in it.
 */
final class SpillFile implements AutoCloseable {
    private final Path path;
    private final FileChannel channel;
    private final int parts;
    private final long partBytes;

    /**
     * Makes the file.
     *
     * @param parts of a page: keys and values of each layer
     * @param partBytes of each
     * @throws UncheckedIOException if it cannot be made
     */
    SpillFile(Path folder, int parts, long partBytes) {
        this.parts = parts;
        this.partBytes = partBytes;
        try {
            Files.createDirectories(folder);
            path = Files.createTempFile(folder, "gatun-pages-", ".tmp");
            channel = FileChannel.open(
                    path, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.DELETE_ON_CLOSE);
            unname();
        } catch (IOException e) {
            throw new UncheckedIOException(folder + ": no file for the pages of a cache", e);
        }
    }

    @SuppressWarnings("EmptyCatch")
    private void unname() {
        try {
            Files.delete(path); // where the system lets an open file go on without a name
        } catch (IOException _) {
            // Then it is deleted when it is closed.
        }
    }

    private ByteBuffer bytes(Tensor t, int slot) {
        return t.segment().asSlice(slot * partBytes, partBytes).asByteBuffer();
    }

    void write(int page, int part, Tensor from, int slot) {
        ByteBuffer bytes = bytes(from, slot);
        long at = ((long) page * parts + part) * partBytes;
        try {
            while (bytes.hasRemaining()) {
                at += channel.write(bytes, at);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(path + ": pages of a cache cannot be written", e);
        }
    }

    void read(int page, int part, Tensor to, int slot) {
        ByteBuffer bytes = bytes(to, slot);
        long at = ((long) page * parts + part) * partBytes;
        try {
            while (bytes.hasRemaining()) {
                int n = channel.read(bytes, at);
                if (n < 0) {
                    throw new IOException("ends at byte " + at);
                }
                at += n;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(path + ": pages of a cache cannot be read back", e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(path + ": pages of a cache", e);
        }
    }
}
