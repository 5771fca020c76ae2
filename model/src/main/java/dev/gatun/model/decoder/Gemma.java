package dev.gatun.model.decoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.CausalAttention.Heads.Layout;
import dev.gatun.model.nn.GatedFeedForward;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.RmsNorm;
import dev.gatun.model.nn.RotaryPositions;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Activation;
import java.util.List;

/**
 * Gemma 2 and 3 (text): embeddings times &radic;D, norms before and after each sublayer whose gain is 1 + weight, local layers with
 * a sliding window between global ones; Gemma 2 caps scores and logits softly, Gemma 3 norms each head of q and k and gives local
 * layers a rotary base of their own.
 */
final class Gemma {
    private static final int GLOBAL = 0;
    private static final int LOCAL = 1;

    private final JsonConfig json;
    private final Parts parts;
    private final Loader loader;
    private final DecoderConfig config;
    private final Heads heads;
    private final Activation activation;
    private final int dFf;
    private final boolean headNorms;

    private Gemma(JsonConfig json, Loader loader, boolean headNorms) {
        this.json = json;
        this.parts = new Parts(json, loader);
        this.loader = loader;
        this.config = parts.config();
        this.heads = parts.heads(Layout.SEPARATE);
        this.activation = parts.activation("hidden_activation");
        this.dFf = parts.dim("intermediate_size");
        this.headNorms = headNorms;
        if (json.optionalBoolean("use_bidirectional_attention", false)) {
            throw new ModelFormatException(json.file() + ": use_bidirectional_attention is not supported");
        }
    }

    static Decoder loadGemma2(JsonConfig json, Loader loader) {
        var family = new Gemma(json, loader, false);
        RotaryPositions rotary = family.parts.rotary(family.heads.headDim(), 10_000, 1);
        return family.decoder(List.of(rotary, rotary), 2);
    }

    static Decoder loadGemma3(JsonConfig json, Loader loader) {
        var family = new Gemma(json, loader, true);
        int pattern = json.optionalInt("sliding_window_pattern", 6, 1, 1000);
        return family.decoder(family.bothRotaries(), pattern);
    }

    private List<RotaryPositions> bothRotaries() {
        int headDim = heads.headDim();
        if (json.isObject("rope_parameters")
                && json.requireObject("rope_parameters").isObject("full_attention")) {
            JsonConfig both = json.requireObject("rope_parameters");
            return List.of(
                    rotary(both.requireObject("full_attention"), 1_000_000),
                    both.isObject("sliding_attention")
                            ? rotary(both.requireObject("sliding_attention"), 10_000)
                            : RotaryPositions.of(10_000, headDim));
        }
        double local = json.optionalDouble("rope_local_base_freq", 10_000, 1, 1e12);
        return List.of(parts.rotary(headDim, 1_000_000, 1), RotaryPositions.of(local, headDim));
    }

    private RotaryPositions rotary(JsonConfig rope, double theta) {
        return parts.rotary(rope, heads.headDim(), rope.optionalDouble("rope_theta", theta, 1, 1e12), 1);
    }

    /**
     * Puts it together.
     *
     * @param pattern of this many layers the last is global, unless config.json lists layer types
     */
    private Decoder decoder(List<RotaryPositions> rotaries, int pattern) {
        String embedding = "model.embed_tokens.weight";
        return new Decoder(
                config,
                heads,
                loader.embedding(embedding, config.vocab(), config.dModel(), (float) Math.sqrt(config.dModel())),
                null,
                rotaries,
                parts.layers(
                        config.nLayers(), i -> layer("model.layers." + i, parts.window(i, (i + 1) % pattern != 0))),
                norm("model.norm", config.dModel()),
                parts.head("lm_head", embedding, config, true),
                (float) json.optionalDouble("final_logit_softcapping", 0, 0, 1e9),
                loader.backend());
    }

    private DecoderLayer layer(String name, int window) {
        int d = config.dModel();
        int q = heads.nHeads() * heads.headDim();
        int kv = heads.nKvHeads() * heads.headDim();
        double scale = 1 / Math.sqrt(json.optionalDouble("query_pre_attn_scalar", heads.headDim(), 1e-6, 1e9));
        var attn = new CausalAttention(
                heads,
                loader.linearMaybeBias(name + ".self_attn.q_proj", q, d),
                loader.linearMaybeBias(name + ".self_attn.k_proj", kv, d),
                loader.linearMaybeBias(name + ".self_attn.v_proj", kv, d),
                loader.linearMaybeBias(name + ".self_attn.o_proj", d, q),
                headNorms ? norm(name + ".self_attn.q_norm", heads.headDim()) : null,
                headNorms ? norm(name + ".self_attn.k_norm", heads.headDim()) : null,
                window == 0 ? GLOBAL : LOCAL,
                window,
                (float) scale,
                (float) json.optionalDouble("attn_logit_softcapping", 0, 0, 1e9));
        var mlp = new GatedFeedForward(
                loader.linearMaybeBias(name + ".mlp.gate_proj", dFf, d),
                loader.linearMaybeBias(name + ".mlp.up_proj", dFf, d),
                activation,
                loader.linearMaybeBias(name + ".mlp.down_proj", d, dFf));
        return new DecoderLayer(
                norm(name + ".input_layernorm", d),
                attn,
                norm(name + ".post_attention_layernorm", d),
                norm(name + ".pre_feedforward_layernorm", d),
                mlp,
                norm(name + ".post_feedforward_layernorm", d),
                false);
    }

    /** The gain is 1 + weight; a GGUF file has that sum already. */
    private RmsNorm norm(String name, int d) {
        RmsNorm norm = parts.rmsNorm(name, d);
        if (json.optionalBoolean("norm_weight_is_gain", false)) {
            return norm;
        }
        Tensor gain = Tensor.allocate(loader.arena(), DType.F32, norm.weight().shape());
        for (int i = 0; i < d; i++) {
            gain.setFloatAt(i, 1 + norm.weight().getFloat(i));
        }
        return new RmsNorm(gain, norm.epsilon());
    }
}
