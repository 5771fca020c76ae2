package dev.gatun.model.weights;

import dev.gatun.memory.AtomicFile;
import dev.gatun.memory.MappedFile;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend;
import dev.gatun.ops.PackedWeight;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Writes a model into one file, in the layout that the vector kernels of this computer read: opening it maps it, packs and copies
 * nothing. The file is there as a whole or not at all.
 */
public final class ModelPacker {
    /** Weights, which are taken as tensors, and what else nobody reads. */
    private static final Pattern NOT_TAKEN = Pattern.compile(
            "\\..*|.*\\.(safetensors|safetensors\\.index\\.json|onnx|onnx_data|gguf|bin|h5|msgpack|ot|pt|pth|ckpt|md)");

    private static final long MAX_FILE = 256L << 20;
    private static final long PAGE = 4096;

    private ModelPacker() {}

    /** Loads a model with a vector backend, as it is going to be used. */
    @FunctionalInterface
    public interface Loader {
        /**
         * Loads it; called once, and closed when the file is written.
         *
         * @return the model
         */
        Loaded load() throws IOException;
    }

    /**
     * A model that was loaded.
     *
     * @param weights its checkpoint
     * @param close closes it
     */
    public record Loaded(Weights weights, Runnable close) {}

    /**
     * Writes a model.
     *
     * @param folder whose files are taken beside the weights, or null
     * @param texts files by name that are taken in their place, or beside them
     * @param out where to; in the place of a file that is there
     * @throws IOException if a file cannot be read or written; a file that was there is as it was
     */
    public static void pack(@Nullable ModelFolder folder, Map<String, String> texts, Loader loader, Path out)
            throws IOException {
        AtomicFile.write(out, channel -> new Writer(channel).write(folder, texts, loader));
    }

    private static final class Writer implements PackRecorder {
        private final FileChannel channel;
        private final StringBuilder files = new StringBuilder();
        private final StringBuilder tensors = new StringBuilder();
        private final StringBuilder weights = new StringBuilder();
        private final Set<String> keys = new LinkedHashSet<>();
        private long at = PackedFolder.PREAMBLE;

        Writer(FileChannel channel) {
            this.channel = channel;
        }

        void write(@Nullable ModelFolder folder, Map<String, String> texts, Loader loader) throws IOException {
            Loaded model = ScopedValue.where(CURRENT, this).call(loader::load);
            try {
                if (model.weights.source().isEmpty()) {
                    throw new IllegalArgumentException("weights without a source");
                }
                tensors(model.weights);
                Map<String, String> left = new LinkedHashMap<>(texts);
                if (folder != null) {
                    folder(folder, "", left.keySet());
                }
                for (var text : left.entrySet()) {
                    byte[] bytes = text.getValue().getBytes(StandardCharsets.UTF_8);
                    file(text.getKey(), MemorySegment.ofArray(bytes));
                }
                header(model.weights.sha256());
            } finally {
                model.close.run();
            }
        }

        private static StringBuilder next(StringBuilder list) {
            return list.append(list.isEmpty() ? "\n{" : ",\n{");
        }

        private static StringBuilder string(StringBuilder json, String key, String value) {
            json.append('"').append(key).append("\":");
            JsonStrings.appendQuoted(value, json);
            return json;
        }

        /** Writes bytes, and where they are to {@code json}. */
        private void piece(StringBuilder json, String prefix, MemorySegment bytes) throws IOException {
            long unit = bytes.byteSize() < 16 * PAGE ? Tensor.ALIGNMENT : PAGE;
            at = (at + unit - 1) / unit * unit;
            json.append(",\"").append(prefix).append("offset\":").append(at);
            json.append(",\"").append(prefix).append("bytes\":").append(bytes.byteSize());
            json.append(",\"").append(prefix).append("crc\":").append(Integer.toUnsignedLong(PackedFolder.crc(bytes)));
            for (long from = 0; from < bytes.byteSize(); from += 1 << 26) {
                long count = Math.min(1 << 26, bytes.byteSize() - from);
                put(bytes.asSlice(from, count).asByteBuffer(), at + from);
            }
            at += bytes.byteSize();
        }

        private void put(ByteBuffer bytes, long where) throws IOException {
            long to = where;
            while (bytes.hasRemaining()) {
                to += channel.write(bytes, to);
            }
        }

        @Override
        public void packed(String key, PackedWeight weight, @Nullable Tensor plain, @Nullable QuantizedMatrix blocks) {
            if (!keys.add(key)) {
                return; // a weight that is used twice
            }
            try (Arena arena = Arena.ofConfined()) {
                StringBuilder json = string(next(weights), "key", key);
                string(json.append(','), "layout", Backend.layoutOf(weight));
                MemorySegment bytes;
                if (plain == null) {
                    if (blocks == null) {
                        throw new IllegalArgumentException("weight " + key + " was made of nothing");
                    }
                    string(json.append(','), "type", blocks.format().name());
                    bytes = blocks.segment();
                } else {
                    string(json.append(','), "type", plain.dtype().name());
                    Tensor rows = plain;
                    if (!plain.isContiguous()) {
                        rows = Tensor.allocate(arena, plain.dtype(), plain.shape());
                        rows.copyFrom(plain);
                    }
                    bytes = rows.segment().asSlice(0, rows.byteSize());
                }
                json.append(",\"shape\":[" + weight.n() + "," + weight.k() + "]");
                piece(json, "", Backend.layoutBytes(weight));
                piece(json, "plain_", bytes);
                json.append('}');
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void tensors(Weights model) throws IOException {
            for (String name : model.asked()) {
                Weights.Description is = model.describe(name);
                StringBuilder json = string(next(tensors), "name", name);
                string(json.append(','), "type", is.type());
                json.append(",\"shape\":[");
                for (int i = 0; i < is.shape().rank(); i++) {
                    json.append(i == 0 ? "" : ",").append(is.shape().dim(i));
                }
                json.append(']');
                if (model.isPlain(name)) {
                    piece(json, "", model.bytes(name));
                } else {
                    json.append(",\"bytes\":").append(is.byteSize());
                }
                json.append('}');
            }
        }

        private void folder(ModelFolder folder, String prefix, Set<String> others) throws IOException {
            for (String name : folder.list()) {
                if (NOT_TAKEN.matcher(name).matches() && !(name.endsWith(".safetensors") && !prefix.isEmpty())
                        || others.contains(prefix + name)) {
                    continue;
                }
                ModelFolder inner = inner(folder, name);
                if (inner != null) {
                    if (prefix.isEmpty()) { // modules of sentence-transformers are no deeper
                        folder(inner, name + "/", others);
                    }
                    continue;
                }
                try (Arena arena = Arena.ofConfined()) {
                    MappedFile file = folder.open(name, arena);
                    if (file.byteSize() <= MAX_FILE) {
                        file(prefix + name, file.segment());
                    }
                }
            }
        }

        private static @Nullable ModelFolder inner(ModelFolder folder, String name) throws IOException {
            try {
                return folder.folder(name);
            } catch (java.nio.file.NotDirectoryException e) {
                return null;
            }
        }

        private void file(String name, MemorySegment bytes) throws IOException {
            StringBuilder json = string(next(files), "name", name);
            piece(json, "", bytes);
            json.append('}');
        }

        private void header(String sha256) throws IOException {
            String json = "{\"vector_bits\":" + Backend.layoutVectorBits() + ",\"sha256\":\"" + sha256
                    + "\",\"files\":[" + files + "],\"tensors\":[" + tensors + "],\"weights\":[" + weights + "]}";
            byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
            put(ByteBuffer.wrap(bytes), at);
            ByteBuffer preamble = ByteBuffer.allocate(PackedFolder.PREAMBLE).order(ByteOrder.LITTLE_ENDIAN);
            preamble.put(PackedFolder.MAGIC).putLong(at).putLong(bytes.length);
            preamble.putLong(Integer.toUnsignedLong(PackedFolder.crc(MemorySegment.ofArray(bytes))));
            put(preamble.flip(), 0);
        }
    }
}
