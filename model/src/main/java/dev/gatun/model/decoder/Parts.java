package dev.gatun.model.decoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.CausalAttention.Heads.Layout;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.RmsNorm;
import dev.gatun.model.nn.RotaryPositions;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Activation;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/**
 * What the files of most families have in common: sizes by their usual keys, a tied or separate head, and the ways in which
 * config.json describes rotary positions.
 *
 * @param json config.json
 * @param loader makes parts
 */
record Parts(JsonConfig json, Loader loader) {
    static final int MAX = 1 << 20;

    /** What a rotary frequency is divided by, in GGUF files of Llama 3.1 and its children. */
    private static final String DIVISORS = "rope_freqs.weight";

    private static final int MAX_POSITIONS = 1 << 24;

    int dim(String key) {
        return json.requireInt(key, 1, MAX);
    }

    /** Sizes by the names that Llama gives them, which most families do. */
    DecoderConfig config() {
        return new DecoderConfig(
                dim("hidden_size"),
                json.requireInt("num_hidden_layers", 1, 1000),
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                json.optionalInt("max_position_embeddings", 2048, 1, MAX_POSITIONS));
    }

    Heads heads(Layout layout) {
        int nHeads = dim("num_attention_heads");
        int d = dim("hidden_size");
        if (!json.has("head_dim") && d % nHeads != 0) {
            throw new ModelFormatException(
                    json.file() + ": hidden_size " + d + " is not a multiple of the " + nHeads + " heads");
        }
        int nKvHeads = json.optionalInt("num_key_value_heads", nHeads, 1, MAX);
        int headDim = json.optionalInt("head_dim", d / nHeads, 1, MAX);
        return json.checked(() -> new Heads(nHeads, nKvHeads, headDim, layout));
    }

    /** Heads of a family with three projections, which some GGUF files have put into one. */
    Heads headsOf(String fusedName) {
        return heads(loader.weights().has(fusedName) ? Layout.FUSED : Layout.SEPARATE);
    }

    float epsilon(String key, double fallback) {
        return (float) json.optionalDouble(key, fallback, 0, 1);
    }

    Activation activation(String key) {
        return json.requireOneOf(key, dev.gatun.model.nn.ActivationNames.ALL);
    }

    List<DecoderLayer> layers(int n, IntFunction<DecoderLayer> layer) {
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            layers.add(layer.apply(i));
        }
        return layers;
    }

    /** The head: the embedding called {@code embedding} where it is tied, or a tensor of its own. */
    Linear head(String name, String embedding, DecoderConfig config, boolean tiedByDefault) {
        String weight = name + ".weight";
        int vocab = config.vocab();
        int d = config.dModel();
        boolean tied = json.optionalBoolean("tie_word_embeddings", tiedByDefault);
        if (tied && loader.weights().has(weight) && !loader.weights().isQuantized(weight)) {
            loader.weights().requireCopy(weight, vocab, d); // of the embedding, as some tools write
        }
        String bias = name + ".bias";
        return new Linear(
                loader.packHead(tied ? embedding : weight, vocab, d),
                loader.weights().has(bias) ? loader.vector(bias, vocab) : null);
    }

    RmsNorm rmsNorm(String name, int d) {
        return loader.rmsNorm(name, d, epsilon("rms_norm_eps", 1e-6));
    }

    /** A sliding window from config.json: 0 for none. */
    int window() {
        return json.optionalInt("sliding_window", 0, 0, Integer.MAX_VALUE);
    }

    /**
     * The window of each layer: where {@code layer_types} says sliding_attention, or else everywhere if {@code byDefault}.
     */
    int window(int layer, boolean byDefault) {
        List<String> types = json.strings("layer_types");
        boolean sliding = types.isEmpty() ? byDefault : layerType(types, layer).equals("sliding_attention");
        return sliding ? window() : 0;
    }

    private String layerType(List<String> types, int layer) {
        String type = layer < types.size() ? types.get(layer) : "nothing";
        if (!type.equals("sliding_attention") && !type.equals("full_attention")) {
            throw new ModelFormatException(json.file() + ": layer_types[" + layer + "] is " + type
                    + ", known are sliding_attention and full_attention");
        }
        return type;
    }

    /**
     * Rotary positions as config.json has them: {@code rope_parameters} (transformers 5), or {@code rope_theta} and {@code
     * rope_scaling} (before).
     */
    RotaryPositions rotary(int headDim, double defaultTheta, double defaultPart) {
        if (json.isObject("rope_parameters")) {
            JsonConfig rope = json.requireObject("rope_parameters");
            return rotary(
                    rope,
                    headDim,
                    rope.optionalDouble("rope_theta", defaultTheta, 1, 1e12),
                    rope.optionalDouble("partial_rotary_factor", part(defaultPart), 0, 1));
        }
        double theta = json.optionalDouble("rope_theta", defaultTheta, 1, 1e12);
        return json.isObject("rope_scaling")
                ? rotary(json.requireObject("rope_scaling"), headDim, theta, part(defaultPart))
                : plain(headDim, theta, part(defaultPart));
    }

    private double part(double fallback) {
        return json.optionalDouble("partial_rotary_factor", json.optionalDouble("rotary_pct", fallback, 0, 1), 0, 1);
    }

    private RotaryPositions plain(int headDim, double theta, double part) {
        return json.checked(() -> {
            RotaryPositions plain = RotaryPositions.of(theta, (int) (headDim * part));
            if (loader.weights().has(DIVISORS)) { // of a GGUF file, computed by who wrote it
                double[] divisors = new double[plain.pairs()];
                Tensor values = loader.vector(DIVISORS, divisors.length);
                for (int i = 0; i < divisors.length; i++) {
                    divisors[i] = values.getFloat(i);
                }
                plain = plain.divided(divisors);
            }
            return json.optionalBoolean("rope_interleaved", false) ? plain.asInterleaved() : plain;
        });
    }

    /** Rotary positions with a scaling described by an object. */
    RotaryPositions rotary(JsonConfig rope, int headDim, double theta, double part) {
        RotaryPositions plain = plain(headDim, theta, part);
        int trained = json.optionalInt("max_position_embeddings", 2048, 1, MAX_POSITIONS);
        String type = rope.optionalString("rope_type", rope.optionalString("type", "default"));
        return json.checked(() -> switch (type) {
            case "default" -> plain;
            case "linear" -> plain.linear(factor(rope));
            case "llama3" ->
                plain.llama3(
                        factor(rope),
                        rope.requireDouble("low_freq_factor", 1e-3, 1e6),
                        rope.requireDouble("high_freq_factor", 1e-3, 1e6),
                        rope.requireInt("original_max_position_embeddings", 1, MAX_POSITIONS));
            case "yarn" -> yarn(rope, plain, theta, trained);
            case "longrope", "su" -> longRope(rope, plain, trained);
            default ->
                throw new ModelFormatException(json.file() + ": rope type \"" + type
                        + "\" is none of default, linear, llama3, longrope, yarn");
        });
    }

    private static double factor(JsonConfig rope) {
        return rope.requireDouble("factor", 1e-3, 1e6);
    }

    private static RotaryPositions yarn(JsonConfig rope, RotaryPositions plain, double theta, int trained) {
        int original = rope.optionalInt("original_max_position_embeddings", trained, 1, MAX_POSITIONS);
        double factor = rope.optionalDouble("factor", (double) trained / original, 1e-3, 1e6);
        double mscale = rope.optionalDouble("mscale", 0, 0, 1e6);
        double mscaleAll = rope.optionalDouble("mscale_all_dim", 0, 0, 1e6);
        double attention =
                mscale > 0 && mscaleAll > 0 ? growth(factor, mscale) / growth(factor, mscaleAll) : growth(factor, 1);
        return plain.yarn(
                theta,
                factor,
                rope.optionalDouble("beta_fast", 32, 1e-6, 1e6),
                rope.optionalDouble("beta_slow", 1, 1e-6, 1e6),
                original,
                rope.optionalBoolean("truncate", true),
                rope.optionalDouble("attention_factor", attention, 1e-6, 1e6));
    }

    private static double growth(double factor, double scale) {
        return factor <= 1 ? 1 : 0.1 * scale * StrictMath.log(factor) + 1;
    }

    /**
     * Phi-3's scheme has one list of divisors for contexts within the original one and another beyond it, and picks anew for each
     * length, which would make earlier keys wrong: the short list is used, and the model's positions keep to its context.
     */
    private RotaryPositions longRope(JsonConfig rope, RotaryPositions plain, int trained) {
        int original = originalPositions(rope, trained);
        double factor = json.has("original_max_position_embeddings")
                ? (double) trained / original
                : rope.optionalDouble("factor", (double) trained / original, 1e-3, 1e6);
        double attention = factor <= 1 ? 1 : Math.sqrt(1 + StrictMath.log(factor) / StrictMath.log(original));
        double[] divisors = rope.doubles("short_factor", 1e-6, 1e6).stream()
                .mapToDouble(Double::doubleValue)
                .toArray();
        return plain.divided(divisors).magnified(rope.optionalDouble("attention_factor", attention, 1e-6, 1e6));
    }

    private int originalPositions(JsonConfig rope, int trained) {
        return json.optionalInt(
                "original_max_position_embeddings",
                rope.optionalInt("original_max_position_embeddings", trained, 1, MAX_POSITIONS),
                1,
                MAX_POSITIONS);
    }

    /** Sizes with the context that a longrope model keeps to. */
    DecoderConfig withinOriginalContext(DecoderConfig config) {
        for (String key : List.of("rope_parameters", "rope_scaling")) {
            if (json.isObject(key)) {
                JsonConfig rope = json.requireObject(key);
                String type = rope.optionalString("rope_type", rope.optionalString("type", "default"));
                if (type.equals("longrope") || type.equals("su")) {
                    int positions = Math.min(config.nPositions(), originalPositions(rope, config.nPositions()));
                    return new DecoderConfig(config.dModel(), config.nLayers(), config.vocab(), positions);
                }
            }
        }
        return config;
    }
}
