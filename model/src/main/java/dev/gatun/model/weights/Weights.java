package dev.gatun.model.weights;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import dev.gatun.ops.StoredWeight;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of a model by name, as views of its files: nothing is copied. Whoever opens it closes it; its tensors throw {@link
 * IllegalStateException} afterwards. Thread-safe: any number of threads may ask for tensors and read them; {@link #close} is
 * refused with an IllegalStateException while a native call is reading one.
 */
public final class Weights implements AutoCloseable {
    private static final int LISTED = 20;
    private static final int MAX_LENGTH_DIFFERENCE = 16;

    private final String source;
    private final Map<String, Tensor> tensors;
    private final Map<String, QuantizedMatrix> quantized;
    private final long byteSize;
    private final Arena arena;
    private final Set<String> used = ConcurrentHashMap.newKeySet();
    private final Map<String, StoredWeight> stored;
    private final Map<String, Description> elsewhere;
    private final @Nullable String sha256;
    private final @Nullable PackRecorder recorder;
    private final Set<String> plain = ConcurrentHashMap.newKeySet(); // asked for, and not to be packed
    private @Nullable String packing;

    private Weights(String source, Contents contents, Arena arena) {
        this.source = source;
        this.tensors = contents.tensors;
        this.quantized = contents.quantized;
        this.byteSize = contents.byteSize;
        this.arena = arena;
        this.stored = contents.stored;
        this.elsewhere = contents.elsewhere;
        this.sha256 = contents.sha256;
        this.recorder = PackRecorder.CURRENT.isBound() ? PackRecorder.CURRENT.get() : null;
    }

    /**
     * Tensors by name, and the bytes of the files they are views of.
     *
     * @param stored of a packed model, weights by key
     * @param elsewhere of a packed model, tensors that only stored weights were made of
     * @param sha256 of the checkpoint that was packed, or null
     */
    record Contents(
            Map<String, Tensor> tensors,
            Map<String, QuantizedMatrix> quantized,
            long byteSize,
            Map<String, StoredWeight> stored,
            Map<String, Description> elsewhere,
            @Nullable String sha256) {
        Contents(Map<String, Tensor> tensors, Map<String, QuantizedMatrix> quantized, long byteSize) {
            this(tensors, quantized, byteSize, Map.of(), Map.of(), null);
        }

        Contents(Map<String, Tensor> tensors, long byteSize) {
            this(tensors, Map.of(), byteSize);
        }
    }

    interface Reader {
        Contents read(Arena arena) throws IOException;
    }

    /**
     * Opens a model's folder, or one safetensors or GGUF file.
     *
     * @throws IOException if it does not exist or cannot be read
     * @throws ModelFormatException if there are no weights that we read, or they break their format
     */
    public static Weights open(Path folderOrFile) throws IOException {
        if (Files.isDirectory(folderOrFile)) {
            return open(ModelFolder.of(folderOrFile));
        }
        if (!Files.exists(folderOrFile)) {
            throw new NoSuchFileException(folderOrFile.toString(), null, "no such model folder or file");
        }
        if (folderOrFile.toString().endsWith(".gguf")) {
            return open(folderOrFile.toString(), arena -> contents(GgufFile.open(folderOrFile, arena), name -> name));
        }
        if (PackedFolder.is(folderOrFile)) {
            return open(ModelFolder.of(folderOrFile));
        }
        if (!folderOrFile.toString().endsWith(".safetensors")) {
            throw new ModelFormatException(folderOrFile
                    + ": not a model folder and not named .safetensors or .gguf, the formats that are read");
        }
        return open(folderOrFile.toString(), arena -> {
            SafetensorsFile file = SafetensorsFile.open(folderOrFile, arena);
            return new Contents(file.tensors(), file.byteSize());
        });
    }

    /**
     * Opens the weights of a model's folder: {@code model.safetensors}, or the shards that {@code model.safetensors.index.json}
     * names.
     *
     * @throws IOException if a file cannot be read
     * @throws ModelFormatException if there are neither, or they break their format
     */
    public static Weights open(ModelFolder folder) throws IOException {
        if (folder instanceof PackedFolder packed) {
            return open(folder.name(), packed::contents);
        }
        if (folder.has(SafetensorsShards.SINGLE)) {
            return open(folder.name() + "/" + SafetensorsShards.SINGLE, arena -> {
                SafetensorsFile file = SafetensorsFile.of(folder.open(SafetensorsShards.SINGLE, arena));
                return new Contents(file.tensors(), file.byteSize());
            });
        }
        if (folder.has(SafetensorsShards.INDEX)) {
            return open(folder.name() + "/" + SafetensorsShards.INDEX, arena -> SafetensorsShards.read(folder, arena));
        }
        List<String> found = folder.list();
        throw new ModelFormatException(folder.name() + ": no " + SafetensorsShards.SINGLE + " and no "
                + SafetensorsShards.INDEX + ", found: "
                + (found.isEmpty()
                        ? "nothing"
                        : String.join(", ", found.subList(0, Math.min(LISTED, found.size())))
                                + (found.size() > LISTED ? " and " + (found.size() - LISTED) + " more" : "")));
    }

    /**
     * The tensors of a GGUF file under other names.
     *
     * @param arena that the file was opened with; closed with the weights
     */
    static Weights of(GgufFile file, UnaryOperator<String> rename, Arena arena) {
        return new Weights(file.name(), contents(file, rename), arena);
    }

    private static Contents contents(GgufFile file, UnaryOperator<String> rename) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, QuantizedMatrix> quantized = new LinkedHashMap<>();
        file.tensors().forEach((name, tensor) -> tensors.put(rename.apply(name), tensor));
        file.quantized().forEach((name, matrix) -> quantized.put(rename.apply(name), matrix));
        return new Contents(tensors, quantized, file.byteSize());
    }

    static Weights open(String source, Reader reader) throws IOException {
        Arena arena = Arena.ofShared();
        boolean open = false;
        try {
            Contents contents = reader.read(arena);
            var weights = new Weights(source, contents, arena);
            open = true;
            return weights;
        } finally {
            if (!open) {
                arena.close();
            }
        }
    }

    /** The file, or the index of the files, that the tensors come from. */
    public String source() {
        return source;
    }

    /** Bytes of the files, which are mapped (or, from a jar, copied off the heap). */
    public long byteSize() {
        return byteSize;
    }

    /** All names, in the order of the files; unmodifiable. Looking at a name does not count as use. */
    public Set<String> names() {
        if (quantized.isEmpty() && elsewhere.isEmpty()) {
            return Collections.unmodifiableSet(tensors.keySet());
        }
        Set<String> names = new LinkedHashSet<>(tensors.keySet());
        names.addAll(quantized.keySet());
        names.addAll(elsewhere.keySet());
        return names;
    }

    /**
     * What is known of a tensor without reading it.
     *
     * @param type of its elements, for example {@code BF16} or {@code Q4_K}
     * @param shape its shape
     * @param byteSize bytes that it takes in its file
     */
    public record Description(String type, Shape shape, long byteSize) {}

    /** What the tensor called {@code name} is; asking does not count as use. */
    public Description describe(String name) {
        QuantizedMatrix matrix = quantized.get(name);
        if (matrix != null) {
            return new Description(
                    matrix.format().name(),
                    Shape.of(matrix.n(), matrix.k()),
                    matrix.segment().byteSize());
        }
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            Description is = elsewhere.get(name);
            if (is != null) {
                return is;
            }
            throw missing(name);
        }
        return new Description(tensor.dtype().name(), tensor.shape(), tensor.byteSize());
    }

    /** Whether the tensor called {@code name} is in blocks; asking does not count as use. */
    public boolean isQuantized(String name) {
        Description is = elsewhere.get(name);
        return quantized.containsKey(name) || is != null && PackedFolder.isBlocks(is.type);
    }

    /** The weight that a packed model has under this key; null of any other model. Counts as use. */
    public @Nullable StoredWeight stored(String key) {
        StoredWeight weight = stored.get(key);
        if (weight != null) {
            used.add(key);
        }
        return weight;
    }

    /** Whether weights are stored as they are read: nothing can be made of them. */
    public boolean isPacked() {
        return sha256 != null;
    }

    /** Runs something that asks for the tensors which a weight is packed of. */
    public <T> T packing(String key, Supplier<T> pack) {
        packing = key;
        try {
            return pack.get();
        } finally {
            packing = null;
        }
    }

    /** Tells whoever writes a packed model what {@link #packing} has made of what. */
    public void packed(PackedWeight weight, @Nullable Tensor of, @Nullable QuantizedMatrix blocks) {
        String key = packing;
        if (recorder != null && key != null) {
            recorder.packed(key, weight, of, blocks);
        }
    }

    private void use(String name) {
        used.add(name);
        if (packing == null) {
            plain.add(name);
        }
    }

    /** Names that were asked for, in the order of the files. */
    List<String> asked() {
        return names().stream().filter(used::contains).toList();
    }

    /** Whether somebody reads it as it is. */
    boolean isPlain(String name) {
        return plain.contains(name);
    }

    /** The bytes of a tensor. */
    MemorySegment bytes(String name) {
        QuantizedMatrix matrix = quantized.get(name);
        Tensor tensor = tensors.get(name);
        return matrix != null || tensor == null
                ? Objects.requireNonNull(matrix).segment()
                : tensor.segment().asSlice(0, tensor.byteSize());
    }

    /**
     * The matrix in blocks called {@code name}.
     *
     * @throws ModelFormatException if there is none, or it is not [n, k]
     */
    public QuantizedMatrix requireQuantized(String name, int n, int k) {
        QuantizedMatrix matrix = quantized.get(name);
        if (matrix == null) {
            throw missing(name);
        }
        use(name);
        if (matrix.n() != n || matrix.k() != k) {
            throw new ModelFormatException(source + ": tensor " + name + " is " + matrix
                    + ", but the model's config asks for [" + n + "," + k + "]");
        }
        return matrix;
    }

    /** Whether there is such a tensor; asking does not count as use. */
    public boolean has(String name) {
        return tensors.containsKey(name) || quantized.containsKey(name) || elsewhere.containsKey(name);
    }

    /**
     * The tensor called {@code name}, of any type and shape.
     *
     * @throws ModelFormatException if there is none; the message has the most similar name there is
     */
    public Tensor require(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            QuantizedMatrix matrix = quantized.get(name);
            throw matrix == null
                    ? missing(name)
                    : new ModelFormatException(
                            source + ": tensor " + name + " is " + matrix + ", where only plain types are supported");
        }
        use(name);
        return tensor;
    }

    /**
     * The floating-point tensor called {@code name}.
     *
     * @param shape the shape it has to have
     * @throws ModelFormatException if there is none, or it has another shape or no floating-point type
     */
    public Tensor require(String name, Shape shape) {
        Tensor tensor = require(name);
        if (!tensor.shape().equals(shape)) {
            throw new ModelFormatException(
                    source + ": tensor " + name + " is " + tensor + ", but the model's config asks for " + shape);
        }
        if (!tensor.dtype().isFloat()) {
            throw new ModelFormatException(
                    source + ": tensor " + name + " is " + tensor + ", not of a floating-point type");
        }
        return tensor;
    }

    /** The floating-point tensor called {@code name} with these dimensions, one or more; see {@link #require(String, Shape)}. */
    public Tensor require(String name, int dim, int... dims) {
        int[] all = new int[dims.length + 1];
        all[0] = dim;
        System.arraycopy(dims, 0, all, 1, dims.length);
        return require(name, Shape.of(all));
    }

    /** As {@link #require(String, int, int...)}, of a tensor whose numbers another one has: nobody reads them here. */
    public void requireCopy(String name, int dim, int... dims) {
        packing(name, () -> elsewhere.containsKey(name) ? name : require(name, dim, dims));
    }

    /** Names that no {@code require} has asked for so far, sorted. */
    public SortedSet<String> unused() {
        SortedSet<String> names = new TreeSet<>(names());
        names.addAll(stored.keySet());
        names.removeAll(used);
        names.removeAll(elsewhere.keySet());
        return names;
    }

    /**
     * SHA-256 of all names, types, shapes and numbers, in hexadecimal: the same whatever kind of file they come from. Reads all of
     * them, on all processors.
     */
    public String sha256() {
        if (sha256 != null) {
            return sha256;
        }
        List<String> sorted = names().stream().sorted().toList();
        return Sha256.of(sorted.parallelStream()
                .map(name -> {
                    Description is = describe(name);
                    return name + " " + is.type + is.shape + " " + Sha256.of(bytes(name)) + "\n";
                })
                .collect(Collectors.joining()));
    }

    /** Unmaps the files. Closing twice does nothing. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    private ModelFormatException missing(String name) {
        if (elsewhere.containsKey(name)) {
            return new ModelFormatException(
                    source + ": tensor " + name + " is there only as it was packed; pack the model anew");
        }
        return new ModelFormatException(source + ": no tensor " + name + closest(name));
    }

    private String closest(String name) {
        String best = "";
        int fewest = Integer.MAX_VALUE;
        for (String other : names()) {
            if (Math.abs(other.length() - name.length()) <= MAX_LENGTH_DIFFERENCE) {
                int edits = edits(name, other);
                if (edits < fewest) {
                    fewest = edits;
                    best = other;
                }
            }
        }
        return fewest > name.length() / 2
                ? "; it has " + names().size() + " others"
                : "; the most similar one is " + best;
    }

    /** Levenshtein's distance: the fewest characters inserted, deleted or replaced to get from one to the other. */
    private static int edits(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.length()];
    }
}
