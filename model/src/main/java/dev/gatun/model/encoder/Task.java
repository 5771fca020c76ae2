package dev.gatun.model.encoder;

import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import java.util.List;
import java.util.Map;

/** What a checkpoint was trained for: the end of the class name in config.json's {@code architectures}. */
public enum Task {
    /** No head: hidden states and what is pooled from them. */
    FEATURES,
    /** Scores of the vocabulary for each token. */
    MASKED_LM,
    /** Scores of labels for a text or an image. */
    CLASSIFY,
    /** Scores of labels for each token. */
    CLASSIFY_TOKENS,
    /** Scores of being the first and the last token of an answer. */
    ANSWER;

    private static final Map<String, Task> SUFFIXES = Map.of(
            "Model", FEATURES,
            "ForMaskedLM", MASKED_LM,
            "ForPreTraining", MASKED_LM,
            "ForSequenceClassification", CLASSIFY,
            "ForImageClassification", CLASSIFY,
            "ForImageClassificationWithTeacher", CLASSIFY,
            "ForTokenClassification", CLASSIFY_TOKENS,
            "ForQuestionAnswering", ANSWER);

    /** The task of a config.json; without architectures it is {@link #FEATURES}. */
    public static Task of(JsonConfig json) {
        List<String> architectures = json.strings("architectures");
        if (architectures.isEmpty()) {
            return FEATURES;
        }
        String architecture = architectures.getFirst();
        for (var entry : SUFFIXES.entrySet()) {
            if (architecture.endsWith(entry.getKey())) {
                // A discriminator tells real tokens from replaced ones: nothing that anybody asks for.
                return architecture.equals("ElectraForPreTraining") ? FEATURES : entry.getValue();
            }
        }
        throw new ModelFormatException(json.file() + ": architectures is [" + architecture + "], which ends in none of "
                + SUFFIXES.keySet().stream().sorted().toList());
    }
}
