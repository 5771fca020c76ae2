package dev.gatun.model.weights;

import dev.gatun.memory.MappedFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Reads a GGUF header forward, never beyond its file. By way of an array: a vocabulary is a hundred thousand strings, and a JVM that
 * has just started reads an array many times faster than a segment.
 */
final class GgufCursor {
    private static final int WINDOW = 1 << 16;

    /** Of a string that is no element of an array. */
    private static final long NO_INDEX = -1;

    private final MappedFile file;
    private final byte[] window;
    private long windowAt; // where it lies in the file
    private int windowLength;
    private long at;

    GgufCursor(MappedFile file) {
        this(file, 0);
    }

    GgufCursor(MappedFile file, long at) {
        this.file = file;
        this.at = at;
        this.window = new byte[(int) Math.min(WINDOW, file.byteSize())];
    }

    long position() {
        return at;
    }

    long u8(String what) {
        return number(what, 1);
    }

    long u16(String what) {
        return number(what, 2);
    }

    long u32(String what) {
        return number(what, 4);
    }

    /** Eight bytes; negative where the highest bit is set. */
    long u64(String what) {
        return number(what, 8);
    }

    private long number(String what, int bytes) {
        int from = inWindow(take(what, bytes), bytes);
        long number = 0;
        for (int i = bytes - 1; i >= 0; i--) {
            number = number << 8 | window[from + i] & 0xFF;
        }
        return number;
    }

    /** Index in the window of some bytes of the file, no more than the window is long. */
    private int inWindow(long start, int bytes) {
        if (start < windowAt || start + bytes > windowAt + windowLength) {
            windowAt = start;
            windowLength = (int) Math.min(window.length, file.byteSize() - start);
            MemorySegment.copy(file.segment(), ValueLayout.JAVA_BYTE, start, window, 0, windowLength);
        }
        return (int) (start - windowAt);
    }

    void skip(String what, long bytes) {
        take(what, bytes);
    }

    void skipString(String what) {
        skip(what, length(what, NO_INDEX, Long.MAX_VALUE));
    }

    String string(String what, long max) {
        return string(what, NO_INDEX, max);
    }

    /** A string, which is element {@code index} of an array. */
    String string(String what, long index, long max) {
        int length = (int) length(what, index, Math.min(max, Integer.MAX_VALUE));
        long start = take(what, length);
        String text;
        if (length <= window.length) {
            text = new String(window, inWindow(start, length), length, StandardCharsets.UTF_8);
            if (text.indexOf('\uFFFD') < 0) { // which stands for what is malformed, or for itself
                return text;
            }
        }
        try {
            // A decoder of its own reports malformed input, where new String replaces it.
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(file.bytes(start, length)))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new ModelFormatException(
                    file.name() + ": " + named(what, index) + " at byte " + start + " is not UTF-8", e);
        }
    }

    private static String named(String what, long index) {
        return index == NO_INDEX ? what : what + "[" + index + "]";
    }

    private long length(String what, long index, long max) {
        long length = u64(what);
        if (length < 0 || length > Math.min(max, file.byteSize() - at)) {
            throw new ModelFormatException(file.name() + ": " + named(what, index) + " has a string of "
                    + Long.toUnsignedString(length) + " bytes at byte " + (at - 8) + ", allowed are "
                    + Math.min(max, file.byteSize() - at));
        }
        return length;
    }

    private long take(String what, long bytes) {
        if (bytes < 0 || bytes > file.byteSize() - at) {
            throw new ModelFormatException(file.name() + ": " + what + " takes " + bytes + " bytes at byte " + at
                    + ", the file has " + file.byteSize() + "; is it truncated?");
        }
        long start = at;
        at += bytes;
        return start;
    }
}
