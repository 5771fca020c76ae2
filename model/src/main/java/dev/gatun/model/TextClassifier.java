package dev.gatun.model;

import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.encoder.Task;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.text.HuggingFaceTokenizer.Encoding;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Says which of its labels fits a text: models for sequence classification. Thread-safe: any number of callers at once.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var classifier = TextClassifier.open(ModelFolder.of(Path.of("distilbert-sst2")), backend)) {
 *     System.out.println(classifier.classify("The lake was calm.").getFirst().label()); // POSITIVE
 * }
 * }</pre>
 */
public final class TextClassifier implements AutoCloseable {
    private final Shared<TextModel> shared;

    private TextClassifier(TextModel model) {
        shared = new Shared<>("classifier", model);
    }

    /**
     * Opens a model's folder; the caller closes the classifier, and after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format, or the model is not for sequence classification
     */
    public static TextClassifier open(ModelFolder folder, Backend backend) throws IOException {
        return new TextClassifier(TextModel.open(folder, Task.CLASSIFY, backend));
    }

    /** The labels that there are. */
    public List<String> labels() {
        return shared.use(model -> model.encoder().labels());
    }

    /**
     * All labels with their probabilities, the best first: they sum to 1, unless the model was trained so that several labels may
     * be right.
     *
     * @throws InputException if the text is too long to be read, or has lone surrogates
     */
    public List<ScoredLabel> classify(String text) {
        return classifyAll(List.of(text)).getFirst();
    }

    /** The labels of texts, in their order; each as it is alone. */
    public List<List<ScoredLabel>> classifyAll(List<String> texts) {
        return shared.use(model -> {
            List<Encoding> encodings = new ArrayList<>();
            for (int i = 0; i < texts.size(); i++) {
                String text = texts.get(i);
                encodings.add(
                        TextModel.input(i, texts.size(), () -> model.tokenizer().encode(text)));
            }
            return classify(model, encodings);
        });
    }

    /** The labels of two texts together, of a premise and a hypothesis, say. */
    public List<ScoredLabel> classify(String first, String second) {
        return shared.use(model -> {
            HuggingFaceTokenizer tokenizer = model.tokenizer();
            Encoding pair = TextModel.input(0, 1, () -> tokenizer.encode(first, second));
            return classify(model, List.of(pair)).getFirst();
        });
    }

    private static List<List<ScoredLabel>> classify(TextModel model, List<Encoding> encodings) {
        EncoderModel encoder = model.encoder();
        List<List<ScoredLabel>> results = new ArrayList<>();
        boolean each = encoder.labelsAreIndependent() || encoder.labels().size() == 1;
        for (float[] logits : scores(model, encodings)) {
            float[] scores = each ? ScoredLabel.sigmoids(logits) : ScoredLabel.softmax(logits);
            results.add(ScoredLabel.sorted(encoder.labels(), scores));
        }
        return results;
    }

    /** What the head says of each sequence. */
    static float[][] scores(TextModel model, List<Encoding> encodings) {
        float[][] scores = new float[encodings.size()][];
        model.encode(
                model.tokens(encodings),
                (session, first) -> session.scoreSequences((b, logits) -> scores[first + b] = logits.toFloats()));
        return scores;
    }

    /** Waits for calls under way, then closes the model; later calls throw IllegalStateException. */
    @Override
    public void close() {
        shared.close();
    }
}
