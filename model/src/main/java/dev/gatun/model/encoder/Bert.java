package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.ActivationNames;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.ops.Activation;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Loads model type {@code bert} (Devlin et al. 2019): post-norm, learned positions, token types, a pooler. */
final class Bert {
    static final int MAX = 1 << 24;

    private final Parts parts;
    private final EncoderConfig config;
    private final String body;
    private final List<String> labels;

    private Bert(Parts parts, JsonConfig json, EncoderConfig config) {
        this.parts = parts;
        this.config = config;
        this.body = parts.prefix("bert", "embeddings.word_embeddings.weight");
        this.labels = Parts.labels(json);
    }

    static Encoder load(Parts parts, JsonConfig json, Task task) {
        EncoderConfig config = config(json, 0);
        return new Bert(parts, json, config).encoder(json, task);
    }

    /** The config of BERT and those whose config.json has the same keys; {@code unused} positions are never given out. */
    static EncoderConfig config(JsonConfig json, int unused) {
        return json.checked(() -> new EncoderConfig(
                json.requireInt("hidden_size", 1, MAX),
                json.requireInt("num_attention_heads", 1, MAX),
                json.requireInt("num_hidden_layers", 1, 1000),
                json.requireInt("intermediate_size", 1, MAX),
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                json.requireInt("max_position_embeddings", 1, MAX) - unused,
                json.optionalOneOf("hidden_act", Activation.GELU, ActivationNames.ALL),
                (float) json.optionalDouble("layer_norm_eps", 1e-12, 0, 1)));
    }

    private Encoder encoder(JsonConfig json, Task task) {
        TokenEmbeddings embeddings = embeddings(parts, json, config, body, config.dModel(), -1);
        Linear pooler = pooler(parts, body, config.dModel());
        Head head = head(embeddings.words(), pooler, task);
        return new Encoder(
                config,
                embeddings,
                null,
                layers(parts, config, body),
                null,
                null,
                List.of(),
                pooler,
                head,
                head == null || task == Task.MASKED_LM ? List.of() : labels,
                null,
                parts.loader().backend());
    }

    /** Words, positions and types [., width] as BERT, RoBERTa and ELECTRA call them. */
    static TokenEmbeddings embeddings(
            Parts parts, JsonConfig json, EncoderConfig config, String body, int width, int padId) {
        String name = body + "embeddings.";
        int types = json.optionalInt("type_vocab_size", 2, 0, MAX);
        Linear projection =
                width == config.dModel() ? null : parts.linear(body + "embeddings_project", config.dModel(), width);
        return new TokenEmbeddings(
                parts.matrix(name + "word_embeddings.weight", config.vocab(), width),
                parts.matrix(name + "position_embeddings.weight", config.nPositions() + padId + 1, width),
                types == 0 ? null : parts.matrix(name + "token_type_embeddings.weight", types, width),
                parts.norm(name + "LayerNorm", width, config.epsilon()),
                projection,
                padId);
    }

    static List<EncoderBlock> layers(Parts parts, EncoderConfig config, String body) {
        return IntStream.range(0, config.nLayers())
                .mapToObj(i -> layer(parts, config, body + "encoder.layer." + i))
                .toList();
    }

    private static EncoderBlock layer(Parts parts, EncoderConfig config, String name) {
        int d = config.dModel();
        return new EncoderBlock(
                SelfAttention.full(
                        parts.stacked(d, d, name + ".attention.self.", "query", "key", "value"),
                        parts.linear(name + ".attention.output.dense", d, d),
                        config.headDim()),
                parts.norm(name + ".attention.output.LayerNorm", d, config.epsilon()),
                Parts.network(
                        parts.linear(name + ".intermediate.dense", config.dFf(), d),
                        config.activation(),
                        parts.linear(name + ".output.dense", d, config.dFf())),
                parts.norm(name + ".output.LayerNorm", d, config.epsilon()),
                false);
    }

    /** The pooler, which some checkpoints were saved without. */
    static @Nullable Linear pooler(Parts parts, String body, int d) {
        String name = body + "pooler.dense";
        return parts.weights().has(name + ".weight") ? parts.linear(name, d, d) : null;
    }

    private @Nullable Head head(Tensor words, @Nullable Linear pooler, Task task) {
        int d = config.dModel();
        return switch (task) {
            case FEATURES -> null;
            case MASKED_LM ->
                new Head(
                        task,
                        Head.Reads.FIRST,
                        parts.linear("cls.predictions.transform.dense", d, d),
                        config.activation(),
                        parts.norm("cls.predictions.transform.LayerNorm", d, config.epsilon()),
                        parts.decoder("cls.predictions.decoder.weight", "cls.predictions.bias", words),
                        null);
            case CLASSIFY ->
                new Head(
                        task,
                        Head.Reads.FIRST,
                        pooler == null ? parts.linear(body + "pooler.dense", d, d) : pooler,
                        Activation.TANH,
                        null,
                        parts.linear("classifier", labels.size(), d),
                        null);
            case CLASSIFY_TOKENS -> Head.of(task, parts.linear("classifier", labels.size(), d));
            case ANSWER -> Head.of(task, parts.linear("qa_outputs", 2, d));
        };
    }
}
