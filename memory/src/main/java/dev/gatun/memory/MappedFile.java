package dev.gatun.memory;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A whole file mapped read-only: its pages are the system's, shared by all processes that map it, and not on the heap. The
 * mapping lives as long as the arena it was opened with.
 *
 * @param path the file
 * @param segment its bytes; writing to it throws
 */
public record MappedFile(Path path, MemorySegment segment) {
    /**
     * Maps {@code path} for the life of {@code arena}. An empty file is an empty segment.
     *
     * @throws IOException if the file is missing, unreadable or cannot be mapped
     */
    public static MappedFile open(Path path, Arena arena) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            return new MappedFile(
                    path,
                    size == 0
                            ? MemorySegment.NULL.asReadOnly()
                            : channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena));
        }
    }

    /** The file's bytes when it was mapped. */
    public long byteSize() {
        return segment.byteSize();
    }
}
