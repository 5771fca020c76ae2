package dev.gatun.model.marian;

import dev.gatun.memory.Tensor;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.Seq2SeqModel;
import dev.gatun.model.nn.ActivationNames;
import dev.gatun.model.nn.Embedding;
import dev.gatun.model.nn.FeedForward;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.MultiHeadAttention;
import dev.gatun.model.nn.SinusoidalPositions;
import dev.gatun.model.transformer.DecoderLayer;
import dev.gatun.model.transformer.EncoderLayer;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.transformer.TransformerConfig;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;

/** Loads model type {@code marian}: post-norm, positions of all sines then all cosines, one embedding for everything. */
public final class Marian {
    private static final int MAX = 1 << 20;
    private static final float EPSILON = 1e-5f; // torch.nn.LayerNorm's default: config.json has no key for it

    private final Loader loader;
    private final TransformerConfig config;

    private Marian(Loader loader, TransformerConfig config) {
        this.loader = loader;
        this.config = config;
    }

    /**
     * Loads a folder with config.json, generation_config.json and safetensors.
     *
     * @param json the folder's config.json
     * @throws IOException if a file cannot be read
     * @throws ModelFormatException if files break their format or do not fit together
     */
    public static Seq2SeqModel load(ModelFolder folder, JsonConfig json, Backend backend) throws IOException {
        TransformerConfig config = config(json);
        requireTrue(json, "share_encoder_decoder_embeddings");
        requireTrue(json, "tie_word_embeddings");
        // Older checkpoints keep the settings of generation in config.json.
        JsonConfig generate =
                folder.has("generation_config.json") ? JsonConfig.read(folder, "generation_config.json") : json;
        float scale = json.optionalBoolean("scale_embedding", false) ? (float) Math.sqrt(config.dModel()) : 1f;
        return Seq2SeqModel.load(
                folder,
                backend,
                generation(json, generate, config),
                loader -> new Marian(loader, config).transformer(scale));
    }

    private static void requireTrue(JsonConfig json, String key) {
        if (!json.optionalBoolean(key, true)) {
            throw new ModelFormatException(
                    json.file() + ": " + key + " is false; only one shared embedding is supported");
        }
    }

    private static TransformerConfig config(JsonConfig json) {
        return json.checked(() -> new TransformerConfig(
                json.requireInt("d_model", 1, MAX),
                json.requireInt("encoder_attention_heads", 1, MAX),
                json.requireInt("decoder_attention_heads", 1, MAX),
                json.requireInt("encoder_layers", 1, 1000),
                json.requireInt("decoder_layers", 1, 1000),
                json.requireInt("encoder_ffn_dim", 1, MAX),
                json.requireInt("decoder_ffn_dim", 1, MAX),
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                json.optionalInt("max_position_embeddings", 1024, 1, MAX),
                json.requireOneOf("activation_function", ActivationNames.ALL),
                false,
                SinusoidalPositions.Layout.HALVES));
    }

    private static GenerationConfig generation(JsonConfig json, JsonConfig generate, TransformerConfig config) {
        int last = config.vocab() - 1;
        int eos = json.requireInt("eos_token_id", 0, last);
        int pad = json.requireInt("pad_token_id", 0, last);
        int start = json.optionalInt("decoder_start_token_id", pad, 0, last);
        List<List<Integer>> banned = generate.intLists("bad_words_ids", 0, last);
        if (banned.stream().anyMatch(ids -> ids.size() != 1)) {
            throw new ModelFormatException(
                    generate.file() + ": bad_words_ids " + banned + ": only single ids are supported");
        }
        // A target has a position for the start token and for each id produced but the last.
        int maxLength = generate.optionalInt("max_length", config.nPositions() + 1, 2, MAX); // counts the start token
        int maxTokens = Math.min(config.nPositions(), maxLength - 1);
        return new GenerationConfig(
                generate.optionalInt("decoder_start_token_id", start, 0, last),
                generate.optionalInt("eos_token_id", eos, 0, last),
                generate.optionalInt("pad_token_id", pad, 0, last),
                banned.stream().mapToInt(List::getFirst).toArray(),
                maxTokens,
                generate.optionalInt("num_beams", 1, 1, GenerationConfig.MAX_BEAMS),
                (float) generate.optionalDouble("length_penalty", 1, -100, 100));
    }

    private Transformer transformer(float scale) {
        int d = config.dModel();
        int vocab = config.vocab();
        Tensor shared = loader.weights().require("model.shared.weight", vocab, d);
        Tensor logitsBias = loader.weights().require("final_logits_bias", 1, vocab);
        List<EncoderLayer> encoder = IntStream.range(0, config.encoderLayers())
                .mapToObj(i -> encoderLayer("model.encoder.layers." + i))
                .toList();
        List<DecoderLayer> decoder = IntStream.range(0, config.decoderLayers())
                .mapToObj(i -> decoderLayer("model.decoder.layers." + i))
                .toList();
        return new Transformer(
                config,
                new Embedding(shared, scale),
                SinusoidalPositions.create(loader.arena(), config.nPositions(), d, config.positions()),
                encoder,
                null,
                decoder,
                null,
                new Linear(
                        loader.pack("model.shared.weight", vocab, d, () -> shared),
                        loader.f32(logitsBias).select(0, 0)),
                loader.backend());
    }

    private EncoderLayer encoderLayer(String name) {
        return new EncoderLayer(
                attention(name + ".self_attn", config.encoderHeads()),
                norm(name + ".self_attn_layer_norm"),
                feedForward(name, config.encoderFf()),
                norm(name + ".final_layer_norm"),
                false);
    }

    private DecoderLayer decoderLayer(String name) {
        return new DecoderLayer(
                attention(name + ".self_attn", config.decoderHeads()),
                norm(name + ".self_attn_layer_norm"),
                attention(name + ".encoder_attn", config.decoderHeads()),
                norm(name + ".encoder_attn_layer_norm"),
                feedForward(name, config.decoderFf()),
                norm(name + ".final_layer_norm"),
                false);
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
        return new FeedForward(
                loader.linear(name + ".fc1", dFf, d), config.activation(), loader.linear(name + ".fc2", d, dFf));
    }

    private LayerNorm norm(String name) {
        return loader.layerNorm(name, config.dModel(), EPSILON);
    }
}
