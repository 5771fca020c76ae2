package dev.gatun.model.decoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.CausalAttention.Heads.Layout;
import dev.gatun.model.nn.FeedForward;
import dev.gatun.model.nn.LearnedPositions;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import java.util.List;

/** OPT (Zhang et al. 2022): learned positions of which the first two rows are not used, ReLU. */
final class Opt {
    private static final int POSITION_OFFSET = 2;
    private static final float EPSILON = 1e-5f; // torch.nn.LayerNorm's default: config.json has no key for it

    private Opt() {}

    static Decoder load(JsonConfig json, Loader loader) {
        var parts = new Parts(json, loader);
        DecoderConfig config = parts.config();
        int d = config.dModel();
        if (!json.optionalBoolean("do_layer_norm_before", true)
                || json.optionalInt("word_embed_proj_dim", d, 1, Parts.MAX) != d) {
            throw new ModelFormatException(json.file()
                    + ": do_layer_norm_before false and a word_embed_proj_dim other than hidden_size (OPT-350m) are"
                    + " not supported");
        }
        Heads heads = parts.heads(Layout.SEPARATE);
        String prefix = loader.weights().has("decoder.embed_tokens.weight") ? "decoder." : "model.decoder.";
        String embedding = prefix + "embed_tokens.weight";
        Tensor positions =
                loader.weights().require(prefix + "embed_positions.weight", config.nPositions() + POSITION_OFFSET, d);
        return new Decoder(
                config,
                heads,
                loader.embedding(embedding, config.vocab(), config.dModel(), 1),
                new LearnedPositions(positions, POSITION_OFFSET),
                List.of(),
                parts.layers(config.nLayers(), i -> layer(parts, d, heads, prefix + "layers." + i)),
                json.optionalBoolean("_remove_final_layer_norm", false)
                        ? null
                        : loader.layerNorm(prefix + "final_layer_norm", d, EPSILON),
                parts.head("lm_head", embedding, config, true),
                0,
                loader.backend());
    }

    private static DecoderLayer layer(Parts parts, int d, Heads heads, String name) {
        Loader loader = parts.loader();
        int dFf = parts.dim("ffn_dim");
        var attn = new CausalAttention(
                heads,
                loader.linearMaybeBias(name + ".self_attn.q_proj", d, d),
                loader.linearMaybeBias(name + ".self_attn.k_proj", d, d),
                loader.linearMaybeBias(name + ".self_attn.v_proj", d, d),
                loader.linearMaybeBias(name + ".self_attn.out_proj", d, d),
                null,
                null,
                CausalAttention.NO_ROTARY,
                0,
                (float) (1 / Math.sqrt(heads.headDim())),
                0);
        var mlp = new FeedForward(
                loader.linearMaybeBias(name + ".fc1", dFf, d),
                parts.activation("activation_function"),
                loader.linearMaybeBias(name + ".fc2", d, dFf));
        Norm attnNorm = loader.layerNorm(name + ".self_attn_layer_norm", d, EPSILON);
        Norm mlpNorm = loader.layerNorm(name + ".final_layer_norm", d, EPSILON);
        return new DecoderLayer(attnNorm, attn, null, mlpNorm, mlp, null, false);
    }
}
