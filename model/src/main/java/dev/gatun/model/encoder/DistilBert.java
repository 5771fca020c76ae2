package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.ActivationNames;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.ops.Activation;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Loads model type {@code distilbert} (Sanh et al. 2019): BERT with half the layers, without token types and pooler. */
final class DistilBert {
    private static final float EPSILON = 1e-12f; // in transformers' code: config.json has no key for it

    private final Parts parts;
    private final EncoderConfig config;

    private DistilBert(Parts parts, EncoderConfig config) {
        this.parts = parts;
        this.config = config;
    }

    static Encoder load(Parts parts, JsonConfig json, Task task) {
        EncoderConfig config = json.checked(() -> new EncoderConfig(
                json.requireInt("dim", 1, Bert.MAX),
                json.requireInt("n_heads", 1, Bert.MAX),
                json.requireInt("n_layers", 1, 1000),
                json.requireInt("hidden_dim", 1, Bert.MAX),
                json.requireInt("vocab_size", 1, Integer.MAX_VALUE),
                json.requireInt("max_position_embeddings", 1, Bert.MAX),
                json.optionalOneOf("activation", Activation.GELU, ActivationNames.ALL),
                EPSILON));
        return new DistilBert(parts, config).encoder(Parts.labels(json), task);
    }

    private Encoder encoder(List<String> labels, Task task) {
        int d = config.dModel();
        String body = parts.prefix("distilbert", "embeddings.word_embeddings.weight");
        Tensor words = parts.matrix(body + "embeddings.word_embeddings.weight", config.vocab(), d);
        Tensor positions = parts.matrix(body + "embeddings.position_embeddings.weight", config.nPositions(), d);
        List<EncoderBlock> layers = IntStream.range(0, config.nLayers())
                .mapToObj(i -> layer(body + "transformer.layer." + i))
                .toList();
        Head head = head(words, labels.size(), task);
        return new Encoder(
                config,
                new TokenEmbeddings(
                        words, positions, null, parts.norm(body + "embeddings.LayerNorm", d, EPSILON), null, -1),
                null,
                layers,
                null,
                null,
                List.of(),
                null,
                head,
                head == null || task == Task.MASKED_LM ? List.of() : labels,
                null,
                parts.loader().backend());
    }

    private EncoderBlock layer(String name) {
        int d = config.dModel();
        return new EncoderBlock(
                SelfAttention.full(
                        parts.stacked(d, d, name + ".attention.", "q_lin", "k_lin", "v_lin"),
                        parts.linear(name + ".attention.out_lin", d, d),
                        config.headDim()),
                parts.norm(name + ".sa_layer_norm", d, EPSILON),
                Parts.network(
                        parts.linear(name + ".ffn.lin1", config.dFf(), d),
                        config.activation(),
                        parts.linear(name + ".ffn.lin2", d, config.dFf())),
                parts.norm(name + ".output_layer_norm", d, EPSILON),
                false);
    }

    private @Nullable Head head(Tensor words, int labels, Task task) {
        int d = config.dModel();
        return switch (task) {
            case FEATURES -> null;
            case MASKED_LM ->
                new Head(
                        task,
                        Head.Reads.FIRST,
                        parts.linear("vocab_transform", d, d),
                        config.activation(),
                        parts.norm("vocab_layer_norm", d, EPSILON),
                        parts.decoder("vocab_projector.weight", "vocab_projector.bias", words),
                        null);
            case CLASSIFY ->
                new Head(
                        task,
                        Head.Reads.FIRST,
                        parts.linear("pre_classifier", d, d),
                        Activation.RELU,
                        null,
                        parts.linear("classifier", labels, d),
                        null);
            case CLASSIFY_TOKENS -> Head.of(task, parts.linear("classifier", labels, d));
            case ANSWER -> Head.of(task, parts.linear("qa_outputs", 2, d));
        };
    }
}
