package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.ActivationNames;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Activation;
import dev.gatun.ops.AttentionMask;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Loads model type {@code modernbert} (Warner et al. 2024): pre-norm without biases, rotary positions, GeGLU, and windows around
 * the token in all layers but each third.
 */
final class ModernBert {
    private static final int GLOBAL = 0;
    private static final int LOCAL = 1;

    private final Parts parts;
    private final EncoderConfig config;
    private final String body;

    private ModernBert(Parts parts, EncoderConfig config) {
        this.parts = parts;
        this.config = config;
        this.body = parts.prefix("model", "embeddings.tok_embeddings.weight");
    }

    static Encoder load(Parts parts, JsonConfig json, Task task) {
        EncoderConfig config = json.checked(() -> new EncoderConfig(
                json.requireInt("hidden_size", 1, Bert.MAX),
                json.requireInt("num_attention_heads", 1, Bert.MAX),
                json.requireInt("num_hidden_layers", 1, 1000),
                json.requireInt("intermediate_size", 1, Bert.MAX),
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                json.requireInt("max_position_embeddings", 1, Bert.MAX),
                json.optionalOneOf("hidden_activation", Activation.GELU, ActivationNames.ALL),
                (float) json.optionalDouble("norm_eps", 1e-5, 0, 1)));
        if (config.headDim() % 2 != 0) {
            throw new ModelFormatException(
                    json.file() + ": heads of " + config.headDim() + " cannot be turned in pairs; they must be even");
        }
        return new ModernBert(parts, config).encoder(json, task);
    }

    private Encoder encoder(JsonConfig json, Task task) {
        int d = config.dModel();
        Tensor words = parts.matrix(body + "embeddings.tok_embeddings.weight", config.vocab(), d);
        List<String> labels = Parts.labels(json);
        // A query sees half of the window on either side.
        int window = json.optionalInt("local_attention", 128, 0, Bert.MAX) / 2;
        List<String> types = layerTypes(json);
        Head head = head(json, words, labels.size(), task);
        return new Encoder(
                config,
                new TokenEmbeddings(
                        words, null, null, parts.norm(body + "embeddings.norm", d, config.epsilon()), null, -1),
                null,
                IntStream.range(0, config.nLayers())
                        .mapToObj(i -> layer(i, types.get(i).equals("full_attention") ? GLOBAL : LOCAL, window))
                        .toList(),
                parts.norm(body + "final_norm", d, config.epsilon()),
                null,
                List.of(
                        rotary(theta(json, "full_attention", "global_rope_theta", 160_000)),
                        rotary(theta(json, "sliding_attention", "local_rope_theta", 10_000))),
                null,
                head,
                head == null || task == Task.MASKED_LM ? List.of() : labels,
                null,
                parts.loader().backend());
    }

    private List<String> layerTypes(JsonConfig json) {
        int every = json.optionalInt("global_attn_every_n_layers", 3, 1, 1000);
        List<String> types = json.has("layer_types")
                ? json.strings("layer_types")
                : IntStream.range(0, config.nLayers())
                        .mapToObj(i -> i % every == 0 ? "full_attention" : "sliding_attention")
                        .toList();
        if (types.size() != config.nLayers()
                || !types.stream()
                        .allMatch(type -> type.equals("full_attention") || type.equals("sliding_attention"))) {
            throw new ModelFormatException(json.file() + ": layer_types " + types + " must be full_attention or"
                    + " sliding_attention for each of the " + config.nLayers() + " layers");
        }
        return types;
    }

    /** Base of the rotary angles: in the layout of transformers 5, or in that of 4. */
    private static double theta(JsonConfig json, String type, String key, double fallback) {
        if (json.has("rope_parameters") && json.requireObject("rope_parameters").has(type)) {
            JsonConfig rope = json.requireObject("rope_parameters").requireObject(type);
            rope.optionalOneOf("rope_type", "default", Map.of("default", "default"));
            return rope.optionalDouble("rope_theta", fallback, 1, 1e12);
        }
        return json.optionalDouble(key, fallback, 1, 1e12);
    }

    private RotaryRows rotary(double theta) {
        return RotaryRows.table(parts.arena(), config.nPositions(), config.headDim(), theta);
    }

    private EncoderBlock layer(int index, int rope, int window) {
        int d = config.dModel();
        String name = body + "layers." + index;
        return new EncoderBlock(
                attention(
                        name + ".attn",
                        rope,
                        rope == LOCAL ? AttentionMask.full().within(window, window) : AttentionMask.full()),
                index == 0 ? null : parts.norm(name + ".attn_norm", d, config.epsilon()),
                network(name + ".mlp"),
                parts.norm(name + ".mlp_norm", d, config.epsilon()),
                true);
    }

    private SelfAttention attention(String name, int rope, AttentionMask mask) {
        int d = config.dModel();
        Linear qkv = parts.linear(name + ".Wqkv", 3 * d, d); // rows of Q, then K, then V
        float scale = (float) (1 / Math.sqrt(config.headDim()));
        return new SelfAttention(qkv, parts.linear(name + ".Wo", d, d), scale, mask, rope);
    }

    private GatedNetwork network(String name) {
        Linear[] halves = halves(name + ".Wi", config.dFf()); // rows of what is activated, then of its factor
        Linear down = parts.linear(name + ".Wo", config.dModel(), config.dFf());
        return new GatedNetwork(halves[0], halves[1], config.activation(), down);
    }

    /** The two layers of {@code n} rows each that stand one above the other in a weight. */
    private Linear[] halves(String name, int n) {
        int d = config.dModel();
        String weight = name + ".weight";
        String biasName = name + ".bias";
        Tensor bias = parts.weights().has(biasName) ? parts.loader().vector(biasName, 2 * n) : null;
        Linear[] layers = new Linear[2];
        for (int i = 0; i < layers.length; i++) {
            int from = i * n;
            layers[i] = new Linear(
                    parts.pack(
                            weight + from,
                            n,
                            d,
                            () -> parts.matrix(weight, 2 * n, d).slice(0, from, from + n)),
                    bias == null ? null : bias.slice(0, from, from + n));
        }
        return layers;
    }

    private @Nullable Head head(JsonConfig json, Tensor words, int labels, Task task) {
        if (task == Task.FEATURES) {
            return null;
        }
        int d = config.dModel();
        Head.Reads reads = json.optionalOneOf(
                "classifier_pooling", Head.Reads.FIRST, Map.of("cls", Head.Reads.FIRST, "mean", Head.Reads.MEAN));
        Linear out = switch (task) {
            case MASKED_LM -> parts.decoder("decoder.weight", "decoder.bias", words);
            case ANSWER -> parts.linear("classifier", 2, d);
            case CLASSIFY, CLASSIFY_TOKENS -> parts.linear("classifier", labels, d);
            case FEATURES -> throw new IllegalStateException("no head");
        };
        return new Head(
                task,
                reads,
                parts.linear("head.dense", d, d),
                json.optionalOneOf("classifier_activation", Activation.GELU, ActivationNames.ALL),
                parts.norm("head.norm", d, config.epsilon()),
                out,
                null);
    }
}
