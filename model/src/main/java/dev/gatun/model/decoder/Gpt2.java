package dev.gatun.model.decoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.CausalAttention.Heads.Layout;
import dev.gatun.model.nn.FeedForward;
import dev.gatun.model.nn.LearnedPositions;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import java.util.List;

/** GPT-2 (Radford et al. 2019): learned positions, q, k, v in one matrix; matrices are stored [in, out]. */
final class Gpt2 {
    private final JsonConfig json;
    private final Parts parts;
    private final Loader loader;
    private final DecoderConfig config;
    private final Heads heads;
    private final int dFf;

    private Gpt2(JsonConfig json, Loader loader) {
        this.json = json;
        this.parts = new Parts(json, loader);
        this.loader = loader;
        int d = parts.dim("n_embd");
        int nHeads = parts.dim("n_head");
        if (d % nHeads != 0) {
            throw new ModelFormatException(json.file() + ": n_embd " + d + " is not a multiple of n_head " + nHeads);
        }
        this.config = new DecoderConfig(
                d,
                json.requireInt("n_layer", 1, 1000),
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                parts.dim("n_positions"));
        this.heads = new Heads(nHeads, nHeads, d / nHeads, Layout.FUSED);
        this.dFf = json.optionalInt("n_inner", 4 * d, 1, Parts.MAX);
    }

    static Decoder load(JsonConfig json, Loader loader) {
        return new Gpt2(json, loader).decoder();
    }

    private Decoder decoder() {
        // The files of 2019 have no prefix, those that transformers writes have one.
        String prefix = loader.weights().has("wte.weight") ? "" : "transformer.";
        String embedding = prefix + "wte.weight";
        Tensor positions = loader.weights().require(prefix + "wpe.weight", config.nPositions(), config.dModel());
        return new Decoder(
                config,
                heads,
                loader.embedding(embedding, config.vocab(), config.dModel(), 1),
                new LearnedPositions(positions, 0),
                List.of(),
                parts.layers(config.nLayers(), i -> layer(prefix + "h." + i, i)),
                norm(prefix + "ln_f"),
                parts.head("lm_head", embedding, config, true),
                0,
                loader.backend());
    }

    private Norm norm(String name) {
        return loader.layerNorm(name, config.dModel(), parts.epsilon("layer_norm_epsilon", 1e-5));
    }

    /** A weight stored [in, out], as GPT-2's Conv1D has it. */
    private Linear conv(String name, int n, int k) {
        if (json.optionalBoolean("weights_are_out_in", false)) { // as in a GGUF file
            return loader.linear(name, n, k);
        }
        String weight = name + ".weight";
        return new Linear(
                loader.pack(
                        weight,
                        n,
                        k,
                        () -> loader.weights().require(weight, k, n).transpose(0, 1)),
                loader.vector(name + ".bias", n));
    }

    private DecoderLayer layer(String name, int index) {
        int d = config.dModel();
        double scale = json.optionalBoolean("scale_attn_weights", true) ? 1 / Math.sqrt(heads.headDim()) : 1;
        if (json.optionalBoolean("scale_attn_by_inverse_layer_idx", false)) {
            scale /= index + 1;
        }
        var attn = new CausalAttention(
                heads,
                conv(name + ".attn.c_attn", heads.width(), d),
                null,
                null,
                conv(name + ".attn.c_proj", d, d),
                null,
                null,
                CausalAttention.NO_ROTARY,
                0,
                (float) scale,
                0);
        var mlp = new FeedForward(
                conv(name + ".mlp.c_fc", dFf, d),
                parts.activation("activation_function"),
                conv(name + ".mlp.c_proj", d, dFf));
        return new DecoderLayer(norm(name + ".ln_1"), attn, null, norm(name + ".ln_2"), mlp, null, false);
    }
}
