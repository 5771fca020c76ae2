package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Activation;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Loads model type {@code albert} (Lan et al. 2020): narrow embeddings, and groups of layers that are gone through many times. */
final class Albert {
    private final Parts parts;
    private final EncoderConfig config;

    private Albert(Parts parts, EncoderConfig config) {
        this.parts = parts;
        this.config = config;
    }

    static Encoder load(Parts parts, JsonConfig json, Task task) {
        EncoderConfig config = Bert.config(json, 0);
        return new Albert(parts, config).encoder(json, task);
    }

    private Encoder encoder(JsonConfig json, Task task) {
        int d = config.dModel();
        int width = json.requireInt("embedding_size", 1, Bert.MAX);
        int types = json.optionalInt("type_vocab_size", 2, 1, Bert.MAX);
        String body = parts.prefix("albert", "embeddings.word_embeddings.weight");
        String name = body + "embeddings.";
        Tensor words = parts.matrix(name + "word_embeddings.weight", config.vocab(), width);
        TokenEmbeddings embeddings = new TokenEmbeddings(
                words,
                parts.matrix(name + "position_embeddings.weight", config.nPositions(), width),
                parts.matrix(name + "token_type_embeddings.weight", types, width),
                parts.norm(name + "LayerNorm", width, config.epsilon()),
                parts.linear(body + "encoder.embedding_hidden_mapping_in", d, width),
                -1);
        List<String> labels = Parts.labels(json);
        Linear pooler = parts.weights().has(body + "pooler.weight") ? parts.linear(body + "pooler", d, d) : null;
        Head head = head(words, pooler, body, labels.size(), task);
        return new Encoder(
                config,
                embeddings,
                null,
                layers(json, body),
                null,
                null,
                List.of(),
                pooler,
                head,
                head == null || task == Task.MASKED_LM ? List.of() : labels,
                null,
                parts.loader().backend());
    }

    /** Layer i is in group i / (layers / groups), and goes through all layers of that group. */
    private List<EncoderBlock> layers(JsonConfig json, String body) {
        int groups = json.optionalInt("num_hidden_groups", 1, 1, config.nLayers());
        int inner = json.optionalInt("inner_group_num", 1, 1, 1000);
        if (inner != 1) {
            throw new ModelFormatException(
                    json.file() + ": inner_group_num is " + inner + ", only groups of one layer are supported");
        }
        List<EncoderBlock> shared = new ArrayList<>();
        for (int i = 0; i < groups; i++) {
            shared.add(layer(body + "encoder.albert_layer_groups." + i + ".albert_layers.0"));
        }
        List<EncoderBlock> layers = new ArrayList<>();
        for (int i = 0; i < config.nLayers(); i++) {
            // As the reference computes it: int(i / (num_hidden_layers / num_hidden_groups)), in floating point.
            layers.add(shared.get((int) (i / ((double) config.nLayers() / groups))));
        }
        return layers;
    }

    private EncoderBlock layer(String name) {
        int d = config.dModel();
        return new EncoderBlock(
                SelfAttention.full(
                        parts.stacked(d, d, name + ".attention.", "query", "key", "value"),
                        parts.linear(name + ".attention.dense", d, d),
                        config.headDim()),
                parts.norm(name + ".attention.LayerNorm", d, config.epsilon()),
                Parts.network(
                        parts.linear(name + ".ffn", config.dFf(), d),
                        config.activation(),
                        parts.linear(name + ".ffn_output", d, config.dFf())),
                parts.norm(name + ".full_layer_layer_norm", d, config.epsilon()),
                false);
    }

    private @Nullable Head head(Tensor words, @Nullable Linear pooler, String body, int labels, Task task) {
        int d = config.dModel();
        return switch (task) {
            case FEATURES -> null;
            case MASKED_LM ->
                new Head(
                        task,
                        Head.Reads.FIRST,
                        parts.linear("predictions.dense", words.dim(1), d),
                        config.activation(),
                        parts.norm("predictions.LayerNorm", words.dim(1), config.epsilon()),
                        parts.decoder("predictions.decoder.weight", "predictions.bias", words),
                        null);
            case CLASSIFY ->
                new Head(
                        task,
                        Head.Reads.FIRST,
                        pooler == null ? parts.linear(body + "pooler", d, d) : pooler,
                        Activation.TANH,
                        null,
                        parts.linear("classifier", labels, d),
                        null);
            case CLASSIFY_TOKENS -> Head.of(task, parts.linear("classifier", labels, d));
            case ANSWER -> Head.of(task, parts.linear("qa_outputs", 2, d));
        };
    }
}
