package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.ops.Activation;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Loads model types {@code roberta} (Liu et al. 2019), {@code xlm-roberta} and {@code camembert}: BERT's body, positions that start
 * after the padding's id, heads of their own.
 */
final class Roberta {
    private Roberta() {}

    static Encoder load(Parts parts, JsonConfig json, Task task) {
        int padId = json.optionalInt("pad_token_id", 1, 0, Bert.MAX);
        EncoderConfig config = Bert.config(json, padId + 1);
        String body = parts.prefix("roberta", "embeddings.word_embeddings.weight");
        TokenEmbeddings embeddings = Bert.embeddings(parts, json, config, body, config.dModel(), padId);
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
                Bert.pooler(parts, body, config.dModel()),
                head,
                head == null || task == Task.MASKED_LM ? List.of() : labels,
                null,
                parts.loader().backend());
    }

    /** The heads of RoBERTa, which MPNet has too. */
    static @Nullable Head head(Parts parts, EncoderConfig config, Tensor words, int labels, Task task) {
        int d = config.dModel();
        return switch (task) {
            case FEATURES -> null;
            case MASKED_LM ->
                new Head(
                        task,
                        Head.Reads.FIRST,
                        parts.linear("lm_head.dense", d, d),
                        Activation.GELU,
                        parts.norm("lm_head.layer_norm", d, config.epsilon()),
                        parts.decoder("lm_head.decoder.weight", "lm_head.bias", words),
                        null);
            case CLASSIFY -> classifier(parts, "classifier", Activation.TANH, labels, d);
            case CLASSIFY_TOKENS -> Head.of(task, parts.linear("classifier", labels, d));
            case ANSWER -> Head.of(task, parts.linear("qa_outputs", 2, d));
        };
    }

    /** A dense layer and another one on the first token. */
    static Head classifier(Parts parts, String name, Activation activation, int labels, int d) {
        Linear dense = parts.linear(name + ".dense", d, d);
        Linear out = parts.linear(name + ".out_proj", labels, d);
        return new Head(Task.CLASSIFY, Head.Reads.FIRST, dense, activation, null, out, null);
    }
}
