package dev.gatun.model.weights;

import dev.gatun.memory.MappedFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A GGUF file seen as the Hugging Face folder it was made from: metadata as the settings of config.json, tensors under the names
 * that the checkpoint had. What the conversion changed for good (rotated pairs side by side, gains with 1 added, q, k and v in one
 * matrix) is a setting of its own, which the families know.
 */
public final class GgufModel implements AutoCloseable {
    private static final Pattern BLOCK = Pattern.compile("blk\\.(\\d+)\\.(.+)\\.(weight|bias)");
    private static final Pattern OUTER = Pattern.compile("(.+)\\.(weight|bias)");

    /** Names of one architecture: of the whole model, and of a layer behind its prefix. */
    private record Names(String modelType, Map<String, String> outer, String layer, Map<String, String> inner) {
        String checkpoint(String name) {
            Matcher block = BLOCK.matcher(name);
            if (block.matches() && inner.containsKey(block.group(2))) {
                return layer + block.group(1) + "." + inner.get(block.group(2)) + "." + block.group(3);
            }
            Matcher whole = OUTER.matcher(name);
            return whole.matches() && outer.containsKey(whole.group(1))
                    ? outer.get(whole.group(1)) + "." + whole.group(2)
                    : name;
        }
    }

    private static final Map<String, String> LLAMA_OUTER =
            Map.of("token_embd", "model.embed_tokens", "output_norm", "model.norm", "output", "lm_head");
    private static final Map<String, String> LLAMA_INNER = Map.ofEntries(
            Map.entry("attn_norm", "input_layernorm"),
            Map.entry("attn_q", "self_attn.q_proj"),
            Map.entry("attn_k", "self_attn.k_proj"),
            Map.entry("attn_v", "self_attn.v_proj"),
            Map.entry("attn_qkv", "self_attn.qkv_proj"),
            Map.entry("attn_output", "self_attn.o_proj"),
            Map.entry("attn_q_norm", "self_attn.q_norm"),
            Map.entry("attn_k_norm", "self_attn.k_norm"),
            Map.entry("ffn_norm", "post_attention_layernorm"),
            Map.entry("ffn_gate", "mlp.gate_proj"),
            Map.entry("ffn_up", "mlp.up_proj"),
            Map.entry("ffn_down", "mlp.down_proj"));
    private static final Map<String, String> GEMMA_INNER = with(
            LLAMA_INNER,
            "ffn_norm",
            "pre_feedforward_layernorm",
            "post_attention_norm",
            "post_attention_layernorm",
            "post_ffw_norm",
            "post_feedforward_layernorm");

    private static final Map<String, Names> ARCHITECTURES = Map.of(
            "llama", new Names("llama", LLAMA_OUTER, "model.layers.", LLAMA_INNER),
            "qwen2", new Names("qwen2", LLAMA_OUTER, "model.layers.", LLAMA_INNER),
            "qwen3", new Names("qwen3", LLAMA_OUTER, "model.layers.", LLAMA_INNER),
            "smollm3", new Names("smollm3", LLAMA_OUTER, "model.layers.", LLAMA_INNER),
            "gemma2", new Names("gemma2", LLAMA_OUTER, "model.layers.", GEMMA_INNER),
            "gemma3", new Names("gemma3_text", LLAMA_OUTER, "model.layers.", GEMMA_INNER),
            "phi3", new Names("phi3", LLAMA_OUTER, "model.layers.", with(LLAMA_INNER, "ffn_up", "mlp.gate_up_proj")),
            "phi2",
                    new Names(
                            "phi",
                            with(LLAMA_OUTER, "output_norm", "model.final_layernorm"),
                            "model.layers.",
                            with(
                                    LLAMA_INNER,
                                    "attn_output",
                                    "self_attn.dense",
                                    "ffn_up",
                                    "mlp.fc1",
                                    "ffn_down",
                                    "mlp.fc2",
                                    "attn_q_norm",
                                    "self_attn.q_layernorm",
                                    "attn_k_norm",
                                    "self_attn.k_layernorm")),
            "gptneox",
                    new Names(
                            "gpt_neox",
                            Map.of(
                                    "token_embd",
                                    "gpt_neox.embed_in",
                                    "output_norm",
                                    "gpt_neox.final_layer_norm",
                                    "output",
                                    "embed_out"),
                            "gpt_neox.layers.",
                            with(
                                    LLAMA_INNER,
                                    "attn_qkv",
                                    "attention.query_key_value",
                                    "attn_output",
                                    "attention.dense",
                                    "ffn_up",
                                    "mlp.dense_h_to_4h",
                                    "ffn_down",
                                    "mlp.dense_4h_to_h")),
            "gpt2",
                    new Names(
                            "gpt2",
                            Map.of(
                                    "token_embd",
                                    "wte",
                                    "position_embd",
                                    "wpe",
                                    "output_norm",
                                    "ln_f",
                                    "output",
                                    "lm_head"),
                            "h.",
                            Map.of(
                                    "attn_norm",
                                    "ln_1",
                                    "attn_qkv",
                                    "attn.c_attn",
                                    "attn_output",
                                    "attn.c_proj",
                                    "ffn_norm",
                                    "ln_2",
                                    "ffn_up",
                                    "mlp.c_fc",
                                    "ffn_down",
                                    "mlp.c_proj")));

    private final GgufFile file;
    private final Arena arena;
    private final String architecture;
    private final Names names;
    private boolean taken;

    private GgufModel(GgufFile file, Arena arena) {
        this.file = file;
        this.arena = arena;
        this.architecture = file.requireString("general.architecture");
        Names known = ARCHITECTURES.get(architecture);
        if (known == null) {
            throw new ModelFormatException(file.name() + ": general.architecture is \"" + architecture
                    + "\", which is none of " + new java.util.TreeSet<>(ARCHITECTURES.keySet()));
        }
        this.names = known;
    }

    private static Map<String, String> with(Map<String, String> base, String... more) {
        Map<String, String> all = new LinkedHashMap<>(base);
        for (int i = 0; i < more.length; i += 2) {
            all.put(more[i], more[i + 1]);
        }
        return Map.copyOf(all);
    }

    /**
     * Maps and checks a file.
     *
     * @throws IOException if it is missing or cannot be mapped
     * @throws ModelFormatException if it breaks the format, or its architecture is not known
     */
    public static GgufModel open(Path path) throws IOException {
        Arena arena = Arena.ofShared();
        try {
            return new GgufModel(GgufFile.of(MappedFile.open(path, arena)), arena);
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    /** The file itself: its vocabulary, its chat template. */
    public GgufFile file() {
        return file;
    }

    /** The tensors under the checkpoint's names, for as long as the file is open. */
    public Weights weights() {
        return Weights.of(file, names::checkpoint, Arena.ofShared());
    }

    /** The tensors under the checkpoint's names. They take the mapping over: closing them unmaps the file. */
    public Weights takeWeights() {
        taken = true;
        return Weights.of(file, names::checkpoint, arena);
    }

    /** Unmaps the file, unless its weights have been taken. Closing twice does nothing. */
    @Override
    public void close() {
        if (!taken && arena.scope().isAlive()) {
            arena.close();
        }
    }

    /** What config.json would say. */
    public JsonConfig config() {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("model_type", names.modelType);
        put(config, "hidden_size", "embedding_length");
        put(config, "num_hidden_layers", "block_count");
        put(config, "intermediate_size", "feed_forward_length");
        put(config, "num_attention_heads", "attention.head_count");
        put(config, "num_key_value_heads", "attention.head_count_kv");
        put(config, "head_dim", "attention.key_length");
        put(config, "rms_norm_eps", "attention.layer_norm_rms_epsilon");
        put(config, "layer_norm_eps", "attention.layer_norm_epsilon");
        put(config, "max_position_embeddings", "context_length");
        put(config, "rope_theta", "rope.freq_base");
        put(config, "sliding_window", "attention.sliding_window");
        put(config, "attn_logit_softcapping", "attn_logit_softcapping");
        put(config, "final_logit_softcapping", "final_logit_softcapping");
        put(config, "use_parallel_residual", "use_parallel_residual");
        config.put("vocab_size", vocabulary());
        config.put("tie_word_embeddings", !hasTensor("output.weight"));
        config.put("hidden_act", "silu");
        scaling(config);
        rotaryPart(config);
        special(config);
        Object eos = file.value("tokenizer.ggml.eos_token_id");
        if (eos != null) {
            config.put("eos_token_id", eos);
        }
        return JsonConfig.of(file.name(), config);
    }

    private boolean hasTensor(String name) {
        return file.tensors().containsKey(name) || file.quantized().containsKey(name);
    }

    private long vocabulary() {
        String name = "token_embd.weight";
        if (file.quantized().containsKey(name)) {
            return java.util.Objects.requireNonNull(file.quantized().get(name)).n();
        }
        var tensor = file.tensors().get(name);
        if (tensor == null || tensor.rank() != 2) {
            throw new ModelFormatException(file.name() + ": no matrix " + name);
        }
        return tensor.dim(0);
    }

    private void put(Map<String, Object> config, String key, String metadata) {
        Object value = of(metadata);
        if (value != null) {
            config.put(key, value);
        }
    }

    private @Nullable Object of(String key) {
        return file.value(architecture + "." + key);
    }

    private double number(String key, double fallback) {
        return of(key) instanceof Number number ? number.doubleValue() : fallback;
    }

    private void scaling(Map<String, Object> config) {
        String type = file.optionalString(architecture + ".rope.scaling.type", "none");
        double factor = number("rope.scaling.factor", 0);
        if (factor > 0 && (type.equals("linear") || type.equals("yarn"))) {
            Map<String, Object> rope = new LinkedHashMap<>();
            rope.put("rope_type", type);
            rope.put("factor", factor);
            Object original = of("rope.scaling.original_context_length");
            if (original != null) {
                rope.put("original_max_position_embeddings", original);
            }
            config.put("rope_scaling", rope);
        } else if (!type.equals("none") && !type.equals("linear")) {
            throw new ModelFormatException(file.name() + ": " + architecture + ".rope.scaling.type is \"" + type
                    + "\", known are none, linear and yarn");
        }
        if (hasTensor("rope_factors_short.weight") || hasTensor("rope_factors_long.weight")) {
            throw new ModelFormatException(
                    file.name() + ": long-context rotary factors (rope_factors_long) are not supported");
        }
    }

    private void rotaryPart(Map<String, Object> config) {
        double heads = number("attention.head_count", 1);
        double headDim = number("attention.key_length", number("embedding_length", 0) / heads);
        double turned = number("rope.dimension_count", headDim);
        if (turned < headDim) {
            config.put("partial_rotary_factor", turned / headDim);
        } else {
            config.put("partial_rotary_factor", 1.0);
        }
    }

    /** What a conversion changed, and what is known of an architecture but not written. */
    private void special(Map<String, Object> config) {
        switch (architecture) {
            case "llama", "smollm3" -> config.put("rope_interleaved", true);
            case "phi2" -> config.put("hidden_act", "gelu_new");
            case "gptneox" -> {
                config.put("hidden_act", "gelu");
                config.put("qkv_is_fused", true);
            }
            case "gpt2" -> gpt2(config);
            case "gemma2", "gemma3" -> gemma(config);
            default -> {}
        }
    }

    private void gpt2(Map<String, Object> config) {
        put(config, "n_embd", "embedding_length");
        put(config, "n_head", "attention.head_count");
        put(config, "n_layer", "block_count");
        put(config, "n_positions", "context_length");
        put(config, "n_inner", "feed_forward_length");
        put(config, "layer_norm_epsilon", "attention.layer_norm_epsilon");
        config.put("activation_function", "gelu_new");
        config.put("weights_are_out_in", true);
    }

    private void gemma(Map<String, Object> config) {
        config.put("hidden_activation", "gelu_pytorch_tanh");
        config.put("norm_weight_is_gain", true);
        // The largest of each generation scales scores by D / heads instead of the head's size; no key says so.
        double layers = number("block_count", 0);
        if (architecture.equals("gemma2") && layers == 46 || architecture.equals("gemma3") && layers == 62) {
            config.put("query_pre_attn_scalar", number("embedding_length", 0) / number("attention.head_count", 1));
        }
    }
}
