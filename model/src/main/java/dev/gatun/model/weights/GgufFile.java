package dev.gatun.model.weights;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.MappedFile;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">GGUF</a> file of version 2 or 3: metadata, and tensors as
 * views of the mapped file, which live as long as the arena it was opened with. Immutable and thread-safe.
 *
 * <p>Every number in the file is checked before it is used. Arrays of metadata, a vocabulary for example, stay in the file until
 * they are asked for, so that a header takes no more memory than a constant for each of its keys and tensors, which are at most
 * {@value #MAX_KEYS} and {@value #MAX_TENSORS}.
 */
public final class GgufFile {
    static final int MAX_KEYS = 1 << 16;
    static final int MAX_TENSORS = 1 << 17;
    static final int MAX_NAME = 1024;
    private static final int MAX_RANK = 4;
    private static final int MAX_DEPTH = 4;
    private static final int MAX_ALIGNMENT = 1 << 16;
    private static final long MAGIC = 0x46554747; // "GGUF"

    private static final Map<Long, DType> PLAIN = Map.of(
            0L,
            DType.F32,
            1L,
            DType.F16,
            24L,
            DType.I8,
            25L,
            DType.I16,
            26L,
            DType.I32,
            27L,
            DType.I64,
            28L,
            DType.F64,
            30L,
            DType.BF16);
    private static final Map<Long, BlockFormat> BLOCKS = Map.of(
            2L, BlockFormat.Q4_0,
            3L, BlockFormat.Q4_1,
            6L, BlockFormat.Q5_0,
            7L, BlockFormat.Q5_1,
            8L, BlockFormat.Q8_0,
            12L, BlockFormat.Q4_K,
            13L, BlockFormat.Q5_K,
            14L, BlockFormat.Q6_K);

    /** What ggml calls the types that we do not read, for the error. */
    private static final Map<Long, String> OTHERS = Map.ofEntries(
            Map.entry(9L, "Q8_1"),
            Map.entry(10L, "Q2_K"),
            Map.entry(11L, "Q3_K"),
            Map.entry(15L, "Q8_K"),
            Map.entry(16L, "IQ2_XXS"),
            Map.entry(17L, "IQ2_XS"),
            Map.entry(18L, "IQ3_XXS"),
            Map.entry(19L, "IQ1_S"),
            Map.entry(20L, "IQ4_NL"),
            Map.entry(21L, "IQ3_S"),
            Map.entry(22L, "IQ2_S"),
            Map.entry(23L, "IQ4_XS"),
            Map.entry(29L, "IQ1_M"),
            Map.entry(34L, "TQ1_0"),
            Map.entry(35L, "TQ2_0"),
            Map.entry(39L, "MXFP4"));

    private final MappedFile file;
    private final int version;
    private final Map<String, Object> metadata; // Long, Double, Boolean, String or GgufArray
    private final Map<String, Tensor> tensors;
    private final Map<String, QuantizedMatrix> quantized;

    private GgufFile(
            MappedFile file,
            int version,
            Map<String, Object> metadata,
            Map<String, Tensor> tensors,
            Map<String, QuantizedMatrix> quantized) {
        this.file = file;
        this.version = version;
        this.metadata = Collections.unmodifiableMap(metadata);
        this.tensors = Collections.unmodifiableMap(tensors);
        this.quantized = Collections.unmodifiableMap(quantized);
    }

    /**
     * Maps and checks a file for the life of {@code arena}.
     *
     * @throws IOException if it is missing or cannot be mapped
     * @throws ModelFormatException if it breaks the format, or has a tensor of a type that we do not read
     */
    public static GgufFile open(Path path, Arena arena) throws IOException {
        return of(MappedFile.open(path, arena));
    }

    /**
     * Checks a file that is open already.
     *
     * @throws ModelFormatException as {@link #open}
     */
    public static GgufFile of(MappedFile file) {
        return new HeaderReader(file).read();
    }

    /** The file's path. */
    public String name() {
        return file.name();
    }

    /** 2 or 3. */
    public int version() {
        return version;
    }

    /** The whole file's size in bytes. */
    public long byteSize() {
        return file.byteSize();
    }

    /** Tensors of plain types, by name, in the order of the file; unmodifiable. */
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    /** Tensors in blocks, by name, in the order of the file; unmodifiable. */
    public Map<String, QuantizedMatrix> quantized() {
        return quantized;
    }

    /** All keys of the metadata, in the order of the file; unmodifiable. */
    public Set<String> keys() {
        return metadata.keySet();
    }

    /** A single value (Long, Double, Boolean or String), or null where there is none or it is an array. */
    public @Nullable Object value(String key) {
        Object value = metadata.get(key);
        return value instanceof GgufArray ? null : value;
    }

    /** Elements of an array; -1 if there is no such array. */
    public long arrayLength(String key) {
        return metadata.get(key) instanceof GgufArray array ? array.length() : -1;
    }

    /** Whether there is such a key. */
    public boolean has(String key) {
        return metadata.containsKey(key);
    }

    /**
     * A string.
     *
     * @throws ModelFormatException if it is absent or something else
     */
    public String requireString(String key) {
        return metadata.get(key) instanceof String text ? text : fail(key, "a string");
    }

    /** A string, or {@code fallback} if it is absent. */
    public String optionalString(String key, String fallback) {
        return has(key) ? requireString(key) : fallback;
    }

    /** A boolean, or {@code fallback} if it is absent. */
    public boolean optionalBoolean(String key, boolean fallback) {
        return !has(key) ? fallback : metadata.get(key) instanceof Boolean value ? value : fail(key, "true or false");
    }

    /** An integer, or {@code fallback} if it is absent. */
    public long optionalInt(String key, long fallback) {
        return !has(key) ? fallback : metadata.get(key) instanceof Long value ? value : fail(key, "an integer");
    }

    /**
     * All strings of an array.
     *
     * @throws ModelFormatException if it is absent, no array of strings, or one is not UTF-8
     */
    public List<String> requireStrings(String key) {
        return metadata.get(key) instanceof GgufArray array ? array.strings(key) : fail(key, "an array of strings");
    }

    /** All numbers of an array of integers or floats. */
    public double[] requireNumbers(String key) {
        return metadata.get(key) instanceof GgufArray array ? array.numbers(key) : fail(key, "an array of numbers");
    }

    @SuppressWarnings("TypeParameterUnusedInFormals") // never returns: of whatever type the caller's expression needs
    private <T> T fail(String key, String wanted) {
        throw new ModelFormatException(
                file.name() + ": metadata " + key + (has(key) ? " is not " + wanted : " is missing"));
    }

    private record Entry(String name, long[] dims, long type, long offset, long bytes) {}

    /** One pass over one header. */
    private static final class HeaderReader {
        private final GgufCursor in;
        private final MappedFile file;

        HeaderReader(MappedFile file) {
            this.file = file;
            this.in = new GgufCursor(file);
        }

        GgufFile read() {
            if (file.byteSize() < 24) {
                throw bad("a file of " + file.byteSize() + " bytes has no room for GGUF's first 24");
            }
            long magic = in.u32("magic");
            if (magic != MAGIC) {
                throw bad(String.format("starts with %08x, not with GGUF", Integer.reverseBytes((int) magic)));
            }
            long version = in.u32("version");
            if (version != 2 && version != 3) {
                throw bad("is GGUF of version " + version
                        + (Integer.reverseBytes((int) version) == 3 ? ", written big-endian" : "")
                        + "; versions 2 and 3 are read, little-endian");
            }
            long tensorCount = count("tensors", MAX_TENSORS);
            long keyCount = count("metadata keys", MAX_KEYS);
            Map<String, Object> metadata = new LinkedHashMap<>();
            for (long i = 0; i < keyCount; i++) {
                String key = in.string("metadata key " + i, MAX_NAME);
                if (metadata.put(key, value(key, in.u32(key), 0)) != null) {
                    throw bad("metadata " + key + " stands there twice");
                }
            }
            List<Entry> entries = entries(tensorCount);
            long alignment = metadata.getOrDefault("general.alignment", 32L) instanceof Long value ? value : 0;
            if (alignment < 8 || alignment > MAX_ALIGNMENT || alignment % 8 != 0) {
                throw bad("general.alignment is " + metadata.get("general.alignment")
                        + ", allowed is a multiple of 8 to " + MAX_ALIGNMENT);
            }
            long dataStart = (in.position() + alignment - 1) / alignment * alignment;
            return tensors(entries, dataStart, alignment, (int) version, metadata);
        }

        private long count(String what, int max) {
            long n = in.u64("number of " + what);
            if (n < 0 || n > max) {
                throw bad("says it has " + Long.toUnsignedString(n) + " " + what + ", at most " + max + " are allowed");
            }
            return n;
        }

        private Object value(String key, long type, int depth) {
            return switch ((int) type) {
                case 0 -> in.u8(key);
                case 1 -> (long) (byte) in.u8(key);
                case 2 -> in.u16(key);
                case 3 -> (long) (short) in.u16(key);
                case 4 -> in.u32(key);
                case 5 -> (long) (int) in.u32(key);
                case 6 -> (double) Float.intBitsToFloat((int) in.u32(key));
                case 7 -> bool(key);
                case 8 -> in.string(key, Integer.MAX_VALUE);
                case 9 -> array(key, depth);
                case 10, 11 -> in.u64(key);
                case 12 -> Double.longBitsToDouble(in.u64(key));
                default -> throw bad("metadata " + key + " has type " + type + ", known are 0 to 12");
            };
        }

        private boolean bool(String key) {
            long value = in.u8(key);
            if (value > 1) {
                throw bad("metadata " + key + " is a boolean of value " + value);
            }
            return value == 1;
        }

        /** Passes over an array, checking that it is there. */
        private GgufArray array(String key, int depth) {
            long type = in.u32(key);
            long length = in.u64(key);
            long start = in.position();
            if (length < 0 || length > file.byteSize() - start) { // an element takes at least a byte
                throw bad("metadata " + key + " says it has " + Long.toUnsignedString(length) + " elements, but only "
                        + (file.byteSize() - start) + " bytes follow; is the file truncated?");
            }
            if (type == 9 && depth == MAX_DEPTH) {
                throw bad("metadata " + key + " has arrays in arrays, more than " + MAX_DEPTH + " deep");
            }
            int size = GgufArray.elementBytes(type);
            if (size > 0) {
                in.skip(key, Math.multiplyExact(length, (long) size));
            } else {
                for (long i = 0; i < length; i++) {
                    if (type == 8) {
                        in.skipString(key);
                    } else if (type == 9) {
                        array(key, depth + 1);
                    } else {
                        throw bad("metadata " + key + " is an array of type " + type + ", known are 0 to 12");
                    }
                }
            }
            return new GgufArray(file, type, length, start);
        }

        private List<Entry> entries(long n) {
            List<Entry> entries = new ArrayList<>();
            for (long i = 0; i < n; i++) {
                String name = in.string("name of tensor " + i, MAX_NAME);
                long rank = in.u32(name);
                if (rank < 1 || rank > MAX_RANK) {
                    throw bad("tensor " + name + " has " + rank + " dimensions, allowed is 1 to " + MAX_RANK);
                }
                long[] dims = new long[(int) rank]; // innermost first
                long elements = 1;
                for (int d = 0; d < rank; d++) {
                    dims[d] = in.u64(name);
                    if (dims[d] < 0 || dims[d] > Integer.MAX_VALUE) {
                        throw bad("tensor " + name + " has dimension " + d + " of " + Long.toUnsignedString(dims[d])
                                + ", allowed is 0 to " + Integer.MAX_VALUE);
                    }
                    if (dims[d] > 0 && elements > Long.MAX_VALUE / 8 / dims[d]) {
                        throw bad("tensor " + name + " has more elements than 64 bits can count bytes of");
                    }
                    elements *= dims[d];
                }
                long type = in.u32(name);
                entries.add(new Entry(name, dims, type, in.u64(name), bytes(name, type, dims, elements)));
            }
            return entries;
        }

        private long bytes(String name, long type, long[] dims, long elements) {
            DType plain = PLAIN.get(type);
            if (plain != null) {
                return elements * plain.byteSize();
            }
            BlockFormat format = BLOCKS.get(type);
            if (format == null) {
                throw bad("tensor " + name + " is of type " + OTHERS.getOrDefault(type, "number " + type)
                        + ", read are F64 F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K Q5_K Q6_K");
            }
            if (dims.length > 2) {
                throw bad("tensor " + name + " is of type " + format + " and has " + dims.length
                        + " dimensions: matrices are read");
            }
            if (dims[0] % format.blockSize() != 0) {
                throw bad("tensor " + name + " is of type " + format + " with rows of " + dims[0]
                        + ", which is not a multiple of " + format.blockSize());
            }
            return elements / format.blockSize() * format.blockBytes();
        }

        private GgufFile tensors(
                List<Entry> entries, long dataStart, long alignment, int version, Map<String, Object> metadata) {
            long dataBytes = Math.max(0, file.byteSize() - dataStart);
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            Map<String, QuantizedMatrix> quantized = new LinkedHashMap<>();
            for (Entry entry : entries) {
                if (entry.offset < 0 || entry.offset % alignment != 0) {
                    throw bad("tensor " + entry.name + " starts at byte " + Long.toUnsignedString(entry.offset)
                            + " of the data, which is not a multiple of " + alignment);
                }
                if (entry.offset > dataBytes || entry.bytes > dataBytes - entry.offset) {
                    throw bad("tensor " + entry.name + " of " + entry.bytes + " bytes starts at byte " + entry.offset
                            + " of the data, which has " + dataBytes + "; is the file truncated?");
                }
                if (tensors.containsKey(entry.name) || quantized.containsKey(entry.name)) {
                    throw bad("tensor " + entry.name + " stands there twice");
                }
                BlockFormat format = BLOCKS.get(entry.type);
                if (format == null) {
                    tensors.put(entry.name, plain(entry, dataStart));
                } else {
                    int n = entry.dims.length == 1 ? 1 : (int) entry.dims[1];
                    quantized.put(
                            entry.name,
                            new QuantizedMatrix(
                                    file.segment().asSlice(dataStart + entry.offset, entry.bytes), format, n, (int)
                                            entry.dims[0]));
                }
            }
            checkOverlap(entries);
            return new GgufFile(file, version, metadata, tensors, quantized);
        }

        private Tensor plain(Entry entry, long dataStart) {
            int[] dims = new int[entry.dims.length];
            for (int i = 0; i < dims.length; i++) {
                dims[i] = (int) entry.dims[dims.length - 1 - i];
            }
            DType type = PLAIN.get(entry.type);
            if (type == null) {
                throw new IllegalStateException("type " + entry.type + " was checked");
            }
            try {
                return file.tensor(dataStart + entry.offset, type, Shape.of(dims));
            } catch (ShapeException e) {
                throw new ModelFormatException(file.name() + ": tensor " + entry.name + ": " + e.getMessage(), e);
            }
        }

        private void checkOverlap(List<Entry> entries) {
            List<Entry> sorted = new ArrayList<>(entries);
            sorted.sort(Comparator.comparingLong(Entry::offset).thenComparingLong(Entry::bytes));
            for (int i = 1; i < sorted.size(); i++) {
                Entry before = sorted.get(i - 1);
                Entry entry = sorted.get(i);
                if (entry.offset < before.offset + before.bytes) {
                    throw bad("tensor " + entry.name + " starts at byte " + entry.offset
                            + " of the data, inside tensor " + before.name);
                }
            }
        }

        private ModelFormatException bad(String what) {
            return new ModelFormatException(file.name() + ": " + what);
        }
    }
}
