package dev.gatun.model.weights;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/**
 * Files with bytes, numbers and lengths changed at random: opening one gives tensors that can be read, or a ModelFormatException,
 * and takes no more heap than the file's size and a constant.
 */
class SafetensorsPropertyTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** Parser, exception and its message, class loading of a first call. */
    private static final long CONSTANT = 4 << 20;

    private static final Pattern NUMBER = Pattern.compile("\\d+");
    private static final List<String> NUMBERS = List.of(
            "0",
            "1",
            "-1",
            "3",
            "64",
            "4294967296",
            "2147483647",
            "2147483648",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "18446744073709551616",
            "1e3",
            "1.5",
            "null",
            "\"8\"",
            "[]",
            "{}",
            "true",
            "NaN",
            "01");

    private static Path folder = Path.of("");
    private static List<byte[]> originals = List.of();

    @BeforeContainer
    static void readFiles() throws IOException {
        folder = Files.createTempDirectory("gatun-safetensors");
        Path small = RawSafetensors.write(
                folder.resolve("small.safetensors"),
                "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                        + "\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[24,32]},"
                        + "\"c\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[32,32]}}",
                32);
        Path golden = SafetensorsFileTest.GOLDEN;
        originals = List.of(
                Files.readAllBytes(small),
                Files.readAllBytes(golden.resolve("marian/model.safetensors")),
                Files.readAllBytes(golden.resolve("vaswani/model.safetensors")),
                Files.readAllBytes(golden.resolve("vaswani/expected.safetensors")));
        resultOrError(originals.getFirst()); // loads the classes
    }

    @AfterContainer
    static void deleteFiles() throws IOException {
        for (String name : List.of("small.safetensors", "mutant.safetensors")) {
            Files.deleteIfExists(folder.resolve(name));
        }
        Files.delete(folder);
    }

    private static boolean resultOrError(byte[] bytes) {
        Path file = folder.resolve("mutant.safetensors");
        try (Arena arena = Arena.ofConfined()) {
            Files.deleteIfExists(file); // never truncate a file that may still be mapped
            Files.write(file, bytes);
            long before = THREADS.getCurrentThreadAllocatedBytes();
            try {
                SafetensorsFile opened = SafetensorsFile.open(file, arena);
                allocatedAtMost(before, bytes.length);
                for (Tensor tensor : opened.tensors().values()) {
                    if (tensor.elements() > 0) {
                        int[] last = tensor.shape().toArray();
                        Arrays.setAll(last, i -> last[i] - 1);
                        if (tensor.dtype().isFloat()) {
                            tensor.getFloat(last);
                        } else {
                            tensor.getLong(last);
                        }
                    }
                }
                return true;
            } catch (ModelFormatException e) {
                allocatedAtMost(before, bytes.length);
                assertThat(e).hasMessageStartingWith(file + ": ");
                return false;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void allocatedAtMost(long before, long fileBytes) {
        assertThat(THREADS.getCurrentThreadAllocatedBytes() - before).isLessThan(fileBytes + CONSTANT);
    }

    private static int headerBytes(byte[] file) {
        return (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
    }

    private static byte[] withHeader(byte[] file, String header) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        int data = Long.BYTES + headerBytes(file);
        return ByteBuffer.allocate(Long.BYTES + json.length + file.length - data)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .put(file, data, file.length - data)
                .array();
    }

    @Property(tries = 10)
    void unchangedFilesAreRead(@ForAll @IntRange(max = 3) int which) {
        assertThat(resultOrError(originals.get(which))).isTrue();
    }

    @Property(tries = 400)
    void changedBytesGiveAResultOrTheError(
            @ForAll @IntRange(max = 3) int which,
            @ForAll @IntRange(min = 1, max = 8) int changes,
            @ForAll Random random) {
        byte[] bytes = originals.get(which).clone();
        for (int i = 0; i < changes; i++) {
            bytes[random.nextInt(Long.BYTES + headerBytes(originals.get(which)))] = (byte) random.nextInt(256);
        }
        resultOrError(bytes);
    }

    @Property(tries = 400)
    void changedNumbersGiveAResultOrTheError(
            @ForAll @IntRange(max = 3) int which,
            @ForAll @IntRange(min = 1, max = 3) int changes,
            @ForAll Random random) {
        byte[] bytes = originals.get(which);
        String header = new String(bytes, Long.BYTES, headerBytes(bytes), StandardCharsets.UTF_8);
        for (int i = 0; i < changes; i++) {
            long count = NUMBER.matcher(header).results().count();
            Matcher number = NUMBER.matcher(header);
            for (int skip = random.nextInt((int) count) + 1; skip > 0; skip--) {
                number.find();
            }
            header = header.substring(0, number.start())
                    + NUMBERS.get(random.nextInt(NUMBERS.size()))
                    + header.substring(number.end());
        }
        resultOrError(withHeader(bytes, header));
    }

    @Property(tries = 300)
    void anyHeaderLengthGivesAResultOrTheError(
            @ForAll @IntRange(max = 3) int which, @ForAll boolean near, @ForAll Random random) {
        byte[] bytes = originals.get(which).clone();
        long length = near ? headerBytes(bytes) + random.nextInt(64) - 32 : random.nextLong() >> random.nextInt(64);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
        resultOrError(bytes);
    }

    @Property(tries = 300)
    void filesCutOrGrownGiveTheError(@ForAll @IntRange(max = 3) int which, @ForAll Random random) {
        byte[] bytes = originals.get(which);
        int length = random.nextInt(bytes.length + 100);
        assertThat(resultOrError(Arrays.copyOf(bytes, length))).isEqualTo(length == bytes.length);
    }

    @Property(tries = 300)
    void partsOfTheHeaderMovedOrDoubledGiveAResultOrTheError(
            @ForAll @IntRange(max = 3) int which, @ForAll Random random) {
        byte[] bytes = originals.get(which);
        String header = new String(bytes, Long.BYTES, headerBytes(bytes), StandardCharsets.UTF_8);
        int from = random.nextInt(header.length());
        int to = from + random.nextInt(header.length() - from);
        int at = random.nextInt(header.length());
        resultOrError(withHeader(
                bytes,
                header.substring(0, at)
                        + header.substring(from, to)
                        + header.substring(random.nextBoolean() ? at : to)));
    }
}
