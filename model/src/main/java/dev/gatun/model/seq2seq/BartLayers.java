package dev.gatun.model.seq2seq;

import dev.gatun.model.nn.FeedForward;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.MultiHeadAttention;
import dev.gatun.model.transformer.DecoderLayer;
import dev.gatun.model.transformer.EncoderLayer;
import dev.gatun.model.transformer.TransformerConfig;
import dev.gatun.ops.Activation;

/**
 * Layers under the tensor names of BART, which its children and Whisper share.
 *
 * @param parts makes them
 * @param config sizes
 * @param activation of the feed-forward network
 * @param normFirst pre-norm
 * @param keyBias whether keys have a bias
 */
record BartLayers(Parts parts, TransformerConfig config, Activation activation, boolean normFirst, boolean keyBias) {
    private static final float EPSILON = 1e-5f; // torch.nn.LayerNorm's default: config.json has no key for it

    EncoderLayer encoderLayer(String name) {
        return new EncoderLayer(
                attention(name + ".self_attn", config.encoderHeads()),
                norm(name + ".self_attn_layer_norm"),
                feedForward(name, parts.dim("encoder_ffn_dim")),
                norm(name + ".final_layer_norm"),
                normFirst);
    }

    DecoderLayer decoderLayer(String name) {
        return new DecoderLayer(
                attention(name + ".self_attn", config.decoderHeads()),
                norm(name + ".self_attn_layer_norm"),
                attention(name + ".encoder_attn", config.decoderHeads()),
                norm(name + ".encoder_attn_layer_norm"),
                feedForward(name, parts.dim("decoder_ffn_dim")),
                norm(name + ".final_layer_norm"),
                normFirst);
    }

    LayerNorm norm(String name) {
        return parts.loader().layerNorm(name, config.dModel(), EPSILON);
    }

    private MultiHeadAttention attention(String name, int nHeads) {
        int d = config.dModel();
        String key = name + ".k_proj";
        return MultiHeadAttention.of(
                linear(name + ".q_proj", d, d),
                keyBias ? linear(key, d, d) : parts.plain(key, d, d),
                linear(name + ".v_proj", d, d),
                linear(name + ".out_proj", d, d),
                nHeads);
    }

    private FeedForward feedForward(String name, int dFf) {
        int d = config.dModel();
        return new FeedForward(linear(name + ".fc1", dFf, d), activation, linear(name + ".fc2", d, dFf));
    }

    private Linear linear(String name, int n, int k) {
        return parts.loader().linear(name, n, k);
    }
}
