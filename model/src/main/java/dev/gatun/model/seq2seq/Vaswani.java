package dev.gatun.model.seq2seq;

import dev.gatun.memory.Tensor;
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
import dev.gatun.model.transformer.Input;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.transformer.Transformer.Stack;
import dev.gatun.model.transformer.TransformerConfig;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Activation;
import java.util.Map;

/** "Attention Is All You Need" (Vaswani et al. 2017) with the tensor names of {@code torch.nn.Transformer}. */
final class Vaswani {
    private final Parts parts;
    private final JsonConfig json;
    private final Loader loader;
    private final TransformerConfig config;
    private final int dFf;
    private final boolean normFirst;
    private final Activation activation;
    private final float epsilon;

    private Vaswani(JsonConfig json, Loader loader) {
        this.parts = new Parts(json, loader);
        this.json = json;
        this.loader = loader;
        int nHeads = parts.dim("nhead");
        dFf = parts.dim("dim_feedforward");
        normFirst = json.optionalBoolean("norm_first", false);
        activation = json.requireOneOf("activation", ActivationNames.ALL);
        epsilon = (float) json.optionalDouble("layer_norm_eps", 1e-5, 0, 1);
        config = json.checked(() -> TransformerConfig.of(
                parts.dim("d_model"),
                nHeads,
                nHeads,
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                json.requireInt("max_positions", 1, Parts.MAX)));
        if (!json.optionalBoolean("tie_word_embeddings", true) || json.optionalBoolean("projection_bias", false)) {
            throw new ModelFormatException(
                    json.file() + ": only a projection tied to the embedding, without bias, is supported");
        }
    }

    static Transformer load(JsonConfig json, Loader loader) {
        return new Vaswani(json, loader).model();
    }

    private Transformer model() {
        int d = config.dModel();
        Tensor embedding = loader.weights().require("embedding.weight", config.vocab(), d);
        float scale = json.optionalBoolean("scale_embedding", true) ? (float) Math.sqrt(d) : 1f;
        SinusoidalPositions.Layout layout = json.requireOneOf(
                "positions",
                Map.of(
                        "sinusoidal-interleaved", SinusoidalPositions.Layout.INTERLEAVED,
                        "sinusoidal-halves", SinusoidalPositions.Layout.HALVES));
        Input input = new Input(
                new Embedding(embedding, scale),
                SinusoidalPositions.create(loader.arena(), config.nSource(), d, layout),
                null);
        boolean finalNorm = json.optionalBoolean("final_norm", false);
        return new Transformer(
                config,
                new Stack<>(
                        input,
                        null,
                        Parts.layers(
                                json.requireInt("num_encoder_layers", 1, 1000),
                                i -> encoderLayer("transformer.encoder.layers." + i)),
                        finalNorm ? norm("transformer.encoder.norm") : null),
                new Stack<>(
                        input,
                        null,
                        Parts.layers(
                                json.requireInt("num_decoder_layers", 1, 1000),
                                i -> decoderLayer("transformer.decoder.layers." + i)),
                        finalNorm ? norm("transformer.decoder.norm") : null),
                1f,
                new Linear(loader.pack("embedding.weight", config.vocab(), d, () -> embedding), null),
                loader.backend());
    }

    private EncoderLayer encoderLayer(String name) {
        return new EncoderLayer(
                attention(name + ".self_attn"),
                norm(name + ".norm1"),
                feedForward(name),
                norm(name + ".norm2"),
                normFirst);
    }

    private DecoderLayer decoderLayer(String name) {
        return new DecoderLayer(
                attention(name + ".self_attn"),
                norm(name + ".norm1"),
                attention(name + ".multihead_attn"),
                norm(name + ".norm2"),
                feedForward(name),
                norm(name + ".norm3"),
                normFirst);
    }

    private MultiHeadAttention attention(String name) {
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
        return MultiHeadAttention.of(
                qkv[0], qkv[1], qkv[2], loader.linear(name + ".out_proj", d, d), config.encoderHeads());
    }

    private FeedForward feedForward(String name) {
        int d = config.dModel();
        return new FeedForward(
                loader.linear(name + ".linear1", dFf, d), activation, loader.linear(name + ".linear2", d, dFf));
    }

    private LayerNorm norm(String name) {
        return loader.layerNorm(name, config.dModel(), epsilon);
    }
}
