package dev.gatun.model.seq2seq;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.ActivationNames;
import dev.gatun.model.nn.Embedding;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.PositionTable;
import dev.gatun.model.nn.SinusoidalPositions;
import dev.gatun.model.transformer.Input;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.transformer.Transformer.Stack;
import dev.gatun.model.transformer.TransformerConfig;
import dev.gatun.model.weights.JsonConfig;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** BART (Lewis et al. 2020) and those who share its tensor names: mBART, Pegasus, Marian. */
final class Bart {
    private static final String HEAD = "lm_head.weight";
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
    private final BartLayers layers;

    private Bart(JsonConfig json, Loader loader, Kind kind) {
        this.parts = new Parts(json, loader);
        this.json = json;
        this.loader = loader;
        this.kind = kind;
        this.config = json.checked(() -> TransformerConfig.of(
                parts.dim("d_model"),
                parts.dim("encoder_attention_heads"),
                parts.dim("decoder_attention_heads"),
                targetVocab(json),
                json.optionalInt("max_position_embeddings", 1024, 1, Parts.MAX)));
        this.layers = new BartLayers(
                parts, config, json.requireOneOf("activation_function", ActivationNames.ALL), kind.normFirst, true);
    }

    /** A Marian may have a vocabulary of its own for targets. */
    private static int targetVocab(JsonConfig json) {
        int sources = json.requireInt("vocab_size", 1, Integer.MAX_VALUE);
        boolean shares = json.optionalBoolean("share_encoder_decoder_embeddings", true);
        return shares ? sources : json.optionalInt("decoder_vocab_size", sources, 1, Integer.MAX_VALUE);
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
        boolean shares = json.optionalBoolean("share_encoder_decoder_embeddings", true);
        String body = loader.weights().has("shared.weight") || loader.weights().has("encoder.embed_tokens.weight")
                ? ""
                : "model.";
        String[] tables = shares
                ? new String[] {
                    body + "shared.weight",
                    body + "encoder.embed_tokens.weight",
                    body + "decoder.embed_tokens.weight",
                    HEAD
                }
                : new String[] {body + "decoder.embed_tokens.weight", HEAD};
        boolean tied = json.optionalBoolean("tie_word_embeddings", true);
        String[] names = tied ? tables : Arrays.copyOf(tables, tables.length - 1);
        Tensor targets = parts.shared(vocab, d, names);
        parts.repeated(vocab, d, names);
        Tensor sources = shares
                ? targets
                : loader.weights()
                        .require(
                                body + "encoder.embed_tokens.weight",
                                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                                d);
        float scale = json.optionalBoolean("scale_embedding", false) ? (float) Math.sqrt(d) : 1f;
        Embedding embedding = new Embedding(targets, scale);
        String encoder = body + "encoder";
        String decoder = body + "decoder";
        @Nullable
        PositionTable positions = kind.sinusoidal
                ? SinusoidalPositions.create(loader.arena(), config.nSource(), d, SinusoidalPositions.Layout.HALVES)
                : null;
        Tensor logitsBias = loader.weights().has("final_logits_bias")
                ? loader.f32(loader.weights().require("final_logits_bias", 1, vocab))
                        .select(0, 0)
                : null;
        return new Transformer(
                config,
                new Stack<>(
                        input(encoder, shares ? embedding : new Embedding(sources, scale), positions),
                        null,
                        Parts.layers(
                                json.requireInt("encoder_layers", 1, 1000),
                                i -> layers.encoderLayer(encoder + ".layers." + i)),
                        finalNorm(encoder)),
                new Stack<>(
                        input(decoder, embedding, positions),
                        null,
                        Parts.layers(
                                json.requireInt("decoder_layers", 1, 1000),
                                i -> layers.decoderLayer(decoder + ".layers." + i)),
                        finalNorm(decoder)),
                1f,
                new Linear(
                        tied ? loader.pack(names[0], vocab, d, () -> targets) : loader.pack(HEAD, vocab, d),
                        logitsBias),
                loader.backend());
    }

    private Input input(String name, Embedding embedding, @Nullable PositionTable computed) {
        String table = name + ".embed_positions.weight";
        PositionTable positions = computed;
        if (computed == null) {
            int rows = config.nSource() + BART_OFFSET;
            positions =
                    new PositionTable(loader.f32(loader.weights().require(table, rows, config.dModel())), BART_OFFSET);
        } else {
            parts.repeated(config.nSource(), config.dModel(), table); // in checkpoints of old
        }
        return new Input(embedding, positions, kind.inputNorm ? layers.norm(name + ".layernorm_embedding") : null);
    }

    private @Nullable LayerNorm finalNorm(String name) {
        return kind.finalNorm ? layers.norm(name + ".layer_norm") : null;
    }
}
