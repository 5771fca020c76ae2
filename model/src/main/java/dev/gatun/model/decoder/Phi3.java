package dev.gatun.model.decoder;

import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.CausalAttention.Heads.Layout;
import dev.gatun.model.nn.GatedFeedForward;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.weights.JsonConfig;
import java.util.List;

/** Phi-3 and Phi-4-mini: Llama with q, k and v in one matrix, gate and up in another, and a sliding window in some. */
final class Phi3 {
    private Phi3() {}

    static Decoder load(JsonConfig json, Loader loader) {
        var parts = new Parts(json, loader);
        DecoderConfig config = parts.withinOriginalContext(parts.config());
        Heads heads = parts.heads(Layout.FUSED);
        String embedding = "model.embed_tokens.weight";
        return new Decoder(
                config,
                heads,
                loader.embedding(embedding, config.vocab(), config.dModel(), 1),
                null,
                List.of(parts.rotary(heads.headDim(), 10_000, 1)),
                parts.layers(config.nLayers(), i -> layer(parts, config, heads, "model.layers." + i)),
                parts.rmsNorm("model.norm", config.dModel()),
                parts.head("lm_head", embedding, config, false),
                0,
                loader.backend());
    }

    private static DecoderLayer layer(Parts parts, DecoderConfig config, Heads heads, String name) {
        Loader loader = parts.loader();
        int d = config.dModel();
        int dFf = parts.dim("intermediate_size");
        var attn = new CausalAttention(
                heads,
                loader.linearMaybeBias(name + ".self_attn.qkv_proj", heads.width(), d),
                null,
                null,
                loader.linearMaybeBias(name + ".self_attn.o_proj", d, heads.nHeads() * heads.headDim()),
                null,
                null,
                0,
                parts.window(),
                (float) (1 / Math.sqrt(heads.headDim())),
                0);
        var mlp = new GatedFeedForward(
                loader.linearMaybeBias(name + ".mlp.gate_up_proj", 2 * dFf, d),
                null,
                parts.activation("hidden_act"),
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
