package dev.gatun.memory;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/**
 * The bytes of a whole file, read-only and off the heap. Those of a file on disk are mapped: the pages are the system's, shared
 * by all processes that map it. A resource inside a jar cannot be mapped; {@link #read} copies it once instead. Either lives as
 * long as the arena it was opened with. Whoever truncates a mapped file takes its pages away: reading them is then an
 * {@link InternalError} in Java and a crash in native code, so replace files (write beside, rename) and do not rewrite them.
 *
 * @param name the file's path, or what a resource is called; what errors say
 * @param segment its bytes; writing to it throws
 */
public record MappedFile(String name, MemorySegment segment) {
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int COPY_BYTES = 1 << 16;

    /**
     * Maps {@code path} for the life of {@code arena}. An empty file is an empty segment.
     *
     * @throws NoSuchFileException if there is no such file
     * @throws IOException if it cannot be read or mapped, a folder for example; the message names it
     */
    public static MappedFile open(Path path, Arena arena) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            MemorySegment segment = size == 0
                    ? arena.allocate(0).asReadOnly()
                    : channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            return new MappedFile(path.toString(), segment);
        } catch (NoSuchFileException e) {
            throw e;
        } catch (IOException e) {
            throw new IOException(path + " cannot be mapped: " + e.getMessage(), e);
        }
    }

    /**
     * Copies {@code byteSize} bytes, all there are, from {@code in} for the life of {@code arena}.
     *
     * @throws IOException if there are fewer or more, or if reading fails; the message has the name
     */
    public static MappedFile read(String name, InputStream in, long byteSize, Arena arena) throws IOException {
        MemorySegment segment = arena.allocate(byteSize, Tensor.ALIGNMENT);
        byte[] chunk = new byte[COPY_BYTES];
        long at = 0;
        for (int n; (n = in.read(chunk)) > 0; at += n) {
            if (at + n > byteSize) {
                throw new IOException(name + ": more than the " + byteSize + " bytes it should have");
            }
            MemorySegment.copy(chunk, 0, segment, ValueLayout.JAVA_BYTE, at, n);
        }
        if (at < byteSize) {
            throw new EOFException(name + ": ends after " + at + " of " + byteSize + " bytes");
        }
        return new MappedFile(name, segment.asReadOnly());
    }

    /** Bytes on the heap in the place of a file's. */
    public static MappedFile of(String name, byte[] bytes) {
        return new MappedFile(name, MemorySegment.ofArray(bytes).asReadOnly());
    }

    /** The file's bytes when it was opened. */
    public long byteSize() {
        return segment.byteSize();
    }

    /**
     * The 8 bytes at {@code offset}, little-endian.
     *
     * @throws IndexOutOfBoundsException if they are not all inside the file
     */
    public long getLong(long offset) {
        return segment.get(LONG, offset);
    }

    /**
     * A copy of a part, on the heap.
     *
     * @throws IndexOutOfBoundsException if it is not all inside the file
     */
    public byte[] bytes(long offset, int length) {
        return segment.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE);
    }

    /**
     * A part as a stream, which copies nothing but what is read and needs no closing. Not thread-safe.
     *
     * @throws IndexOutOfBoundsException if it is not all inside the file
     */
    public InputStream stream(long offset, long length) {
        return new SegmentStream(segment.asSlice(offset, length));
    }

    /**
     * The row-major tensor that starts at {@code offset}: a view, not a copy. It can start at any byte, also one that is not a
     * multiple of its element's size.
     *
     * @throws ShapeException if the file ends before the tensor does
     * @throws IndexOutOfBoundsException if offset is negative or beyond the end
     */
    public Tensor tensor(long offset, DType dtype, Shape shape) {
        return Tensor.of(segment.asSlice(offset), dtype, shape);
    }

    private static final class SegmentStream extends InputStream {
        private final MemorySegment segment;
        private long at;

        SegmentStream(MemorySegment segment) {
            this.segment = segment;
        }

        @Override
        public int read() {
            return at < segment.byteSize() ? segment.get(ValueLayout.JAVA_BYTE, at++) & 0xFF : -1;
        }

        @Override
        public long skip(long n) {
            long skipped = Math.clamp(n, 0, segment.byteSize() - at);
            at += skipped;
            return skipped;
        }

        @Override
        public int read(byte[] out, int offset, int length) {
            Objects.checkFromIndexSize(offset, length, out.length);
            long left = segment.byteSize() - at;
            if (left == 0 && length > 0) {
                return -1;
            }
            int n = (int) Math.min(left, length);
            MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, at, out, offset, n);
            at += n;
            return n;
        }
    }
}
