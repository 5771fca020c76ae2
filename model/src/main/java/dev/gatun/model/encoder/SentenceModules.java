package dev.gatun.model.encoder;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.SafetensorsFile;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a sentence-transformers folder (modules.json) says about making a vector of a text. A folder without one means the mean of
 * the tokens, not normalised, as sentence-transformers takes it.
 *
 * @param pooling one or more ways, whose vectors are put side by side
 * @param dense layers after that
 * @param normalize whether the vector is divided by its length at last
 * @param maxTokens of a text, special tokens included; 0 where nothing says
 * @param lowerCase whether texts are brought into lower case first
 * @param prompts texts by name that are put before a text
 * @param defaultPrompt the name of the one that is used where nobody says, or null for none
 */
public record SentenceModules(
        List<Pooling> pooling,
        List<Dense> dense,
        boolean normalize,
        int maxTokens,
        boolean lowerCase,
        Map<String, String> prompts,
        @Nullable String defaultPrompt) {
    /** Copies the lists. */
    public SentenceModules {
        pooling = List.copyOf(pooling);
        dense = List.copyOf(dense);
        prompts = Map.copyOf(prompts);
    }

    /**
     * A layer after pooling.
     *
     * @param linear [dOut, dIn]
     * @param activation after it, or null for none
     */
    public record Dense(Linear linear, @Nullable Activation activation) {}

    private static final Map<String, Activation> ACTIVATIONS = Map.of(
            "torch.nn.modules.activation.Tanh", Activation.TANH,
            "torch.nn.modules.activation.ReLU", Activation.RELU,
            "torch.nn.modules.activation.GELU", Activation.GELU,
            "torch.nn.modules.activation.SiLU", Activation.SILU,
            "torch.nn.modules.activation.Sigmoid", Activation.SIGMOID);
    private static final String IDENTITY = "torch.nn.modules.linear.Identity";

    private static final Map<String, Pooling> FLAGS = new LinkedHashMap<>();

    static {
        FLAGS.put("pooling_mode_cls_token", Pooling.CLS);
        FLAGS.put("pooling_mode_max_tokens", Pooling.MAX);
        FLAGS.put("pooling_mode_mean_tokens", Pooling.MEAN);
        FLAGS.put("pooling_mode_mean_sqrt_len_tokens", Pooling.MEAN_SQRT_LENGTH);
        FLAGS.put("pooling_mode_weightedmean_tokens", Pooling.WEIGHTED_MEAN);
        FLAGS.put("pooling_mode_lasttoken", Pooling.LAST);
    }

    /** Reads a folder's modules; weights of dense layers live in {@code arena}. */
    static SentenceModules read(ModelFolder folder, EncoderConfig config, Backend backend, CountedArena arena)
            throws IOException {
        List<Pooling> pooling = new ArrayList<>();
        List<Dense> dense = new ArrayList<>();
        boolean normalize = false;
        int width = config.dModel();
        if (folder.has("modules.json")) {
            for (JsonConfig module : JsonConfig.readObjects(folder, "modules.json")) {
                String type = module.requireString("type");
                String path = module.optionalString("path", "");
                String name = type.substring(type.lastIndexOf('.') + 1);
                switch (name) {
                    case "Transformer" -> {
                        if (!path.isEmpty()) {
                            throw new ModelFormatException(module.file() + ": the Transformer is in \"" + path
                                    + "\"; only folders that have it beside modules.json are supported");
                        }
                    }
                    case "Pooling" -> {
                        JsonConfig json = JsonConfig.read(folder.folder(path), "config.json");
                        pooling.addAll(pooling(json));
                        width *= pooling.size();
                    }
                    case "Dense" -> {
                        Dense layer = dense(folder.folder(path), width, backend, arena);
                        dense.add(layer);
                        width = layer.linear.weight().n();
                    }
                    case "Normalize" -> normalize = true;
                    default ->
                        throw new ModelFormatException(module.file() + ": module " + type
                                + " is none of Transformer, Pooling, Dense and Normalize");
                }
            }
        }
        if (pooling.isEmpty()) {
            pooling.add(Pooling.MEAN);
        }
        int maxTokens = 0;
        boolean lowerCase = false;
        if (folder.has("sentence_bert_config.json")) {
            JsonConfig json = JsonConfig.read(folder, "sentence_bert_config.json");
            maxTokens = json.optionalInt("max_seq_length", 0, 1, Integer.MAX_VALUE);
            lowerCase = json.optionalBoolean("do_lower_case", false);
        }
        Map<String, String> prompts = new LinkedHashMap<>();
        String defaultPrompt = null;
        if (folder.has("config_sentence_transformers.json")) {
            JsonConfig json = JsonConfig.read(folder, "config_sentence_transformers.json");
            if (json.has("prompts")) {
                JsonConfig named = json.requireObject("prompts");
                for (String name : named.keys()) {
                    prompts.put(name, named.optionalString(name, ""));
                }
            }
            if (json.has("default_prompt_name")) {
                defaultPrompt = json.requireString("default_prompt_name");
                if (!prompts.containsKey(defaultPrompt)) {
                    throw new ModelFormatException(json.file() + ": default_prompt_name \"" + defaultPrompt
                            + "\" is not one of the prompts " + prompts.keySet());
                }
            }
        }
        return new SentenceModules(pooling, dense, normalize, maxTokens, lowerCase, prompts, defaultPrompt);
    }

    private static List<Pooling> pooling(JsonConfig json) {
        if (!json.optionalBoolean("include_prompt", true)) {
            throw new ModelFormatException(json.file()
                    + ": include_prompt is false; leaving a prompt's tokens out of the pooling is not" + " supported");
        }
        List<Pooling> modes = new ArrayList<>();
        FLAGS.forEach((key, mode) -> {
            if (json.optionalBoolean(key, false)) {
                modes.add(mode);
            }
        });
        if (modes.isEmpty()) {
            modes.add(json.requireOneOf(
                    "pooling_mode",
                    Map.of(
                            "cls", Pooling.CLS,
                            "max", Pooling.MAX,
                            "mean", Pooling.MEAN,
                            "mean_sqrt_len_tokens", Pooling.MEAN_SQRT_LENGTH,
                            "weightedmean", Pooling.WEIGHTED_MEAN,
                            "lasttoken", Pooling.LAST)));
        }
        return modes;
    }

    private static Dense dense(ModelFolder folder, int width, Backend backend, CountedArena arena) throws IOException {
        JsonConfig json = JsonConfig.read(folder, "config.json");
        int in = json.requireInt("in_features", width, width);
        int out = json.requireInt("out_features", 1, 1 << 24);
        String function = json.optionalString("activation_function", "torch.nn.modules.activation.Tanh");
        Activation activation = function.equals(IDENTITY)
                ? null
                : json.optionalOneOf("activation_function", Activation.TANH, ACTIVATIONS);
        Map<String, Tensor> tensors =
                SafetensorsFile.of(folder.open("model.safetensors", arena)).tensors();
        Tensor weight = tensors.get("linear.weight");
        Tensor bias = tensors.get("linear.bias");
        boolean biased = json.optionalBoolean("bias", true);
        if (weight == null
                || weight.rank() != 2
                || weight.dim(0) != out
                || weight.dim(1) != in
                || biased != (bias != null)
                || bias != null && (bias.rank() != 1 || bias.dim(0) != out)) {
            throw new ModelFormatException(folder.name() + "/model.safetensors: linear.weight " + weight
                    + " and linear.bias " + bias + " are not the [" + out + "," + in + "]"
                    + (biased ? " and [" + out + "]" : "")
                    + " of " + json.file());
        }
        arena.expect(backend.packedByteSize(weight));
        return new Dense(
                new Linear(backend.pack(weight, arena.expected()), bias == null ? null : bias.toF32(arena)),
                activation);
    }

    /** Widths of a vector after pooling and after each dense layer. */
    public int[] widths(int dModel) {
        int[] widths = new int[dense.size() + 1];
        widths[0] = dModel * pooling.size();
        for (int i = 0; i < dense.size(); i++) {
            widths[i + 1] = dense.get(i).linear.weight().n();
        }
        return widths;
    }
}
