package dev.gatun.model.weights;

import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;

/** A checkpoint in several safetensors files, and the index that says which tensor is in which. */
final class SafetensorsShards {
    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    private static final System.Logger LOG = System.getLogger(SafetensorsShards.class.getName());

    private SafetensorsShards() {}

    static Weights.Contents read(ModelFolder folder, Arena arena) throws IOException {
        JsonConfig index = JsonConfig.read(folder, INDEX);
        JsonConfig shardOf = index.requireObject("weight_map");
        var shards = new TreeSet<String>();
        for (String tensor : shardOf.keys()) {
            String shard = shardOf.requireString(tensor);
            if (!ModelFolder.isPlainName(shard)) {
                throw new ModelFormatException(index.file() + ": tensor " + tensor + " is in \"" + shard
                        + "\", which is not the plain name of a file in the folder");
            }
            if (shards.add(shard) && !folder.has(shard)) {
                throw new ModelFormatException(
                        index.file() + ": tensor " + tensor + " is in " + shard + ", which is missing");
            }
        }
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        long fileBytes = 0;
        for (String shard : shards) {
            SafetensorsFile file = SafetensorsFile.of(folder.open(shard, arena));
            fileBytes += file.byteSize();
            for (var tensor : file.tensors().entrySet()) {
                String name = tensor.getKey();
                // One that the index does not list is taken all the same, as in transformers.
                boolean here = !shardOf.has(name) || shardOf.requireString(name).equals(shard);
                if (here && tensors.put(name, tensor.getValue()) != null) {
                    throw new ModelFormatException(
                            file.name() + ": tensor " + name + " is in another shard as well and not in " + INDEX);
                }
            }
        }
        for (String tensor : shardOf.keys()) {
            if (!tensors.containsKey(tensor)) {
                throw new ModelFormatException(folder.name() + "/" + shardOf.requireString(tensor) + ": tensor "
                        + tensor + " is not in it, though " + INDEX + " says so");
            }
        }
        checkTotal(index, tensors);
        return new Weights.Contents(Collections.unmodifiableMap(tensors), fileBytes);
    }

    /** Only a warning: published indexes count tied tensors twice, and each shard has proven itself complete. */
    private static void checkTotal(JsonConfig index, Map<String, Tensor> tensors) {
        long bytes = tensors.values().stream().mapToLong(Tensor::byteSize).sum();
        if (index.isObject("metadata") && index.requireObject("metadata").has("total_size")) {
            double total = index.requireObject("metadata").requireDouble("total_size", 0, Long.MAX_VALUE);
            if (total != bytes) {
                LOG.log(
                        System.Logger.Level.WARNING,
                        "{0}: metadata.total_size is {1}, but the shards have {2} bytes of tensors",
                        index.file(),
                        String.format("%.0f", total),
                        Long.toString(bytes));
            }
        }
    }
}
