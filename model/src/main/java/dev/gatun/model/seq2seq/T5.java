package dev.gatun.model.seq2seq;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.ActivationNames;
import dev.gatun.model.nn.Embedding;
import dev.gatun.model.nn.FeedForward;
import dev.gatun.model.nn.GatedFeedForward;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.Mlp;
import dev.gatun.model.nn.MultiHeadAttention;
import dev.gatun.model.nn.RelativeBuckets;
import dev.gatun.model.nn.RmsNorm;
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

/**
 * T5 (Raffel et al. 2020), T5 v1.1, FLAN-T5 and mT5: pre-norm without means and biases, scores without a scale, relative positions
 * of the first layer for all.
 */
final class T5 {
    /** Positions are relative, so a text may be of any length; but scores get a bias for each pair of tokens. */
    private static final int MAX_TOKENS = 4096;

    private static final int MAX_HEADS = 1 << 12;

    private final Parts parts;
    private final JsonConfig json;
    private final Loader loader;
    private final int heads;
    private final int headDim;
    private final int d;
    private final int dFf;
    private final int buckets;
    private final float epsilon;
    private final boolean gated;
    private final Activation activation;

    private T5(JsonConfig json, Loader loader) {
        this.parts = new Parts(json, loader);
        this.json = json;
        this.loader = loader;
        heads = json.requireInt("num_heads", 1, MAX_HEADS);
        headDim = json.requireInt("d_kv", 1, MAX_HEADS);
        d = parts.dim("d_model");
        dFf = parts.dim("d_ff");
        buckets = json.optionalInt("relative_attention_num_buckets", 32, 4, 1 << 16);
        epsilon = (float) json.optionalDouble("layer_norm_epsilon", 1e-6, 0, 1);
        String network = json.optionalString("feed_forward_proj", "relu");
        gated = network.startsWith("gated-");
        String name = gated ? network.substring("gated-".length()) : network;
        // The published "gated-gelu" means the approximation by tanh.
        Map<String, Activation> names = ActivationNames.ALL;
        Activation known = gated && name.equals("gelu") ? Activation.GELU_TANH : names.get(name);
        if (known == null) {
            throw new ModelFormatException(json.file() + ": feed_forward_proj \"" + network + "\" is not one of "
                    + names.keySet() + ", gated- or not");
        }
        activation = known;
    }

    static Transformer load(JsonConfig json, Loader loader) {
        return new T5(json, loader).model(true);
    }

    static Transformer loadMt5(JsonConfig json, Loader loader) {
        return new T5(json, loader).model(false);
    }

    private Transformer model(boolean scalesWhereTied) {
        int vocab = json.requireInt("vocab_size", 1, Integer.MAX_VALUE);
        String[] names = {"shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"};
        Tensor shared = parts.shared(vocab, d, names);
        parts.repeated(vocab, d, names);
        Input input = new Input(new Embedding(shared, 1f), null, null);
        int layers = json.requireInt("num_layers", 1, 1000);
        int decoderLayers = json.optionalInt("num_decoder_layers", layers, 1, 1000);
        // Newer files say so themselves; before, the scale came with tied weights. They also call weights tied that are
        // not.
        boolean scaled = scalesWhereTied
                && json.optionalBoolean("scale_decoder_outputs", json.optionalBoolean("tie_word_embeddings", true));
        boolean own = loader.weights().has("lm_head.weight");
        return new Transformer(
                new TransformerConfig(d, heads, heads, headDim, headDim, vocab, MAX_TOKENS, MAX_TOKENS),
                new Stack<>(
                        input,
                        buckets("encoder.block.0.layer.0", true),
                        Parts.layers(layers, i -> encoderLayer("encoder.block." + i + ".layer.")),
                        norm("encoder.final_layer_norm")),
                new Stack<>(
                        input,
                        buckets("decoder.block.0.layer.0", false),
                        Parts.layers(decoderLayers, i -> decoderLayer("decoder.block." + i + ".layer.")),
                        norm("decoder.final_layer_norm")),
                scaled ? (float) (1 / Math.sqrt(d)) : 1f,
                new Linear(
                        own ? loader.pack("lm_head.weight", vocab, d) : loader.pack(names[0], vocab, d, () -> shared),
                        null),
                loader.backend());
    }

    private RelativeBuckets buckets(String layer, boolean bothWays) {
        int maxDistance = json.optionalInt("relative_attention_max_distance", 128, 1, Parts.MAX);
        if (maxDistance <= buckets / 2) {
            throw new ModelFormatException(json.file() + ": relative_attention_max_distance " + maxDistance
                    + " must be above half of the " + buckets + " buckets");
        }
        String name = layer + ".SelfAttention.relative_attention_bias.weight";
        return new RelativeBuckets(loader.weights().require(name, buckets, heads), maxDistance, bothWays);
    }

    private EncoderLayer encoderLayer(String name) {
        return new EncoderLayer(
                attention(name + "0.SelfAttention"),
                norm(name + "0.layer_norm"),
                network(name + "1.DenseReluDense"),
                norm(name + "1.layer_norm"),
                true);
    }

    private DecoderLayer decoderLayer(String name) {
        // Some checkpoints of old have a bias of cross-attention, which nobody reads.
        parts.repeated(buckets, heads, name + "1.EncDecAttention.relative_attention_bias.weight");
        return new DecoderLayer(
                attention(name + "0.SelfAttention"),
                norm(name + "0.layer_norm"),
                attention(name + "1.EncDecAttention"),
                norm(name + "1.layer_norm"),
                network(name + "2.DenseReluDense"),
                norm(name + "2.layer_norm"),
                true);
    }

    private MultiHeadAttention attention(String name) {
        int width = heads * headDim;
        return new MultiHeadAttention(
                parts.plain(name + ".q", width, d),
                parts.plain(name + ".k", width, d),
                parts.plain(name + ".v", width, d),
                parts.plain(name + ".o", d, width),
                heads,
                1f);
    }

    private Mlp network(String name) {
        Linear out = parts.plain(name + ".wo", d, dFf);
        return gated
                ? new GatedFeedForward(
                        parts.plain(name + ".wi_0", dFf, d), parts.plain(name + ".wi_1", dFf, d), activation, out)
                : new FeedForward(parts.plain(name + ".wi", dFf, d), activation, out);
    }

    private RmsNorm norm(String name) {
        return loader.rmsNorm(name, d, epsilon);
    }
}
