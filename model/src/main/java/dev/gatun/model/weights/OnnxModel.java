package dev.gatun.model.weights;

import dev.gatun.memory.MappedFile;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.OnnxFile.Node;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An encoder that was exported to ONNX: its weights by the names of the checkpoint, and its config. An export that has a config.json
 * beside it is what that says; one that has none must be a BERT, whose sizes are read off its graph.
 *
 * @param weights closed by whoever opened the model
 * @param config as in config.json
 */
public record OnnxModel(Weights weights, JsonConfig config) {
    /** What an export in a folder is called. */
    public static final String FILE = "model.onnx";

    private static final String WORDS = "embeddings.word_embeddings.weight";

    /**
     * Opens an export.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if it is not ONNX, or not an encoder of ours: the message says what it is
     */
    public static OnnxModel open(ModelFolder folder) throws IOException {
        JsonConfig[] config = new JsonConfig[1];
        Weights weights = Weights.open(folder.name() + "/" + FILE, arena -> {
            OnnxFile file = OnnxFile.read(folder, FILE, arena);
            Map<String, Tensor> tensors = OnnxWeights.of(file, arena);
            config[0] = folder.has("config.json")
                    ? JsonConfig.read(folder, "config.json")
                    : new Inference(file, tensors).config();
            return new Weights.Contents(tensors, file.byteSize());
        });
        return new OnnxModel(weights, config[0]);
    }

    /** Reads the sizes of a BERT off its graph. */
    private static final class Inference {
        private final OnnxFile file;
        private final Map<String, Tensor> tensors;
        private final Map<String, Node> producerOf = new HashMap<>();

        Inference(OnnxFile file, Map<String, Tensor> tensors) {
            this.file = file;
            this.tensors = tensors;
            for (Node node : file.nodes()) {
                for (String output : node.outputs()) {
                    producerOf.put(output, node);
                }
            }
        }

        JsonConfig config() {
            String body = tensors.containsKey("bert." + WORDS) ? "bert." : "";
            Tensor words = matrix(body + WORDS);
            Tensor positions = matrix(body + "embeddings.position_embeddings.weight");
            Tensor types = matrix(body + "embeddings.token_type_embeddings.weight");
            Tensor up = matrix(body + "encoder.layer.0.intermediate.dense.weight");
            int layers = 0;
            while (tensors.containsKey(body + "encoder.layer." + layers + ".output.dense.weight")) {
                layers++;
            }
            if (has("CumSum")) {
                throw none("positions that are counted as in RoBERTa");
            }
            int dModel = words.dim(1);
            String json = String.format(
                    Locale.ROOT,
                    "{\"model_type\":\"bert\",\"hidden_size\":%d,\"num_attention_heads\":%d,\"num_hidden_layers\":%d,"
                            + "\"intermediate_size\":%d,\"vocab_size\":%d,\"max_position_embeddings\":%d,"
                            + "\"type_vocab_size\":%d,\"hidden_act\":\"%s\",\"layer_norm_eps\":%s}",
                    dModel,
                    heads(dModel),
                    layers,
                    up.dim(0),
                    words.dim(0),
                    positions.dim(0),
                    types.dim(0),
                    activation(),
                    Float.toString(epsilon()));
            MemorySegment bytes = MemorySegment.ofArray(json.getBytes(StandardCharsets.UTF_8));
            return JsonConfig.read(new MappedFile(file.name(), bytes));
        }

        private Tensor matrix(String name) {
            Tensor tensor = tensors.get(name);
            if (tensor == null || tensor.rank() != 2) {
                throw none("no tensor " + name);
            }
            return tensor;
        }

        private ModelFormatException none(String why) {
            return new ModelFormatException(file.name() + ": " + file.summary() + ", not a BERT: " + why
                    + "; other encoders need their config.json beside the file");
        }

        private boolean has(String op) {
            return file.nodes().stream().anyMatch(node -> node.op().equals(op));
        }

        /** From the shape [batch, ctx, heads, width] that queries are brought into, or the number that scores are divided by. */
        private int heads(int dModel) {
            for (Node node : file.nodes()) {
                if (node.op().equals("Reshape")) {
                    List<Long> dims = dims(node.input(1), 0);
                    int n = dims.size();
                    if (n == 4 && dims.get(2) > 0 && (dims.get(2) * dims.get(3) == dModel || dims.get(3) == -1)) {
                        return Math.toIntExact(dims.get(2));
                    }
                    if (n == 4 && dims.get(2) == -1 && dims.get(3) > 0 && dModel % dims.get(3) == 0) {
                        return Math.toIntExact(dModel / dims.get(3));
                    }
                }
            }
            throw none("no head is split off its queries");
        }

        /** Numbers of a shape, 0 for those that are only known at run time. */
        private List<Long> dims(String name, int depth) {
            List<Long> dims = new ArrayList<>();
            Tensor tensor = file.tensors().get(name);
            Node node = producerOf.get(name);
            if (tensor != null && !tensor.dtype().isFloat() && tensor.elements() <= 8) {
                for (long dim : tensor.toLongs()) {
                    dims.add(dim);
                }
            } else if (node != null && node.op().equals("Concat") && depth < 2) {
                for (String part : node.inputs()) {
                    List<Long> one = dims(part, depth + 1);
                    dims.addAll(one.isEmpty() ? List.of(0L) : one);
                }
            } else if (node != null && node.op().equals("Unsqueeze") && depth < 4) {
                dims.addAll(dims(node.input(0), depth + 1));
            }
            return dims;
        }

        private String activation() {
            if (has("Erf") || has("Gelu")) {
                return "gelu";
            }
            if (has("Relu")) {
                return "relu";
            }
            if (file.nodes().stream().filter(node -> node.op().equals("Tanh")).count() > 1) {
                return "gelu_new";
            }
            throw none("none of Erf, Gelu, Tanh and Relu between its layers");
        }

        /** What is added to a variance before its root is taken. */
        private float epsilon() {
            for (Node node : file.nodes()) {
                Float attribute = node.floats().get("epsilon");
                if (attribute != null && node.op().contains("LayerNormalization")) {
                    return attribute;
                }
                if (node.op().equals("Sqrt")) {
                    Float added = addedConstant(producerOf.get(node.input(0)));
                    if (added != null) {
                        return added;
                    }
                }
            }
            throw none("no layer norm");
        }

        private @Nullable Float addedConstant(@Nullable Node add) {
            if (add == null || !add.op().equals("Add")) {
                return null;
            }
            for (String input : add.inputs()) {
                Tensor tensor = file.tensors().get(input);
                if (tensor != null && tensor.dtype().isFloat() && tensor.elements() == 1) {
                    return tensor.toFloats()[0];
                }
            }
            return null;
        }
    }
}
