package dev.gatun.model.seq2seq;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.ActivationNames;
import dev.gatun.model.nn.Convolution;
import dev.gatun.model.nn.Embedding;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.PositionTable;
import dev.gatun.model.transformer.AudioInput;
import dev.gatun.model.transformer.Input;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.transformer.Transformer.Stack;
import dev.gatun.model.transformer.TransformerConfig;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Whisper (Radford et al. 2023): a pre-norm encoder of log-mel spectrograms behind two convolutions, and a decoder with learned
 * positions, whose keys have no bias and whose head is its embedding.
 */
final class Whisper {
    private static final int MAX_POSITIONS = 1 << 16;
    private static final int MAX_BINS = 1 << 12;

    private final Parts parts;
    private final JsonConfig json;
    private final Loader loader;
    private final TransformerConfig config;
    private final BartLayers layers;

    private Whisper(JsonConfig json, Loader loader) {
        this.parts = new Parts(json, loader);
        this.json = json;
        this.loader = loader;
        int d = parts.dim("d_model");
        TransformerConfig sizes = json.checked(() -> TransformerConfig.of(
                d,
                parts.dim("encoder_attention_heads"),
                parts.dim("decoder_attention_heads"),
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                json.requireInt("max_source_positions", 1, MAX_POSITIONS)));
        this.config = sizes.withTargets(json.requireInt("max_target_positions", 2, MAX_POSITIONS));
        this.layers = new BartLayers(
                parts, config, json.requireOneOf("activation_function", ActivationNames.ALL), true, false);
    }

    static Transformer load(JsonConfig json, Loader loader) {
        return new Whisper(json, loader).model();
    }

    private Transformer model() {
        int d = config.dModel();
        int vocab = config.vocab();
        for (String key : new String[] {"tie_word_embeddings", "scale_embedding"}) {
            boolean usual = key.startsWith("tie");
            if (json.optionalBoolean(key, usual) != usual) {
                throw new ModelFormatException(json.file() + ": " + key + " is " + !usual + ", which no Whisper has");
            }
        }
        String body = loader.weights().has("decoder.embed_tokens.weight") ? "" : "model.";
        String encoder = body + "encoder";
        String decoder = body + "decoder";
        String tokens = decoder + ".embed_tokens.weight";
        Tensor embedding = loader.weights().require(tokens, vocab, d);
        parts.repeated(vocab, d, "proj_out.weight");
        int bins = json.requireInt("num_mel_bins", 1, MAX_BINS);
        AudioInput audio = new AudioInput(
                convolution(encoder + ".conv1", bins, 1),
                convolution(encoder + ".conv2", d, 2),
                table(encoder, config.nSource()));
        Input target =
                new Input(new Embedding(embedding, 1f), new PositionTable(table(decoder, config.nTarget()), 0), null);
        return new Transformer(
                config,
                new Stack<>(
                        audio,
                        null,
                        Parts.layers(
                                json.requireInt("encoder_layers", 1, 1000),
                                i -> layers.encoderLayer(encoder + ".layers." + i)),
                        layers.norm(encoder + ".layer_norm")),
                new Stack<>(
                        target,
                        null,
                        Parts.layers(
                                json.requireInt("decoder_layers", 1, 1000),
                                i -> layers.decoderLayer(decoder + ".layers." + i)),
                        layers.norm(decoder + ".layer_norm")),
                1f,
                new Linear(loader.pack(tokens, vocab, d, () -> embedding), null),
                loader.backend());
    }

    private Tensor table(String stack, int positions) {
        String name = stack + ".embed_positions.weight";
        return loader.f32(loader.weights().require(name, positions, config.dModel()));
    }

    /** {@code name.weight} [D, channels, 3] and {@code name.bias}, as products of as many of the three as the stride goes on by. */
    private Convolution convolution(String name, int channels, int stride) {
        int n = config.dModel();
        List<Linear> groups = new ArrayList<>();
        for (int first = 0; first < Convolution.WIDTH; first += stride) {
            int from = first;
            int taps = Math.min(stride, Convolution.WIDTH - first);
            @Nullable Tensor bias = first == 0 ? loader.vector(name + ".bias", n) : null;
            try (Arena temporary = Arena.ofShared()) {
                groups.add(new Linear(
                        loader.pack(
                                name + ".weight." + first,
                                n,
                                taps * channels,
                                () -> taps(name + ".weight", channels, from, taps, temporary)),
                        bias));
            }
        }
        return new Convolution(groups, channels, stride);
    }

    /** The kernel's places from {@code first} on as rows [D, taps &middot; channels], in the model's memory if the backend reads them there. */
    private Tensor taps(String name, int channels, int first, int taps, Arena temporary) {
        int n = config.dModel();
        Tensor kernel = loader.weights().require(name, n, channels, Convolution.WIDTH);
        boolean inPlace = loader.backend().readsInPlace(DType.F32);
        if (loader.backend().isForPlanning()) {
            Tensor rows = Tensor.allocate(temporary, DType.F32, Shape.of(n, taps * channels));
            loader.arena().expect(inPlace ? rows.byteSize() : 0);
            return rows;
        }
        float[] values = kernel.toFloats();
        float[] rows = new float[n * taps * channels];
        for (int row = 0; row < n; row++) {
            for (int tap = 0; tap < taps; tap++) {
                for (int channel = 0; channel < channels; channel++) {
                    rows[(row * taps + tap) * channels + channel] =
                            values[(row * channels + channel) * Convolution.WIDTH + first + tap];
                }
            }
        }
        return Tensor.copyOf(inPlace ? loader.arena() : temporary, rows, n, taps * channels);
    }
}
