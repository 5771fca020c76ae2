package dev.gatun.model.decoder;

import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.CausalAttention.Heads.Layout;
import dev.gatun.model.nn.FeedForward;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.weights.JsonConfig;
import java.util.List;

/** Phi 1, 1.5 and 2: attention and feed-forward side by side behind one norm, biases everywhere, part of each head turns. */
final class Phi {
    private Phi() {}

    static Decoder load(JsonConfig json, Loader loader) {
        var parts = new Parts(json, loader);
        DecoderConfig config = parts.config();
        Heads heads = parts.headsOf("model.layers.0.self_attn.qkv_proj.weight");
        String embedding = "model.embed_tokens.weight";
        return new Decoder(
                config,
                heads,
                loader.embedding(embedding, config.vocab(), config.dModel(), 1),
                null,
                List.of(parts.rotary(heads.headDim(), 10_000, 0.5)),
                parts.layers(config.nLayers(), i -> layer(parts, config, heads, "model.layers." + i)),
                norm(parts, "model.final_layernorm", config.dModel()),
                parts.head("lm_head", embedding, config, false),
                0,
                loader.backend());
    }

    private static Norm norm(Parts parts, String name, int d) {
        return parts.loader().layerNorm(name, d, parts.epsilon("layer_norm_eps", 1e-5));
    }

    private static DecoderLayer layer(Parts parts, DecoderConfig config, Heads heads, String name) {
        Loader loader = parts.loader();
        int d = config.dModel();
        int dFf = parts.dim("intermediate_size");
        int q = heads.nHeads() * heads.headDim();
        int kv = heads.nKvHeads() * heads.headDim();
        boolean fused = heads.layout() == Layout.FUSED;
        boolean headNorms = parts.json().optionalBoolean("qk_layernorm", false);
        var attn = new CausalAttention(
                heads,
                fused
                        ? loader.linear(name + ".self_attn.qkv_proj", heads.width(), d)
                        : loader.linear(name + ".self_attn.q_proj", q, d),
                fused ? null : loader.linear(name + ".self_attn.k_proj", kv, d),
                fused ? null : loader.linear(name + ".self_attn.v_proj", kv, d),
                loader.linear(name + ".self_attn.dense", d, q),
                headNorms ? norm(parts, name + ".self_attn.q_layernorm", heads.headDim()) : null,
                headNorms ? norm(parts, name + ".self_attn.k_layernorm", heads.headDim()) : null,
                0,
                0,
                (float) (1 / Math.sqrt(heads.headDim())),
                0);
        var mlp = new FeedForward(
                loader.linear(name + ".mlp.fc1", dFf, d),
                parts.activation("hidden_act"),
                loader.linear(name + ".mlp.fc2", d, dFf));
        return new DecoderLayer(norm(parts, name + ".input_layernorm", d), attn, null, null, mlp, null, true);
    }
}
