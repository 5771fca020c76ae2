package dev.gatun.model.seq2seq;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.ActivationNames;
import dev.gatun.model.nn.Embedding;
import dev.gatun.model.nn.FeedForward;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.MultiHeadAttention;
import dev.gatun.model.nn.PositionTable;
import dev.gatun.model.nn.SinusoidalPositions;
import dev.gatun.model.transformer.DecoderLayer;
import dev.gatun.model.transformer.EncoderLayer;
import dev.gatun.model.transformer.Input;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.transformer.Transformer.Stack;
import dev.gatun.model.transformer.TransformerConfig;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Activation;
import org.jspecify.annotations.Nullable;

/** BART (Lewis et al. 2020) and those who share its tensor names: mBART, Pegasus, Marian. */
final class Bart {
    private static final float EPSILON = 1e-5f; // torch.nn.LayerNorm's default: config.json has no key for it
    private static final int BART_OFFSET = 2; // rows of the table before position 0

    /**
     * How the families differ.
     *
     * @param sinusoidal positions of all sines, then all cosines; else learned, the first two rows of the table not used
     * @param inputNorm whether the sum of embedding and position is normalised
     * @param normFirst pre-norm
     * @param finalNorm whether a stack ends in a norm
     */
    private record Kind(boolean sinusoidal, boolean inputNorm, boolean normFirst, boolean finalNorm) {}

    private final Parts parts;
    private final JsonConfig json;
    private final Loader loader;
    private final Kind kind;
    private final TransformerConfig config;
    private final Activation activation;

    private Bart(JsonConfig json, Loader loader, Kind kind) {
        this.parts = new Parts(json, loader);
        this.json = json;
        this.loader = loader;
        this.kind = kind;
        this.activation = json.requireOneOf("activation_function", ActivationNames.ALL);
        this.config = json.checked(() -> TransformerConfig.of(
                parts.dim("d_model"),
                parts.dim("encoder_attention_heads"),
                parts.dim("decoder_attention_heads"),
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                json.optionalInt("max_position_embeddings", 1024, 1, Parts.MAX)));
    }

    static Transformer load(JsonConfig json, Loader loader) {
        // The first BARTs' config.json spells out what all of them are; mBART's too, the other way round.
        return new Bart(json, loader, new Kind(false, true, json.optionalBoolean("normalize_before", false), false))
                .model();
    }

    static Transformer loadMbart(JsonConfig json, Loader loader) {
        return new Bart(json, loader, new Kind(false, true, true, true)).model();
    }

    static Transformer loadPegasus(JsonConfig json, Loader loader) {
        return new Bart(json, loader, new Kind(true, false, true, true)).model();
    }

    static Transformer loadMarian(JsonConfig json, Loader loader) {
        return new Bart(json, loader, new Kind(true, false, false, false)).model();
    }

    private Transformer model() {
        int d = config.dModel();
        int vocab = config.vocab();
        for (String key : new String[] {"share_encoder_decoder_embeddings", "tie_word_embeddings"}) {
            if (!json.optionalBoolean(key, true)) {
                throw new ModelFormatException(
                        json.file() + ": " + key + " is false; only one shared embedding is supported");
            }
        }
        String body = loader.weights().has("shared.weight") || loader.weights().has("encoder.embed_tokens.weight")
                ? ""
                : "model.";
        String[] names = {
            body + "shared.weight",
            body + "encoder.embed_tokens.weight",
            body + "decoder.embed_tokens.weight",
            "lm_head.weight"
        };
        Tensor shared = parts.shared(vocab, d, names);
        parts.repeated(vocab, d, names);
        float scale = json.optionalBoolean("scale_embedding", false) ? (float) Math.sqrt(d) : 1f;
        Embedding embedding = new Embedding(shared, scale);
        String encoder = body + "encoder";
        String decoder = body + "decoder";
        @Nullable
        PositionTable positions = kind.sinusoidal
                ? SinusoidalPositions.create(loader.arena(), config.nPositions(), d, SinusoidalPositions.Layout.HALVES)
                : null;
        Tensor logitsBias = loader.weights().has("final_logits_bias")
                ? loader.f32(loader.weights().require("final_logits_bias", 1, vocab))
                        .select(0, 0)
                : null;
        return new Transformer(
                config,
                new Stack<>(
                        input(encoder, embedding, positions),
                        null,
                        Parts.layers(
                                json.requireInt("encoder_layers", 1, 1000),
                                i -> encoderLayer(encoder + ".layers." + i)),
                        finalNorm(encoder)),
                new Stack<>(
                        input(decoder, embedding, positions),
                        null,
                        Parts.layers(
                                json.requireInt("decoder_layers", 1, 1000),
                                i -> decoderLayer(decoder + ".layers." + i)),
                        finalNorm(decoder)),
                1f,
                new Linear(loader.pack(names[0], vocab, d, () -> shared), logitsBias),
                loader.backend());
    }

    private Input input(String name, Embedding embedding, @Nullable PositionTable computed) {
        String table = name + ".embed_positions.weight";
        PositionTable positions = computed;
        if (computed == null) {
            int rows = config.nPositions() + BART_OFFSET;
            positions =
                    new PositionTable(loader.f32(loader.weights().require(table, rows, config.dModel())), BART_OFFSET);
        } else {
            parts.repeated(config.nPositions(), config.dModel(), table); // in checkpoints of old
        }
        return new Input(embedding, positions, kind.inputNorm ? norm(name + ".layernorm_embedding") : null);
    }

    private @Nullable LayerNorm finalNorm(String name) {
        return kind.finalNorm ? norm(name + ".layer_norm") : null;
    }

    private EncoderLayer encoderLayer(String name) {
        return new EncoderLayer(
                attention(name + ".self_attn", config.encoderHeads()),
                norm(name + ".self_attn_layer_norm"),
                feedForward(name, parts.dim("encoder_ffn_dim")),
                norm(name + ".final_layer_norm"),
                kind.normFirst);
    }

    private DecoderLayer decoderLayer(String name) {
        return new DecoderLayer(
                attention(name + ".self_attn", config.decoderHeads()),
                norm(name + ".self_attn_layer_norm"),
                attention(name + ".encoder_attn", config.decoderHeads()),
                norm(name + ".encoder_attn_layer_norm"),
                feedForward(name, parts.dim("decoder_ffn_dim")),
                norm(name + ".final_layer_norm"),
                kind.normFirst);
    }

    private MultiHeadAttention attention(String name, int nHeads) {
        int d = config.dModel();
        return MultiHeadAttention.of(
                loader.linear(name + ".q_proj", d, d),
                loader.linear(name + ".k_proj", d, d),
                loader.linear(name + ".v_proj", d, d),
                loader.linear(name + ".out_proj", d, d),
                nHeads);
    }

    private FeedForward feedForward(String name, int dFf) {
        int d = config.dModel();
        return new FeedForward(loader.linear(name + ".fc1", dFf, d), activation, loader.linear(name + ".fc2", d, dFf));
    }

    private LayerNorm norm(String name) {
        return loader.layerNorm(name, config.dModel(), EPSILON);
    }
}
