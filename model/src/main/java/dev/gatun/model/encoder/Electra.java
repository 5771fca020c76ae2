package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.ops.Activation;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Loads model type {@code electra} (Clark et al. 2020): BERT's body, embeddings of another width, heads of its own. */
final class Electra {
    private Electra() {}

    static Encoder load(Parts parts, JsonConfig json, Task task) {
        EncoderConfig config = Bert.config(json, 0);
        int width = json.optionalInt("embedding_size", config.dModel(), 1, Bert.MAX);
        String body = parts.prefix("electra", "embeddings.word_embeddings.weight");
        TokenEmbeddings embeddings = Bert.embeddings(parts, json, config, body, width, -1);
        List<String> labels = Parts.labels(json);
        Head head = head(parts, config, embeddings.words(), labels.size(), task);
        return new Encoder(
                config,
                embeddings,
                null,
                Bert.layers(parts, config, body),
                null,
                null,
                List.of(),
                null,
                head,
                head == null || task == Task.MASKED_LM ? List.of() : labels,
                null,
                parts.loader().backend());
    }

    private static @Nullable Head head(Parts parts, EncoderConfig config, Tensor words, int labels, Task task) {
        int d = config.dModel();
        return switch (task) {
            case FEATURES -> null;
            case MASKED_LM ->
                new Head(
                        task,
                        Head.Reads.FIRST,
                        parts.linear("generator_predictions.dense", words.dim(1), d),
                        Activation.GELU,
                        parts.norm("generator_predictions.LayerNorm", words.dim(1), config.epsilon()),
                        parts.decoder("generator_lm_head.weight", "generator_lm_head.bias", words),
                        null);
            case CLASSIFY -> Roberta.classifier(parts, "classifier", Activation.GELU, labels, d);
            case CLASSIFY_TOKENS -> Head.of(task, parts.linear("classifier", labels, d));
            case ANSWER -> Head.of(task, parts.linear("qa_outputs", 2, d));
        };
    }
}
