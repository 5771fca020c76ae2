package dev.gatun.model.encoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.ActivationNames;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Activation;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Loads model types {@code vit} (Dosovitskiy et al. 2021) and {@code deit} (Touvron et al. 2021), which has a second class token:
 * images cut into patches, pre-norm.
 */
final class Vit {
    private final Parts parts;
    private final JsonConfig json;
    private final EncoderConfig config;
    private final String body;

    private Vit(Parts parts, JsonConfig json, EncoderConfig config, String body) {
        this.parts = parts;
        this.json = json;
        this.config = config;
        this.body = body;
    }

    static Encoder vit(Parts parts, JsonConfig json, Task task) {
        return load(parts, json, task, "vit", List.of("cls_token"));
    }

    static Encoder deit(Parts parts, JsonConfig json, Task task) {
        return load(parts, json, task, "deit", List.of("cls_token", "distillation_token"));
    }

    private static Encoder load(Parts parts, JsonConfig json, Task task, String base, List<String> classTokens) {
        int imageSize = json.requireInt("image_size", 1, 1 << 14);
        int patch = json.requireInt("patch_size", 1, 1 << 14);
        if (imageSize % patch != 0) {
            throw new ModelFormatException(
                    json.file() + ": image_size " + imageSize + " is not a multiple of patch_size " + patch);
        }
        int side = imageSize / patch;
        EncoderConfig config = json.checked(() -> new EncoderConfig(
                json.requireInt("hidden_size", 1, Bert.MAX),
                json.requireInt("num_attention_heads", 1, Bert.MAX),
                json.requireInt("num_hidden_layers", 1, 1000),
                json.requireInt("intermediate_size", 1, Bert.MAX),
                0,
                Math.addExact(Math.multiplyExact(side, side), classTokens.size()),
                json.optionalOneOf("hidden_act", Activation.GELU, ActivationNames.ALL),
                (float) json.optionalDouble("layer_norm_eps", 1e-12, 0, 1)));
        String body = parts.prefix(base, "embeddings.cls_token");
        return new Vit(parts, json, config, body).encoder(task, imageSize, patch, classTokens);
    }

    private Encoder encoder(Task task, int imageSize, int patch, List<String> classTokens) {
        int d = config.dModel();
        List<String> labels = Parts.labels(json);
        Linear pooler = Bert.pooler(parts, body, d);
        Head head = head(task, labels.size());
        parts.ignore(body + "embeddings.mask_token");
        return new Encoder(
                config,
                null,
                patches(imageSize, patch, classTokens),
                IntStream.range(0, config.nLayers())
                        .mapToObj(i -> layer(body + "encoder.layer." + i))
                        .toList(),
                parts.norm(body + "layernorm", d, config.epsilon()),
                null,
                List.of(),
                pooler,
                head,
                head == null ? List.of() : labels,
                null,
                parts.loader().backend());
    }

    private PatchEmbeddings patches(int imageSize, int patch, List<String> classTokens) {
        int d = config.dModel();
        int channels = json.optionalInt("num_channels", 3, 1, 1 << 10);
        int width = channels * patch * patch;
        String name = body + "embeddings.";
        String projection = name + "patch_embeddings.projection";
        Tensor tokens = Tensor.allocate(parts.arena(), DType.F32, Shape.of(classTokens.size(), d));
        for (int i = 0; i < classTokens.size(); i++) {
            Tensor token = parts.weights().require(name + classTokens.get(i), 1, 1, d);
            tokens.slice(0, i, i + 1).copyFrom(token.select(0, 0));
        }
        Tensor positions = parts.weights().require(name + "position_embeddings", 1, config.nPositions(), d);
        return new PatchEmbeddings(
                new Linear(
                        parts.pack(
                                projection + ".weight",
                                d,
                                width,
                                () -> parts.weights()
                                        .require(projection + ".weight", d, channels, patch, patch)
                                        .reshape(d, width)),
                        parts.loader().vector(projection + ".bias", d)),
                tokens,
                parts.f32(positions.select(0, 0)),
                channels,
                imageSize,
                patch);
    }

    private EncoderBlock layer(String name) {
        int d = config.dModel();
        return new EncoderBlock(
                SelfAttention.full(
                        parts.stacked(d, d, name + ".attention.attention.", "query", "key", "value"),
                        parts.linear(name + ".attention.output.dense", d, d),
                        config.headDim()),
                parts.norm(name + ".layernorm_before", d, config.epsilon()),
                Parts.network(
                        parts.linear(name + ".intermediate.dense", config.dFf(), d),
                        config.activation(),
                        parts.linear(name + ".output.dense", d, config.dFf())),
                parts.norm(name + ".layernorm_after", d, config.epsilon()),
                true);
    }

    private @Nullable Head head(Task task, int labels) {
        int d = config.dModel();
        return switch (task) {
            case FEATURES -> null;
            case CLASSIFY -> {
                if (parts.weights().has("cls_classifier.weight")) {
                    Linear first = parts.linear("cls_classifier", labels, d);
                    Linear second = parts.linear("distillation_classifier", labels, d);
                    yield new Head(task, Head.Reads.FIRST, null, null, null, first, second);
                }
                yield Head.of(task, parts.linear("classifier", labels, d));
            }
            case MASKED_LM, CLASSIFY_TOKENS, ANSWER ->
                throw new ModelFormatException(json.file() + ": a model of images cannot do " + task);
        };
    }
}
