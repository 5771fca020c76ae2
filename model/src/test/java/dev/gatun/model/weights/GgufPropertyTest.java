package dev.gatun.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.MappedFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/** A GGUF header may say anything: it is read, or refused with one clear error; nothing else, and not for long. */
class GgufPropertyTest {
    private static final byte[] FILE = read();
    private static final int HEADER = 3000; // metadata and most of the tensors' descriptions

    private static byte[] read() {
        try {
            return Files.readAllBytes(Path.of("../golden/gguf/llama.gguf"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void readOrRefuse(byte[] bytes) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment segment = arena.allocate(bytes.length, 64);
            MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, bytes.length);
            GgufFile file = GgufFile.of(new MappedFile("m.gguf", segment.asReadOnly()));
            for (var tensor : file.tensors().values()) {
                if (tensor.elements() > 0 && tensor.dtype().isFloat() && tensor.rank() == 1) {
                    tensor.getFloat((int) (tensor.elements() - 1));
                }
            }
        } catch (ModelFormatException e) {
            assertThat(e).hasMessageStartingWith("m.gguf: ");
        }
    }

    @Property(tries = 2000)
    void changedBytesAreReadOrRefused(
            @ForAll @Size(min = 1, max = 6) List<@IntRange(min = 0, max = HEADER - 1) Integer> at,
            @ForAll @Size(6) byte[] values) {
        byte[] bytes = FILE.clone();
        for (int i = 0; i < at.size(); i++) {
            bytes[at.get(i)] = values[i];
        }
        readOrRefuse(bytes);
    }

    @Property(tries = 1000)
    void changedNumbersAreReadOrRefused(@ForAll @IntRange(min = 0, max = HEADER - 8) int at, @ForAll long value) {
        byte[] bytes = FILE.clone();
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(at, value);
        readOrRefuse(bytes);
    }

    @Property(tries = 300)
    void cutFilesAreRefused(@ForAll @IntRange(min = 0, max = HEADER) int length) {
        byte[] bytes = java.util.Arrays.copyOf(FILE, length);
        assertThatThrownBy(() -> {
                    try (Arena arena = Arena.ofShared()) {
                        MemorySegment segment =
                                arena.allocate(Math.max(1, length), 64).asSlice(0, length);
                        MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, length);
                        GgufFile.of(new MappedFile("m.gguf", segment));
                    }
                })
                .isInstanceOf(ModelFormatException.class);
    }

    /** A file of one key and one tensor. */
    private static byte[] file(long tensors, long keys, byte[]... parts) {
        ByteBuffer bytes = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put("GGUF".getBytes(StandardCharsets.US_ASCII))
                .putInt(3)
                .putLong(tensors)
                .putLong(keys);
        for (byte[] part : parts) {
            bytes.put(part);
        }
        return bytes.array();
    }

    private static byte[] bytes(Object... values) {
        ByteBuffer bytes = ByteBuffer.allocate(1024).order(ByteOrder.LITTLE_ENDIAN);
        for (Object value : values) {
            switch (value) {
                case String s -> bytes.putLong(s.length()).put(s.getBytes(StandardCharsets.UTF_8));
                case Integer i -> bytes.putInt(i);
                case Long l -> bytes.putLong(l);
                default -> throw new IllegalArgumentException(value.toString());
            }
        }
        return java.util.Arrays.copyOf(bytes.array(), bytes.position());
    }

    private static void refuses(byte[] file, String... parts) {
        assertThatThrownBy(() -> {
                    try (Arena arena = Arena.ofShared()) {
                        MemorySegment segment = arena.allocate(file.length, 64);
                        MemorySegment.copy(file, 0, segment, ValueLayout.JAVA_BYTE, 0, file.length);
                        GgufFile.of(new MappedFile("m.gguf", segment));
                    }
                })
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll(parts);
    }

    @Test
    void liesAreRefusedByName() {
        refuses(file(1L << 40, 0), "1099511627776 tensors", "131072");
        refuses(file(0, -1), "metadata keys");
        refuses(file(0, 1, bytes(Long.MAX_VALUE)), "metadata key 0", "string of 9223372036854775807 bytes");
        refuses(file(0, 1, bytes("k", 9, 4, 1L << 60)), "metadata k", "1152921504606846976 elements");
        refuses(file(0, 1, bytes("k", 99)), "metadata k has type 99");
        refuses(file(0, 2, bytes("k", 4, 1, "k", 4, 1)), "metadata k stands there twice");
        refuses(
                file(0, 1, bytes("k", 9, 9, 1L, 9, 1L, 9, 1L, 9, 1L, 9, 1L, 9, 1L)),
                "arrays in arrays, more than 4 deep");
        refuses(file(1, 0, bytes("t", 9, 1L)), "tensor t has 9 dimensions");
        refuses(file(1, 0, bytes("t", 2, 1L << 31, 2L, 0, 0L)), "dimension 0 of 2147483648");
        refuses(file(1, 0, bytes("t", 1, 32L, 20, 0L)), "tensor t is of type IQ4_NL", "Q4_K");
        refuses(file(1, 0, bytes("t", 1, 32L, 77, 0L)), "type number 77");
        refuses(file(1, 0, bytes("t", 2, 33L, 2L, 8, 0L)), "Q8_0 with rows of 33", "32");
        refuses(file(1, 0, bytes("t", 1, 32L, 0, 7L)), "starts at byte 7", "multiple of 32");
        refuses(file(1, 0, bytes("t", 1, 1000000L, 0, 0L)), "4000000 bytes", "truncated");
        refuses(file(2, 0, bytes("t", 1, 32L, 0, 0L, "u", 1, 8L, 0, 64L)), "tensor u starts", "inside tensor t");
        refuses(file(2, 0, bytes("t", 1, 8L, 0, 0L, "t", 1, 8L, 0, 64L)), "tensor t stands there twice");
    }

    @Test
    void otherVersionsAndByteOrdersAreNamed() {
        byte[] first = FILE.clone();
        first[4] = 1;
        refuses(first, "version 1", "versions 2 and 3");
        byte[] big = FILE.clone();
        big[4] = 0;
        big[7] = 3;
        refuses(big, "big-endian");
        byte[] other = FILE.clone();
        other[0] = 'X';
        refuses(other, "not with GGUF");
    }
}
