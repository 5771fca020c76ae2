package dev.gatun.model.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.gatun.memory.AtomicFile;
import dev.gatun.memory.DType;
import dev.gatun.memory.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** Writes tensors as a {@linkplain SafetensorsFile safetensors} file. */
public final class SafetensorsWriter {
    private static final int CHUNK_BYTES = 1 << 24;

    private SafetensorsWriter() {}

    /**
     * Writes {@code file} at once or not at all: beside it first, then renamed over it. The data starts at a multiple of 8 bytes;
     * tensors lie in order of element size, largest first, then of name, so that each is aligned to its elements without gaps.
     *
     * @param tensors by name; each contiguous, or F32 of at most 2<sup>28</sup> elements
     * @throws IllegalArgumentException if a tensor is another strided view, or a name is one that safetensors does not allow
     * @throws IOException if the file cannot be written; nothing is left of it
     */
    public static void write(Path file, Map<String, Tensor> tensors) throws IOException {
        for (var entry : tensors.entrySet()) {
            String name = entry.getKey();
            if (name.isEmpty() || name.length() > SafetensorsFile.MAX_NAME || name.equals("__metadata__")) {
                throw new IllegalArgumentException(file + ": \"" + name + "\" cannot be a tensor's name");
            }
            Tensor tensor = entry.getValue();
            if (!tensor.isContiguous() && (tensor.dtype() != DType.F32 || tensor.elements() > 1 << 28)) {
                throw new IllegalArgumentException(file + ": tensor " + name + " is a strided view, " + tensor
                        + ": copy it to a contiguous one first");
            }
        }
        List<Map.Entry<String, Tensor>> ordered = tensors.entrySet().stream()
                .sorted(Comparator.<Map.Entry<String, Tensor>>comparingInt(
                                entry -> -entry.getValue().dtype().byteSize())
                        .thenComparing(Map.Entry::getKey))
                .toList();
        AtomicFile.write(file, channel -> {
            writeFully(channel, header(ordered));
            for (var entry : ordered) {
                write(channel, entry.getValue());
            }
        });
    }

    private static ByteBuffer header(List<Map.Entry<String, Tensor>> ordered) throws IOException {
        var json = new ByteArrayOutputStream();
        try (JsonGenerator generator = new JsonFactory().createGenerator(json)) {
            generator.writeStartObject();
            long offset = 0;
            for (var entry : ordered) {
                Tensor tensor = entry.getValue();
                generator.writeObjectFieldStart(entry.getKey());
                generator.writeStringField("dtype", tensor.dtype().name());
                generator.writeFieldName("shape");
                generator.writeArray(tensor.shape().toArray(), 0, tensor.rank());
                generator.writeFieldName("data_offsets");
                generator.writeArray(new long[] {offset, offset + tensor.byteSize()}, 0, 2);
                generator.writeEndObject();
                offset += tensor.byteSize();
            }
            generator.writeEndObject();
        }
        while (json.size() % Long.BYTES != 0) {
            json.write(' ');
        }
        return ByteBuffer.allocate(Long.BYTES + json.size())
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.size())
                .put(json.toByteArray())
                .flip();
    }

    private static void write(FileChannel channel, Tensor tensor) throws IOException {
        if (!tensor.isContiguous()) {
            float[] values = tensor.toFloats();
            ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(values);
            writeFully(channel, bytes);
            return;
        }
        for (long at = 0; at < tensor.byteSize(); at += CHUNK_BYTES) {
            long n = Math.min(CHUNK_BYTES, tensor.byteSize() - at);
            writeFully(channel, tensor.segment().asSlice(at, n).asByteBuffer());
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
