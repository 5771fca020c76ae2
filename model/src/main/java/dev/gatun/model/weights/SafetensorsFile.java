package dev.gatun.model.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import dev.gatun.memory.DType;
import dev.gatun.memory.MappedFile;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A <a href="https://huggingface.co/docs/safetensors">safetensors</a> file: 8 bytes of header length (little-endian), a JSON
 * header of names, types, shapes and byte ranges, and the elements. Its tensors are views of the mapped file: no element is copied,
 * and they live as long as the arena the file was opened with. Immutable and thread-safe.
 *
 * <p>Every number in the file is checked before it is used. Beyond the format's own rules (header of at most 100 MB, ranges that
 * cover the data with no overlap and no hole) a tensor has at most {@value #MAX_RANK} dimensions, a name {@value #MAX_NAME}
 * characters and a file {@value #MAX_TENSORS} tensors, so that a header takes no more memory than about its size and 64 MB. A
 * tensor starts at a multiple of its element's size within the data; the data itself may start at any byte of the file, as in files
 * written before headers were padded (GPT-2's as published).
 */
public final class SafetensorsFile {
    static final int MAX_RANK = 16;
    static final int MAX_NAME = 1024;
    static final int MAX_TENSORS = 1 << 17;
    static final long MAX_HEADER = 100_000_000;

    private static final String METADATA = "__metadata__";
    private static final Map<String, DType> TYPES = Map.of(
            "F64", DType.F64,
            "F32", DType.F32,
            "F16", DType.F16,
            "BF16", DType.BF16,
            "I64", DType.I64,
            "I32", DType.I32,
            "I16", DType.I16,
            "I8", DType.I8,
            "U8", DType.U8,
            "BOOL", DType.BOOL);

    // Depth: header, tensor, shape. Metadata strings of any length are skipped, never held.
    private static final JsonFactory JSON = Json.factory(3, MAX_NAME, 64, 20, Long.MAX_VALUE);

    private record Entry(String name, DType dtype, Shape shape, long begin, long end) {}

    private final MappedFile file;
    private final Map<String, Tensor> tensors;

    private SafetensorsFile(MappedFile file, Map<String, Tensor> tensors) {
        this.file = file;
        this.tensors = tensors;
    }

    /**
     * Maps and checks a file for the life of {@code arena}.
     *
     * @throws IOException if it is missing or cannot be mapped
     * @throws ModelFormatException if it breaks the format
     */
    public static SafetensorsFile open(Path path, Arena arena) throws IOException {
        return of(MappedFile.open(path, arena));
    }

    /**
     * Checks a file that is open already.
     *
     * @throws ModelFormatException if it breaks the format
     */
    public static SafetensorsFile of(MappedFile file) {
        return new HeaderReader(file).read();
    }

    /** The file's path. */
    public String name() {
        return file.name();
    }

    /** All tensors by name, in the order of their bytes; unmodifiable. */
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    /** The whole file's size in bytes, header included. */
    public long byteSize() {
        return file.byteSize();
    }

    /** One pass over one header. */
    private static final class HeaderReader {
        private final MappedFile file;
        private final Set<String> names = new HashSet<>();
        private long dataStart;
        private long dataBytes;

        HeaderReader(MappedFile file) {
            this.file = file;
        }

        SafetensorsFile read() {
            long fileBytes = file.byteSize();
            if (fileBytes < Long.BYTES) {
                throw bad("a file of " + fileBytes + " bytes has no room for the 8 bytes of the header's length");
            }
            long headerBytes = file.getLong(0);
            if (headerBytes < 0 || headerBytes > MAX_HEADER) {
                throw bad("the header's length is " + Long.toUnsignedString(headerBytes) + ", at most " + MAX_HEADER
                        + " is allowed; is this a safetensors file?");
            }
            if (headerBytes > fileBytes - Long.BYTES) {
                throw bad("the header's length is " + headerBytes + ", but only " + (fileBytes - Long.BYTES)
                        + " bytes follow; is the file truncated?");
            }
            if (headerBytes == 0 || file.bytes(Long.BYTES, 1)[0] != '{') {
                throw bad("the header of " + headerBytes + " bytes does not start with '{'");
            }
            dataStart = Long.BYTES + headerBytes;
            dataBytes = fileBytes - dataStart;
            List<Entry> entries = Json.read(JSON, file, Long.BYTES, headerBytes, this::header);
            return new SafetensorsFile(file, tensors(entries));
        }

        private List<Entry> header(JsonParser parser) throws IOException {
            List<Entry> entries = new ArrayList<>();
            boolean metadata = false;
            parser.nextToken(); // the '{' that is known to be there
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                if (name.equals(METADATA)) {
                    if (metadata) {
                        throw bad(METADATA + " stands there twice");
                    }
                    metadata = true;
                    metadata(parser, value);
                } else {
                    try {
                        entries.add(tensor(parser, value, name));
                    } catch (JsonProcessingException e) {
                        throw new ModelFormatException(
                                file.name() + ": tensor " + name + " is not described in JSON: "
                                        + e.getOriginalMessage(),
                                e);
                    }
                }
            }
            return entries;
        }

        private void metadata(JsonParser parser, JsonToken value) throws IOException {
            boolean strings = value == JsonToken.START_OBJECT;
            while (strings && parser.nextToken() != JsonToken.END_OBJECT) {
                strings = parser.nextToken() == JsonToken.VALUE_STRING;
            }
            if (!strings) {
                throw bad(METADATA + " is not a map of strings, at character "
                        + parser.currentTokenLocation().getCharOffset() + " of the header");
            }
        }

        private Entry tensor(JsonParser parser, JsonToken value, String name) throws IOException {
            if (name.isEmpty()) {
                throw bad("a tensor without a name, at character "
                        + parser.currentTokenLocation().getCharOffset() + " of the header");
            }
            if (!names.add(name)) {
                throw bad(name, "stands there twice");
            }
            if (names.size() > MAX_TENSORS) {
                throw bad(name, "is one too many: at most " + MAX_TENSORS + " tensors are allowed");
            }
            if (value != JsonToken.START_OBJECT) {
                throw bad(name, "is not described by an object of dtype, shape and data_offsets");
            }
            DType dtype = null;
            Shape shape = null;
            long[] offsets = null;
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String key = parser.currentName();
                parser.nextToken();
                switch (key) {
                    case "dtype" -> {
                        once(name, key, dtype == null);
                        dtype = dtype(parser, name);
                    }
                    case "shape" -> {
                        once(name, key, shape == null);
                        shape = shape(parser, name);
                    }
                    case "data_offsets" -> {
                        once(name, key, offsets == null);
                        offsets = offsets(parser, name);
                    }
                    default -> throw bad(name, "has \"" + key + "\", which is none of dtype, shape and data_offsets");
                }
            }
            if (dtype == null || shape == null || offsets == null) {
                throw bad(name, "has no " + (dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets"));
            }
            return entry(name, dtype, shape, offsets[0], offsets[1]);
        }

        private void once(String name, String key, boolean first) {
            if (!first) {
                throw bad(name, "has " + key + " twice");
            }
        }

        private DType dtype(JsonParser parser, String name) throws IOException {
            DType dtype = parser.currentToken() == JsonToken.VALUE_STRING ? TYPES.get(parser.getText()) : null;
            if (dtype == null) {
                throw bad(
                        name,
                        "has dtype " + parser.getText() + ", which is none of "
                                + String.join(
                                        " ", TYPES.keySet().stream().sorted().toList()));
            }
            return dtype;
        }

        private Shape shape(JsonParser parser, String name) throws IOException {
            if (parser.currentToken() != JsonToken.START_ARRAY) {
                throw bad(name, "has a shape that is not a list");
            }
            int[] dims = new int[MAX_RANK];
            int rank = 0;
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                if (rank == MAX_RANK) {
                    throw bad(name, "has more than " + MAX_RANK + " dimensions");
                }
                long dim = integer(parser, name, "shape");
                if (dim < 0 || dim > Integer.MAX_VALUE) {
                    throw bad(name, "has dimension " + rank + " of " + dim + ", allowed is 0 to " + Integer.MAX_VALUE);
                }
                dims[rank++] = (int) dim;
            }
            try {
                return Shape.of(Arrays.copyOf(dims, rank));
            } catch (ShapeException e) {
                throw new ModelFormatException(file.name() + ": tensor " + name + ": " + e.getMessage(), e);
            }
        }

        private long[] offsets(JsonParser parser, String name) throws IOException {
            long[] offsets = new long[2];
            boolean two = parser.currentToken() == JsonToken.START_ARRAY;
            for (int i = 0; two && i < 2; i++) {
                two = parser.nextToken() != JsonToken.END_ARRAY;
                if (two) {
                    offsets[i] = integer(parser, name, "data_offsets");
                }
            }
            if (!two || parser.nextToken() != JsonToken.END_ARRAY) {
                throw bad(name, "has data_offsets that are not a list of two integers");
            }
            return offsets;
        }

        private long integer(JsonParser parser, String name, String key) throws IOException {
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT) {
                throw bad(name, "has " + parser.getText() + " in " + key + ", which is not an integer");
            }
            if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
                throw bad(name, "has " + parser.getText() + " in " + key + ", beyond 64 bits");
            }
            return parser.getLongValue();
        }

        private Entry entry(String name, DType dtype, Shape shape, long begin, long end) {
            String range = "has data_offsets [" + begin + "," + end + "]";
            if (begin < 0 || end < begin) {
                throw bad(name, range + ": they have to be 0 <= begin <= end");
            }
            if (end > dataBytes) {
                throw bad(name, range + " beyond the " + dataBytes + " bytes of data; is the file truncated?");
            }
            long bytes = shape.elements() * dtype.byteSize();
            if (end - begin != bytes) {
                throw bad(name, range + ", " + (end - begin) + " bytes, but " + dtype + shape + " takes " + bytes);
            }
            if (begin % dtype.byteSize() != 0) {
                throw bad(name, range + ": begin is not a multiple of the " + dtype.byteSize() + " bytes of " + dtype);
            }
            return new Entry(name, dtype, shape, begin, end);
        }

        private Map<String, Tensor> tensors(List<Entry> entries) {
            entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
            Map<String, Tensor> views = LinkedHashMap.newLinkedHashMap(entries.size());
            long covered = 0;
            String before = "";
            for (Entry entry : entries) {
                if (entry.begin < covered) {
                    throw bad(
                            entry.name,
                            "starts at byte " + entry.begin + " of the data, inside tensor " + before
                                    + ", which ends at " + covered);
                }
                if (entry.begin > covered) {
                    throw bad(
                            entry.name,
                            "starts at byte " + entry.begin + " of the data, but bytes " + covered
                                    + " to there belong to no tensor");
                }
                covered = entry.end;
                before = entry.name;
                views.put(entry.name, file.tensor(dataStart + entry.begin, entry.dtype, entry.shape));
            }
            if (covered != dataBytes) {
                throw bad("the tensors end at byte " + covered + " of the data, which has " + dataBytes);
            }
            return Collections.unmodifiableMap(views);
        }

        private ModelFormatException bad(String what) {
            return new ModelFormatException(file.name() + ": " + what);
        }

        private ModelFormatException bad(String tensor, String what) {
            return bad("tensor " + tensor + " " + what);
        }
    }
}
