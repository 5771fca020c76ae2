package dev.gatun.model;

import dev.gatun.model.encoder.Task;
import dev.gatun.model.text.HuggingFaceTokenizer.Encoding;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Says how well texts answer a query, reading both together: cross-encoders, which are models for sequence classification with one
 * label. Thread-safe: any number of callers at once.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var reranker = Reranker.open(ModelFolder.of(Path.of("ms-marco-MiniLM-L6-v2")), backend)) {
 *     for (Reranker.Ranked hit : reranker.rank("how do ships cross Panama", passages)) {
 *         System.out.println(hit.score() + " " + hit.text());
 *     }
 * }
 * }</pre>
 */
public final class Reranker implements AutoCloseable {
    /**
     * A text with its score.
     *
     * @param index of the text among those given
     * @param text itself
     * @param score larger is better; 0 to 1, unless the model's config asks for the bare number
     */
    public record Ranked(int index, String text, float score) {}

    private final Shared<TextModel> shared;

    private Reranker(TextModel model) {
        shared = new Shared<>("reranker", model);
    }

    /**
     * Opens a model's folder; the caller closes the reranker, and after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format, or the model is no cross-encoder
     */
    public static Reranker open(ModelFolder folder, Backend backend) throws IOException {
        TextModel model = TextModel.open(folder, Task.CLASSIFY, backend);
        int labels = model.encoder().labels().size();
        if (labels != 1) {
            model.close();
            throw new ModelFormatException(
                    folder.name() + ": a classifier of " + labels + " labels, a cross-encoder has one score");
        }
        return new Reranker(model);
    }

    /**
     * The score of each text, in their order.
     *
     * @throws InputException if a text is too long to be read, or has lone surrogates
     */
    public float[] scores(String query, List<String> texts) {
        return shared.use(model -> {
            List<Encoding> pairs = new ArrayList<>();
            for (int i = 0; i < texts.size(); i++) {
                String text = texts.get(i);
                pairs.add(
                        TextModel.input(i, texts.size(), () -> model.tokenizer().encode(query, text)));
            }
            float[] scores = new float[pairs.size()];
            float[][] logits = TextClassifier.scores(model, pairs);
            for (int i = 0; i < scores.length; i++) {
                scores[i] = model.encoder().scoresAreBare() ? logits[i][0] : ScoredLabel.sigmoid(logits[i][0]);
            }
            return scores;
        });
    }

    /** The texts, the best first; throws as {@link #scores}. */
    public List<Ranked> rank(String query, List<String> texts) {
        float[] scores = scores(query, texts);
        List<Ranked> ranked = new ArrayList<>();
        for (int i = 0; i < scores.length; i++) {
            ranked.add(new Ranked(i, texts.get(i), scores[i]));
        }
        ranked.sort(Comparator.comparingDouble(text -> -text.score));
        return ranked;
    }

    /** Waits for calls under way, then closes the model; later calls throw IllegalStateException. */
    @Override
    public void close() {
        shared.close();
    }
}
