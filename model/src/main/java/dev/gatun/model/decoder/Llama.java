package dev.gatun.model.decoder;

import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.CausalAttention.Heads.Layout;
import dev.gatun.model.nn.GatedFeedForward;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.ops.Activation;
import java.util.List;

/**
 * Llama (Touvron et al. 2023) and those that share its tensors: Mistral (sliding window), Qwen 2 (biases on q, k, v), Qwen 3 (norms
 * on each head of q and k), SmolLM3 (layers without positions).
 */
final class Llama {
    private interface Choice {
        int of(int layer);
    }

    private final Parts parts;
    private final Loader loader;
    private final DecoderConfig config;
    private final Heads heads;
    private final Activation activation;
    private final int dFf;

    private Llama(JsonConfig json, Loader loader) {
        this.parts = new Parts(json, loader);
        this.loader = loader;
        this.config = parts.config();
        this.heads = parts.headsOf("model.layers.0.self_attn.qkv_proj.weight");
        this.activation = parts.activation("hidden_act");
        this.dFf = parts.dim("intermediate_size");
    }

    static Decoder load(JsonConfig json, Loader loader) {
        return new Llama(json, loader).decoder(false, layer -> 0, layer -> 0, 10_000);
    }

    static Decoder loadMistral(JsonConfig json, Loader loader) {
        var family = new Llama(json, loader);
        return family.decoder(false, layer -> 0, layer -> family.parts.window(layer, true), 10_000);
    }

    static Decoder loadQwen2(JsonConfig json, Loader loader) {
        var family = new Llama(json, loader);
        return family.decoder(false, layer -> 0, family::qwenWindow, 10_000);
    }

    static Decoder loadQwen3(JsonConfig json, Loader loader) {
        var family = new Llama(json, loader);
        return family.decoder(true, layer -> 0, family::qwenWindow, 10_000);
    }

    static Decoder loadSmolLm3(JsonConfig json, Loader loader) {
        var family = new Llama(json, loader);
        List<Integer> rope = json.ints("no_rope_layers", 0, 1); // 1 is a layer with positions, despite the name
        int interval = json.optionalInt("no_rope_layer_interval", 4, 1, 1000);
        Choice positions = layer -> (rope.size() > layer ? rope.get(layer) != 0 : (layer + 1) % interval != 0)
                ? 0
                : CausalAttention.NO_ROTARY;
        boolean windows = json.optionalBoolean("use_sliding_window", false);
        return family.decoder(false, positions, layer -> windows ? family.parts.window(layer, false) : 0, 2_000_000);
    }

    private int qwenWindow(int layer) {
        JsonConfig json = parts.json();
        boolean windows = json.optionalBoolean("use_sliding_window", false);
        return windows ? parts.window(layer, layer >= json.optionalInt("max_window_layers", 28, 0, 1000)) : 0;
    }

    private Decoder decoder(boolean headNorms, Choice rotary, Choice window, double theta) {
        String embedding = "model.embed_tokens.weight";
        return new Decoder(
                config,
                heads,
                loader.embedding(embedding, config.vocab(), config.dModel(), 1),
                null,
                List.of(parts.rotary(heads.headDim(), theta, 1)),
                parts.layers(config.nLayers(), i -> layer("model.layers." + i, headNorms, rotary.of(i), window.of(i))),
                parts.rmsNorm("model.norm", config.dModel()),
                parts.head("lm_head", embedding, config, false),
                0,
                loader.backend());
    }

    private DecoderLayer layer(String name, boolean headNorms, int rotary, int window) {
        int d = config.dModel();
        int q = heads.nHeads() * heads.headDim();
        int kv = heads.nKvHeads() * heads.headDim();
        boolean fused = heads.layout() == Layout.FUSED;
        var attn = new CausalAttention(
                heads,
                fused
                        ? loader.linearMaybeBias(name + ".self_attn.qkv_proj", heads.width(), d)
                        : loader.linearMaybeBias(name + ".self_attn.q_proj", q, d),
                fused ? null : loader.linearMaybeBias(name + ".self_attn.k_proj", kv, d),
                fused ? null : loader.linearMaybeBias(name + ".self_attn.v_proj", kv, d),
                loader.linearMaybeBias(name + ".self_attn.o_proj", d, q),
                headNorms ? parts.rmsNorm(name + ".self_attn.q_norm", heads.headDim()) : null,
                headNorms ? parts.rmsNorm(name + ".self_attn.k_norm", heads.headDim()) : null,
                rotary,
                window,
                (float) (1 / Math.sqrt(heads.headDim())),
                0);
        var mlp = new GatedFeedForward(
                loader.linearMaybeBias(name + ".mlp.gate_proj", dFf, d),
                loader.linearMaybeBias(name + ".mlp.up_proj", dFf, d),
                activation,
                loader.linearMaybeBias(name + ".mlp.down_proj", d, dFf));
        return new DecoderLayer(
                parts.rmsNorm(name + ".input_layernorm", d),
                attn,
                null,
                parts.rmsNorm(name + ".post_attention_layernorm", d),
                mlp,
                null,
                false);
    }
}
