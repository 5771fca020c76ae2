package dev.gatun.model.weights;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.MappedFile;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.Weights.Description;
import dev.gatun.ops.Backend;
import dev.gatun.ops.StoredWeight;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.zip.CRC32C;

/**
 * A model in one file, made by {@link ModelPacker}: the files of its folder, tensors, and weights in the layout that the vector kernels
 * read. Seen as a folder. Mapped, nothing of it is copied, and processes share its pages. Little-endian:
 *
 * <pre>
 * 8  "GATUNPK" and the version of the format
 * 8  where the header begins     8  its bytes
 * 8  CRC-32C of the header, which interpreted code computes as fast as compiled: SHA-256 took a cold start 25 ms
 *    ... data, each piece with its CRC-32C in the header
 *    the header, JSON: vector_bits, sha256 (of the checkpoint's tensors), files, tensors, weights
 * </pre>
 */
final class PackedFolder implements ModelFolder {
    static final byte[] MAGIC = {'G', 'A', 'T', 'U', 'N', 'P', 'K', 2};
    static final int PREAMBLE = MAGIC.length + 24;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final double MOST = 1L << 53;

    private final Path path;
    private final String prefix; // of names: empty, or a folder and a slash
    private final JsonConfig header;
    private final Map<String, Piece> files = new LinkedHashMap<>();

    /** Bytes of the file. */
    private record Piece(long offset, long bytes, int crc) {}

    private PackedFolder(Path path, String prefix, JsonConfig header, long size) {
        this.path = path;
        this.prefix = prefix;
        this.header = header;
        for (JsonConfig file : header.objects("files")) {
            files.put(file.requireString("name"), piece(file, "", size));
        }
    }

    /** Whether a file begins as ours do. */
    static boolean is(Path path) throws IOException {
        if (!Files.isRegularFile(path)) {
            return false;
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            java.nio.ByteBuffer start = java.nio.ByteBuffer.allocate(MAGIC.length - 1);
            channel.read(start, 0);
            return java.util.Arrays.equals(start.array(), 0, MAGIC.length - 1, MAGIC, 0, MAGIC.length - 1);
        }
    }

    /**
     * Reads the header.
     *
     * @throws ModelFormatException if the file is damaged or of another version
     */
    static PackedFolder open(Path path) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MappedFile file = MappedFile.open(path, arena);
            if (file.byteSize() < PREAMBLE) {
                throw new ModelFormatException(path + ": " + file.byteSize() + " bytes, less than a packed model has");
            }
            byte[] magic = file.bytes(0, MAGIC.length);
            for (int i = 0; i < MAGIC.length; i++) {
                if (magic[i] != MAGIC[i]) {
                    throw new ModelFormatException(path
                            + (i == MAGIC.length - 1
                                    ? ": a packed model of format " + magic[i] + ", this is for " + MAGIC[i]
                                    : ": no packed model"));
                }
            }
            long at = file.segment().get(LONG, MAGIC.length);
            long bytes = file.segment().get(LONG, MAGIC.length + 8);
            if (at < PREAMBLE || bytes < 2 || at > file.byteSize() || bytes != file.byteSize() - at) {
                throw new ModelFormatException(
                        path + ": its header has " + bytes + " bytes at " + at + ", the file " + file.byteSize());
            }
            MemorySegment json = file.segment().asSlice(at, bytes);
            if (Integer.toUnsignedLong(crc(json)) != file.segment().get(LONG, MAGIC.length + 16)) {
                throw new ModelFormatException(path + ": damaged: its header does not have the checksum that it says");
            }
            return new PackedFolder(
                    path, "", JsonConfig.read(new MappedFile(path + " (header)", json)), file.byteSize());
        }
    }

    private static long number(JsonConfig json, String key) {
        double value = json.requireDouble(key, 0, MOST);
        if (value != Math.rint(value)) {
            throw new ModelFormatException(json.file() + ": " + key + " is " + value + ", no whole number");
        }
        return (long) value;
    }

    private static Piece piece(JsonConfig json, String prefix, long size) {
        long offset = number(json, prefix + "offset");
        long bytes = number(json, prefix + "bytes");
        if (offset > size || bytes > size - offset) {
            throw new ModelFormatException(json.file() + ": " + bytes + " bytes at " + offset + " of " + size);
        }
        return new Piece(offset, bytes, (int) number(json, prefix + "crc"));
    }

    private MemorySegment checked(MemorySegment file, Piece piece, String name) {
        MemorySegment bytes = file.asSlice(piece.offset, piece.bytes);
        if (crc(bytes) != piece.crc) {
            throw new ModelFormatException(path + ": damaged: " + name + " has another checksum");
        }
        return bytes;
    }

    static int crc(MemorySegment bytes) {
        var crc = new CRC32C();
        for (long at = 0; at < bytes.byteSize(); at += 1 << 26) {
            crc.update(
                    bytes.asSlice(at, Math.min(1 << 26, bytes.byteSize() - at)).asByteBuffer());
        }
        return (int) crc.getValue();
    }

    /** Tensors and weights, checked and mapped for the life of {@code arena}. */
    Weights.Contents contents(Arena arena) throws IOException {
        int bits = header.requireInt("vector_bits", 128, 512);
        if (bits != Backend.layoutVectorBits()) {
            throw new ModelFormatException(path + ": packed for vectors of " + bits + " bits, here are "
                    + Backend.layoutVectorBits() + ": pack the model here");
        }
        MappedFile file = MappedFile.open(path, arena);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, QuantizedMatrix> quantized = new LinkedHashMap<>();
        Map<String, Description> elsewhere = new LinkedHashMap<>();
        for (JsonConfig json : header.objects("tensors")) {
            String name = json.requireString("name");
            String type = json.requireString("type");
            Shape shape = shape(json);
            if (!json.has("offset")) {
                elsewhere.put(name, new Description(type, shape, number(json, "bytes")));
                continue;
            }
            MemorySegment bytes = checked(file.segment(), piece(json, "", file.byteSize()), name);
            if (isBlocks(type)) {
                quantized.put(name, blocks(json, bytes, type, shape));
            } else {
                tensors.put(name, tensor(json, bytes, type, shape));
            }
        }
        Map<String, StoredWeight> stored = new LinkedHashMap<>();
        for (JsonConfig json : header.objects("weights")) {
            String key = json.requireString("key");
            String type = json.requireString("type");
            Shape shape = shape(json);
            MemorySegment kernels = checked(file.segment(), piece(json, "", file.byteSize()), key);
            MemorySegment plain = checked(file.segment(), piece(json, "plain_", file.byteSize()), key);
            if (shape.rank() != 2) {
                throw new ModelFormatException(json.file() + ": weight " + key + " of shape " + shape);
            }
            boolean blocks = isBlocks(type);
            if (!blocks && !tensor(json, plain, type, shape).dtype().isFloat()) {
                throw new ModelFormatException(json.file() + ": weight " + key + " of type " + type);
            }
            stored.put(
                    key,
                    new StoredWeight(
                            json.requireString("layout"),
                            kernels,
                            blocks ? null : tensor(json, plain, type, shape),
                            blocks ? blocks(json, plain, type, shape) : null));
        }
        return new Weights.Contents(
                tensors, quantized, file.byteSize(), stored, elsewhere, header.requireString("sha256"));
    }

    private static Shape shape(JsonConfig json) {
        int[] dims = json.ints("shape", 0, Integer.MAX_VALUE).stream()
                .mapToInt(i -> i)
                .toArray();
        return json.checked(() -> Shape.of(dims));
    }

    static boolean isBlocks(String type) {
        for (BlockFormat format : BlockFormat.values()) {
            if (format.name().equals(type)) {
                return true;
            }
        }
        return false;
    }

    private static QuantizedMatrix blocks(JsonConfig json, MemorySegment bytes, String type, Shape shape) {
        if (shape.rank() != 2) {
            throw new ModelFormatException(json.file() + ": " + type + " of shape " + shape);
        }
        try {
            return new QuantizedMatrix(bytes, BlockFormat.valueOf(type), shape.dim(0), shape.dim(1));
        } catch (ShapeException e) {
            throw new ModelFormatException(json.file() + ": " + e.getMessage(), e);
        }
    }

    private static Tensor tensor(JsonConfig json, MemorySegment bytes, String type, Shape shape) {
        try {
            return Tensor.of(bytes, DType.valueOf(type), shape);
        } catch (IllegalArgumentException e) { // also a ShapeException
            throw new ModelFormatException(json.file() + ": " + type + shape + ": " + e.getMessage(), e);
        }
    }

    @Override
    public String name() {
        return path + (prefix.isEmpty() ? "" : "/" + prefix.substring(0, prefix.length() - 1));
    }

    private static void checkName(String file) {
        if (!ModelFolder.isPlainName(file)) {
            throw new IllegalArgumentException("\"" + file + "\" is not a plain name");
        }
    }

    @Override
    public boolean has(String file) {
        checkName(file);
        return files.containsKey(prefix + file)
                || files.keySet().stream().anyMatch(name -> name.startsWith(prefix + file + "/"));
    }

    @Override
    public MappedFile open(String file, Arena arena) throws IOException {
        checkName(file);
        Piece piece = files.get(prefix + file);
        if (piece == null) {
            throw new NoSuchFileException(name() + "/" + file, null, "no such file in the packed model");
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            if (piece.bytes > bytes.byteSize() - piece.offset) {
                throw new ModelFormatException(path + ": it has become shorter");
            }
            return new MappedFile(name() + "/" + file, checked(bytes, piece, file));
        }
    }

    @Override
    public ModelFolder folder(String name) throws IOException {
        checkName(name);
        return new PackedFolder(path, prefix + name + "/", header, Files.size(path));
    }

    @Override
    public List<String> list() {
        TreeSet<String> names = new TreeSet<>();
        for (String name : files.keySet()) {
            if (name.startsWith(prefix)) {
                names.add(name.substring(prefix.length()).split("/", 2)[0]);
            }
        }
        return new ArrayList<>(names);
    }
}
