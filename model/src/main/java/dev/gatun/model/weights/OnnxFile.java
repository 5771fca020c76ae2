package dev.gatun.model.weights;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.MappedFile;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What an <a href="https://onnx.ai/onnx/repo-docs/IR.html">ONNX</a> file says: the nodes of its graph, and its initialisers and
 * constants as tensors, which are views of the mapped file (or of the files beside it that hold its external data) wherever the
 * file has them as plain bytes. The graph is read and never run: {@link OnnxWeights} finds the weights of an encoder in it.
 *
 * <p>Files are trusted in nothing: every length is checked, subgraphs are skipped, and reading takes memory for nodes and names only,
 * of which there are at most {@value #MAX_NODES}.
 *
 * @param name the file's path
 * @param producer who wrote it, with its version
 * @param opset version of the standard operators
 * @param inputs names of what the graph is given
 * @param nodes in the order of the file
 * @param tensors initialisers and constants by name
 * @param byteSize of all files
 */
record OnnxFile(
        String name,
        String producer,
        long opset,
        List<String> inputs,
        List<Node> nodes,
        Map<String, Tensor> tensors,
        long byteSize) {
    private static final int MAX_NODES = 1 << 18;
    private static final int MAX_RANK = 16;
    private static final long MIN_OPSET = 9;
    private static final long MAX_OPSET = 26;

    /** Nodes of kinds that we know differ in nothing that matters here, between these versions. */
    private static final Map<Integer, DType> TYPES = Map.of(
            1, DType.F32,
            2, DType.U8,
            3, DType.I8,
            5, DType.I16,
            6, DType.I32,
            7, DType.I64,
            9, DType.BOOL,
            10, DType.F16,
            11, DType.F64,
            16, DType.BF16);

    /**
     * One operator.
     *
     * @param ints its attributes that are single integers
     * @param floats its attributes that are single numbers
     */
    record Node(
            String op,
            String name,
            List<String> inputs,
            List<String> outputs,
            Map<String, Long> ints,
            Map<String, Float> floats) {
        /** An input by its place; empty where it is left out. */
        String input(int i) {
            return i < inputs.size() ? inputs.get(i) : "";
        }

        /** The first output. */
        String output() {
            return outputs.isEmpty() ? "" : outputs.getFirst();
        }
    }

    /**
     * Reads a file of a folder; external data lies beside it.
     *
     * @param arena for the life of which files are mapped
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if it is not ONNX, or of an operator set that is not known
     */
    static OnnxFile read(ModelFolder folder, String fileName, Arena arena) throws IOException {
        return new Parser(folder, folder.open(fileName, arena), arena).read();
    }

    /** How many nodes there are of each kind, for messages: the most frequent first. */
    String summary() {
        Map<String, Integer> counts = new TreeMap<>();
        for (Node node : nodes) {
            counts.merge(node.op, 1, Integer::sum);
        }
        List<String> most = counts.entrySet().stream()
                .sorted(Map.Entry.<String, Integer>comparingByValue().reversed())
                .limit(6)
                .map(entry -> entry.getValue() + " " + entry.getKey())
                .toList();
        return "a graph by " + (producer.isEmpty() ? "an unknown producer" : producer) + ", opset " + opset
                + ", with inputs " + inputs + " and " + nodes.size() + " nodes"
                + (most.isEmpty() ? "" : " (" + String.join(", ", most) + ")");
    }

    private interface Field {
        /** Reads the value of a field, or says that it is none of interest. */
        boolean read(int field, int wireType) throws IOException;
    }

    /** Where a tensor's elements are, as its message says. */
    private static final class TensorFields {
        final List<Long> dims = new ArrayList<>();
        int type;
        String name = "";
        long at = -1; // of plain bytes in the file
        long bytes;
        boolean external;
        final Map<String, String> externalData = new HashMap<>();
        final List<Long> integers = new ArrayList<>();
    }

    private static final class Parser {
        private static final ValueLayout.OfLong LONG =
                ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        private static final ValueLayout.OfShort SHORT =
                ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

        /** Integers that are not plain bytes are of shapes and scales; weights are plain bytes. */
        private static final int MAX_INTEGERS = 1 << 20;

        private final ModelFolder folder;
        private final MappedFile file;
        private final Arena arena;
        private final CodedInputStream in;
        private final Map<String, MappedFile> beside = new HashMap<>();
        private final List<Node> nodes = new ArrayList<>();
        private final Map<String, Tensor> tensors = new LinkedHashMap<>();
        private final List<String> inputs = new ArrayList<>();
        private String producer = "";
        private long opset = -1;
        private boolean graph;

        Parser(ModelFolder folder, MappedFile file, Arena arena) {
            this.folder = folder;
            this.file = file;
            this.arena = arena;
            if (file.byteSize() > Integer.MAX_VALUE) {
                throw bad("of " + file.byteSize() + " bytes; ONNX keeps what is beyond 2 GB in files of external data");
            }
            in = CodedInputStream.newInstance(file.stream(0, file.byteSize()));
        }

        OnnxFile read() throws IOException {
            try {
                fields(this::model);
            } catch (com.google.protobuf.InvalidProtocolBufferException e) {
                throw new ModelFormatException(
                        file.name() + ": not ONNX, or truncated, at byte " + in.getTotalBytesRead() + " of "
                                + file.byteSize() + ": " + e.getMessage(),
                        e);
            } catch (UncheckedIOException e) {
                throw e.getCause();
            }
            if (!graph) {
                throw bad("not ONNX: there is no graph in its " + file.byteSize() + " bytes");
            }
            if (opset < MIN_OPSET || opset > MAX_OPSET) {
                throw bad("is of operator set " + (opset < 0 ? "unknown" : opset) + ", read are " + MIN_OPSET + " to "
                        + MAX_OPSET);
            }
            long bytes = file.byteSize()
                    + beside.values().stream().mapToLong(MappedFile::byteSize).sum();
            return new OnnxFile(file.name(), producer.strip(), opset, inputs, nodes, tensors, bytes);
        }

        private boolean model(int field, int wireType) throws IOException {
            if (wireType != WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                return false;
            }
            switch (field) {
                case 2 -> producer = in.readString() + " " + producer;
                case 3 -> producer = producer + in.readString();
                case 7 -> {
                    graph = true;
                    message(this::graph);
                }
                case 8 -> opset();
                default -> {
                    return false;
                }
            }
            return true;
        }

        private void opset() throws IOException {
            var set = new Object() {
                String domain = "";
                long version = -1;
            };
            message((field, wireType) -> {
                if (field == 1 && wireType == WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                    set.domain = in.readString();
                } else if (field == 2 && wireType == WireFormat.WIRETYPE_VARINT) {
                    set.version = in.readInt64();
                } else {
                    return false;
                }
                return true;
            });
            if (set.domain.isEmpty() || set.domain.equals("ai.onnx")) {
                opset = set.version;
            }
        }

        private boolean graph(int field, int wireType) throws IOException {
            if (wireType != WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                return false;
            }
            switch (field) {
                case 1 -> node();
                case 5 -> {
                    TensorFields fields = tensor();
                    put(fields.name, fields);
                }
                case 11 ->
                    message((inner, type) -> {
                        if (inner == 1 && type == WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                            inputs.add(in.readString());
                            return true;
                        }
                        return false;
                    });
                default -> {
                    return false;
                }
            }
            return true;
        }

        private void node() throws IOException {
            if (nodes.size() == MAX_NODES) {
                throw bad("has more than " + MAX_NODES + " nodes");
            }
            var node = new Object() {
                String op = "";
                String name = "";
            };
            List<String> nodeInputs = new ArrayList<>();
            List<String> outputs = new ArrayList<>();
            Map<String, Long> ints = new HashMap<>();
            Map<String, Float> floats = new HashMap<>();
            List<TensorFields> values = new ArrayList<>();
            message((field, wireType) -> {
                if (wireType != WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                    return false;
                }
                switch (field) {
                    case 1 -> nodeInputs.add(in.readString());
                    case 2 -> outputs.add(in.readString());
                    case 3 -> node.name = in.readString();
                    case 4 -> node.op = in.readString();
                    case 5 -> attribute(ints, floats, values);
                    default -> {
                        return false;
                    }
                }
                return true;
            });
            if (node.op.equals("Constant") && !values.isEmpty() && !outputs.isEmpty()) {
                put(outputs.getFirst(), values.getFirst());
            }
            nodes.add(new Node(node.op, node.name, List.copyOf(nodeInputs), List.copyOf(outputs), ints, floats));
        }

        private void attribute(Map<String, Long> ints, Map<String, Float> floats, List<TensorFields> values)
                throws IOException {
            var attribute = new Object() {
                String name = "";

                @Nullable
                Long i;

                @Nullable
                Float f;
            };
            message((field, wireType) -> {
                if (field == 1 && wireType == WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                    attribute.name = in.readString();
                } else if (field == 2 && wireType == WireFormat.WIRETYPE_FIXED32) {
                    attribute.f = in.readFloat();
                } else if (field == 3 && wireType == WireFormat.WIRETYPE_VARINT) {
                    attribute.i = in.readInt64();
                } else if (field == 5 && wireType == WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                    values.add(tensor());
                } else {
                    return false;
                }
                return true;
            });
            if (attribute.i != null) {
                ints.put(attribute.name, attribute.i);
            }
            if (attribute.f != null) {
                floats.put(attribute.name, attribute.f);
            }
        }

        private TensorFields tensor() throws IOException {
            var tensor = new TensorFields();
            message((field, wireType) -> {
                boolean lengthDelimited = wireType == WireFormat.WIRETYPE_LENGTH_DELIMITED;
                switch (field) {
                    case 1 -> integers(tensor.dims, MAX_RANK, wireType);
                    case 2 -> tensor.type = in.readInt32();
                    case 5, 7 -> integers(tensor.integers, MAX_INTEGERS, wireType);
                    case 8 -> tensor.name = in.readString();
                    case 4, 9, 10 -> {
                        // Raw bytes, packed floats and packed doubles are all little-endian elements side by side.
                        if (!lengthDelimited || tensor.at >= 0) {
                            throw bad("tensor \"" + tensor.name + "\" has its numbers in pieces");
                        }
                        tensor.bytes = in.readRawVarint32();
                        tensor.at = in.getTotalBytesRead();
                        if (tensor.bytes < 0 || tensor.bytes > file.byteSize() - tensor.at) {
                            throw bad("tensor \"" + tensor.name + "\" says it has " + tensor.bytes + " bytes at byte "
                                    + tensor.at + ", the file has " + file.byteSize() + "; is it truncated?");
                        }
                        in.skipRawBytes((int) tensor.bytes);
                    }
                    case 13 -> externalEntry(tensor.externalData);
                    case 14 -> tensor.external = in.readInt32() == 1;
                    default -> {
                        return false;
                    }
                }
                return true;
            });
            return tensor;
        }

        private void integers(List<Long> values, int max, int wireType) throws IOException {
            if (wireType == WireFormat.WIRETYPE_VARINT) {
                values.add(in.readInt64());
            } else {
                int outer = in.pushLimit(in.readRawVarint32());
                while (in.getBytesUntilLimit() > 0 && values.size() <= max) {
                    values.add(in.readInt64());
                }
                in.skipRawBytes(Math.max(0, in.getBytesUntilLimit()));
                in.popLimit(outer);
            }
            if (values.size() > max) {
                throw bad("has a list of more than " + max + " integers, at byte " + in.getTotalBytesRead());
            }
        }

        private void externalEntry(Map<String, String> entries) throws IOException {
            var entry = new Object() {
                String key = "";
                String value = "";
            };
            message((field, wireType) -> {
                if (wireType != WireFormat.WIRETYPE_LENGTH_DELIMITED || field > 2) {
                    return false;
                }
                String text = in.readString();
                if (field == 1) {
                    entry.key = text;
                } else {
                    entry.value = text;
                }
                return true;
            });
            entries.put(entry.key, entry.value);
        }

        /** Keeps a tensor of a type that we have; there may be others, strings say, which no weight is. */
        private void put(String name, TensorFields fields) throws IOException {
            DType dtype = TYPES.get(fields.type);
            if (dtype == null) {
                return;
            }
            int[] dims = new int[fields.dims.size()];
            for (int i = 0; i < dims.length; i++) {
                long dim = fields.dims.get(i);
                if (dim < 0 || dim > Integer.MAX_VALUE) {
                    throw bad("tensor \"" + name + "\" has dimension " + i + " of " + dim);
                }
                dims[i] = (int) dim;
            }
            Shape shape;
            try {
                shape = Shape.of(dims);
            } catch (ShapeException e) {
                throw new ModelFormatException(file.name() + ": tensor \"" + name + "\": " + e.getMessage(), e);
            }
            Tensor before = tensors.put(name, elements(name, dtype, shape, fields));
            if (before != null) {
                throw bad("tensor \"" + name + "\" stands there twice");
            }
        }

        private Tensor elements(String name, DType dtype, Shape shape, TensorFields fields) throws IOException {
            long bytes = shape.elements() * dtype.byteSize();
            if (fields.external) {
                return external(name, dtype, shape, bytes, fields.externalData);
            }
            if (fields.at >= 0) {
                if (fields.bytes != bytes) {
                    throw bad("tensor \"" + name + "\" has " + fields.bytes + " bytes, but " + dtype + shape + " takes "
                            + bytes);
                }
                return file.tensor(fields.at, dtype, shape);
            }
            if (fields.integers.size() != shape.elements()) {
                throw bad("tensor \"" + name + "\" has " + fields.integers.size() + " numbers, but " + dtype + shape
                        + " has " + shape.elements());
            }
            MemorySegment segment = arena.allocate(Math.max(1, bytes), Tensor.ALIGNMENT);
            for (int i = 0; i < fields.integers.size(); i++) {
                long value = fields.integers.get(i);
                long at = (long) i * dtype.byteSize();
                switch (dtype.byteSize()) {
                    case 1 -> segment.set(ValueLayout.JAVA_BYTE, at, (byte) value);
                    case 2 -> segment.set(SHORT, at, (short) value); // 16-bit floats are kept as their bits
                    case 4 -> segment.set(INT, at, (int) value);
                    default -> segment.set(LONG, at, value);
                }
            }
            return Tensor.of(segment, dtype, shape);
        }

        private Tensor external(String name, DType dtype, Shape shape, long bytes, Map<String, String> data)
                throws IOException {
            String location = data.getOrDefault("location", "");
            if (!ModelFolder.isPlainName(location)) {
                throw bad("tensor \"" + name + "\" has its data in \"" + location
                        + "\", which is not the plain name of a file beside it");
            }
            MappedFile data0 = beside.get(location);
            if (data0 == null) {
                data0 = folder.open(location, arena);
                beside.put(location, data0);
            }
            long offset = number(name, data, "offset", 0);
            long length = number(name, data, "length", bytes);
            if (length != bytes || offset > data0.byteSize() - bytes) {
                throw bad("tensor \"" + name + "\", " + dtype + shape + " of " + bytes + " bytes, is said to be "
                        + length + " bytes at " + offset + " of " + data0.name() + ", which has " + data0.byteSize());
            }
            return data0.tensor(offset, dtype, shape);
        }

        private long number(String name, Map<String, String> data, String key, long fallback) {
            String text = data.get(key);
            if (text == null) {
                return fallback;
            }
            if (!text.matches("\\d{1,18}")) {
                throw bad("tensor \"" + name + "\" has external data with " + key + " \"" + text + "\"");
            }
            return Long.parseLong(text);
        }

        private void message(Field field) throws IOException {
            int length = in.readRawVarint32();
            int outer = in.pushLimit(length);
            fields(field);
            in.popLimit(outer);
        }

        private void fields(Field reader) throws IOException {
            for (int tag; (tag = in.readTag()) != 0; ) {
                if (!reader.read(WireFormat.getTagFieldNumber(tag), WireFormat.getTagWireType(tag))) {
                    in.skipField(tag);
                }
            }
        }

        private ModelFormatException bad(String what) {
            return new ModelFormatException(file.name() + ": " + what);
        }
    }
}
