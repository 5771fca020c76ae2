package dev.gatun.model.vaswani;

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
import java.util.Map;
import java.util.stream.IntStream;

/** Loads model type {@code vaswani}: "Attention Is All You Need" with the tensor names of {@code torch.nn.Transformer}. */
public final class Vaswani {
    private static final int MAX = 1 << 20;

    private final Loader loader;
    private final TransformerConfig config;
    private final float epsilon;

    private Vaswani(Loader loader, TransformerConfig config, float epsilon) {
        this.loader = loader;
        this.config = config;
        this.epsilon = epsilon;
    }

    /**
     * Loads a folder with config.json and safetensors.
     *
     * @param json the folder's config.json
     * @throws IOException if a file cannot be read
     * @throws ModelFormatException if files break their format or do not fit together
     */
    public static Seq2SeqModel load(ModelFolder folder, JsonConfig json, Backend backend) throws IOException {
        TransformerConfig config = config(json);
        GenerationConfig generation = new GenerationConfig(
                json.requireInt("bos_token_id", 0, config.vocab() - 1),
                json.requireInt("eos_token_id", 0, config.vocab() - 1),
                json.requireInt("pad_token_id", 0, config.vocab() - 1),
                new int[0],
                config.nPositions(),
                1,
                1f);
        float epsilon = (float) json.optionalDouble("layer_norm_eps", 1e-5, 0, 1);
        boolean finalNorm = json.optionalBoolean("final_norm", false);
        float scale = json.optionalBoolean("scale_embedding", true) ? (float) Math.sqrt(config.dModel()) : 1f;
        if (!json.optionalBoolean("tie_word_embeddings", true) || json.optionalBoolean("projection_bias", false)) {
            throw new ModelFormatException(
                    json.file() + ": only a projection tied to the embedding, without bias, is supported");
        }
        return Seq2SeqModel.load(
                folder,
                backend,
                generation,
                loader -> new Vaswani(loader, config, epsilon).transformer(finalNorm, scale));
    }

    private static TransformerConfig config(JsonConfig json) {
        int nHeads = json.requireInt("nhead", 1, MAX);
        int dFf = json.requireInt("dim_feedforward", 1, MAX);
        return json.checked(() -> new TransformerConfig(
                json.requireInt("d_model", 1, MAX),
                nHeads,
                nHeads,
                json.requireInt("num_encoder_layers", 1, 1000),
                json.requireInt("num_decoder_layers", 1, 1000),
                dFf,
                dFf,
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                json.requireInt("max_positions", 1, MAX),
                json.requireOneOf("activation", ActivationNames.ALL),
                json.optionalBoolean("norm_first", false),
                json.requireOneOf(
                        "positions",
                        Map.of(
                                "sinusoidal-interleaved", SinusoidalPositions.Layout.INTERLEAVED,
                                "sinusoidal-halves", SinusoidalPositions.Layout.HALVES))));
    }

    private Transformer transformer(boolean finalNorm, float scale) {
        int d = config.dModel();
        Tensor embedding = loader.weights().require("embedding.weight", config.vocab(), d);
        List<EncoderLayer> encoder = IntStream.range(0, config.encoderLayers())
                .mapToObj(i -> encoderLayer("transformer.encoder.layers." + i))
                .toList();
        List<DecoderLayer> decoder = IntStream.range(0, config.decoderLayers())
                .mapToObj(i -> decoderLayer("transformer.decoder.layers." + i))
                .toList();
        return new Transformer(
                config,
                new Embedding(embedding, scale),
                SinusoidalPositions.create(loader.arena(), config.nPositions(), d, config.positions()),
                encoder,
                finalNorm ? norm("transformer.encoder.norm") : null,
                decoder,
                finalNorm ? norm("transformer.decoder.norm") : null,
                new Linear(loader.pack("embedding.weight", config.vocab(), d, () -> embedding), null),
                loader.backend());
    }

    private EncoderLayer encoderLayer(String name) {
        return new EncoderLayer(
                attention(name + ".self_attn", config.encoderHeads()),
                norm(name + ".norm1"),
                feedForward(name, config.encoderFf()),
                norm(name + ".norm2"),
                config.normFirst());
    }

    private DecoderLayer decoderLayer(String name) {
        return new DecoderLayer(
                attention(name + ".self_attn", config.decoderHeads()),
                norm(name + ".norm1"),
                attention(name + ".multihead_attn", config.decoderHeads()),
                norm(name + ".norm2"),
                feedForward(name, config.decoderFf()),
                norm(name + ".norm3"),
                config.normFirst());
    }

    private MultiHeadAttention attention(String name, int nHeads) {
        int d = config.dModel();
        String weight = name + ".in_proj_weight"; // [3 D, D]: rows of Q, then K, then V
        Tensor bias = loader.vector(name + ".in_proj_bias", 3 * d);
        Linear[] qkv = new Linear[3];
        for (int i = 0; i < 3; i++) {
            int from = i * d;
            qkv[i] = new Linear(
                    loader.pack(
                            weight + from,
                            d,
                            d,
                            () -> loader.weights().require(weight, 3 * d, d).slice(0, from, from + d)),
                    bias.slice(0, from, from + d));
        }
        return MultiHeadAttention.of(qkv[0], qkv[1], qkv[2], loader.linear(name + ".out_proj", d, d), nHeads);
    }

    private FeedForward feedForward(String name, int dFf) {
        int d = config.dModel();
        return new FeedForward(
                loader.linear(name + ".linear1", dFf, d),
                config.activation(),
                loader.linear(name + ".linear2", d, dFf));
    }

    private LayerNorm norm(String name) {
        return loader.layerNorm(name, config.dModel(), epsilon);
    }
}
