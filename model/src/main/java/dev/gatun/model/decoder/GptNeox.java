package dev.gatun.model.decoder;

import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.CausalAttention.Heads.Layout;
import dev.gatun.model.nn.FeedForward;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.weights.JsonConfig;
import java.util.List;

/** GPT-NeoX and Pythia (Black et al. 2022): q, k, v in one matrix by head, part of each head turns, sublayers side by side. */
final class GptNeox {
    private GptNeox() {}

    static Decoder load(JsonConfig json, Loader loader) {
        var parts = new Parts(json, loader);
        DecoderConfig config = parts.config();
        // A GGUF file has all of q, then all of k, then all of v.
        Heads heads = parts.heads(json.optionalBoolean("qkv_is_fused", false) ? Layout.FUSED : Layout.FUSED_BY_HEAD);
        String embedding = "gpt_neox.embed_in.weight";
        return new Decoder(
                config,
                heads,
                loader.embedding(embedding, config.vocab(), config.dModel(), 1),
                null,
                List.of(parts.rotary(heads.headDim(), json.optionalDouble("rotary_emb_base", 10_000, 1, 1e12), 0.25)),
                parts.layers(config.nLayers(), i -> layer(parts, config, heads, "gpt_neox.layers." + i)),
                norm(parts, "gpt_neox.final_layer_norm", config.dModel()),
                parts.head("embed_out", embedding, config, false),
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
        var attn = new CausalAttention(
                heads,
                loader.linearMaybeBias(name + ".attention.query_key_value", heads.width(), d),
                null,
                null,
                loader.linearMaybeBias(name + ".attention.dense", d, d),
                null,
                null,
                0,
                0,
                (float) (1 / Math.sqrt(heads.headDim())),
                0);
        var mlp = new FeedForward(
                loader.linear(name + ".mlp.dense_h_to_4h", dFf, d),
                parts.activation("hidden_act"),
                loader.linear(name + ".mlp.dense_4h_to_h", d, dFf));
        return new DecoderLayer(
                norm(parts, name + ".input_layernorm", d),
                attn,
                null,
                norm(parts, name + ".post_attention_layernorm", d),
                mlp,
                null,
                parts.json().optionalBoolean("use_parallel_residual", true));
    }
}
