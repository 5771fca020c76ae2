package dev.gatun.model.weights;

import dev.gatun.memory.MappedFile;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Reads a GGUF header forward, never beyond its file. */
final class GgufCursor {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MappedFile file;
    private long at;

    GgufCursor(MappedFile file) {
        this.file = file;
    }

    GgufCursor(MappedFile file, long at) {
        this.file = file;
        this.at = at;
    }

    long position() {
        return at;
    }

    long u8(String what) {
        return file.segment().get(ValueLayout.JAVA_BYTE, take(what, 1)) & 0xFF;
    }

    long u16(String what) {
        return file.segment().get(SHORT, take(what, 2)) & 0xFFFF;
    }

    long u32(String what) {
        return Integer.toUnsignedLong(file.segment().get(INT, take(what, 4)));
    }

    /** Eight bytes; negative where the highest bit is set. */
    long u64(String what) {
        return file.getLong(take(what, 8));
    }

    void skip(String what, long bytes) {
        take(what, bytes);
    }

    void skipString(String what) {
        skip(what, length(what, Long.MAX_VALUE));
    }

    String string(String what, long max) {
        int length = (int) length(what, Math.min(max, Integer.MAX_VALUE));
        byte[] bytes = file.bytes(take(what, length), length);
        try {
            // A decoder of its own reports malformed input, where new String would replace it.
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new ModelFormatException(
                    file.name() + ": " + what + " at byte " + (at - length) + " is not UTF-8", e);
        }
    }

    private long length(String what, long max) {
        long length = u64(what);
        if (length < 0 || length > Math.min(max, file.byteSize() - at)) {
            throw new ModelFormatException(file.name() + ": " + what + " has a string of "
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
