package dev.gatun.model;

import dev.gatun.model.encoder.Task;
import dev.gatun.model.text.HuggingFaceTokenizer.Encoding;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Finds names and the like in a text: models for token classification. Thread-safe: any number of callers at once.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var classifier = TokenClassifier.open(ModelFolder.of(Path.of("bert-base-NER")), backend)) {
 *     for (TokenClassifier.Entity entity : classifier.entities("Ships pass Gatun on their way to Colón.")) {
 *         System.out.println(entity.label() + " " + entity.text()); // LOC Gatun, LOC Colón
 *     }
 * }
 * }</pre>
 */
public final class TokenClassifier implements AutoCloseable {
    /**
     * A run of tokens with one label.
     *
     * @param label without the B- or I- that says where a name begins
     * @param score mean probability of its tokens
     * @param start index of its first char in the text
     * @param end index after its last
     * @param text what stands there
     */
    public record Entity(String label, float score, int start, int end, String text) {}

    /**
     * A token with its best label.
     *
     * @param label as config.json names it
     * @param score its probability
     * @param start index of the token's first char in the text
     * @param end index after its last
     */
    public record Token(String label, float score, int start, int end) {}

    private static final String NO_ENTITY = "O";

    private final Shared<TextModel> shared;

    private TokenClassifier(TextModel model) {
        shared = new Shared<>("token classifier", model);
    }

    /**
     * Opens a model's folder; the caller closes the classifier, and after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format, or the model is not for token classification
     */
    public static TokenClassifier open(ModelFolder folder, Backend backend) throws IOException {
        return new TokenClassifier(TextModel.open(folder, Task.CLASSIFY_TOKENS, backend));
    }

    /**
     * Every token of a text with its best label; special tokens are left out.
     *
     * @throws InputException if the text is too long to be read, or has lone surrogates
     */
    public List<Token> tokens(String text) {
        return shared.use(model -> {
            Encoding encoding = TextModel.input(0, 1, () -> model.tokenizer().encode(text));
            List<String> labels = model.encoder().labels();
            List<Token> tokens = new ArrayList<>();
            int[] rows = IntStream.range(0, encoding.ids().length)
                    .filter(i -> encoding.starts()[i] >= 0 && encoding.sequences()[i] >= 0)
                    .toArray();
            model.encode(
                    model.tokens(List.of(encoding)),
                    (session, first) -> session.scoreTokens(rows, (i, logits) -> {
                        float[] scores = ScoredLabel.softmax(logits.toFloats());
                        int best = 0;
                        for (int label = 1; label < scores.length; label++) {
                            best = scores[label] > scores[best] ? label : best;
                        }
                        tokens.add(new Token(
                                labels.get(best), scores[best], encoding.starts()[rows[i]], encoding.ends()[rows[i]]));
                    }));
            return tokens;
        });
    }

    /**
     * The names in a text: tokens side by side whose labels are the same but for a B- or I- before them, where no B- starts anew
     * (as transformers' aggregation strategy "simple"). Throws as {@link #tokens}.
     */
    public List<Entity> entities(String text) {
        List<Entity> entities = new ArrayList<>();
        List<Token> run = new ArrayList<>();
        for (Token token : tokens(text)) {
            boolean goesOn = !run.isEmpty()
                    && kind(token.label).equals(kind(run.getLast().label))
                    && !token.label.startsWith("B-");
            if (!goesOn) {
                add(run, text, entities);
                run.clear();
            }
            run.add(token);
        }
        add(run, text, entities);
        return entities;
    }

    private static String kind(String label) {
        return label.startsWith("B-") || label.startsWith("I-") ? label.substring(2) : label;
    }

    private static void add(List<Token> run, String text, List<Entity> entities) {
        if (run.isEmpty() || run.getFirst().label.equals(NO_ENTITY)) {
            return;
        }
        double sum = 0;
        for (Token token : run) {
            sum += token.score;
        }
        int start = run.getFirst().start;
        int end = run.getLast().end;
        entities.add(new Entity(
                kind(run.getFirst().label), (float) (sum / run.size()), start, end, text.substring(start, end)));
    }

    /** Waits for calls under way, then closes the model; later calls throw IllegalStateException. */
    @Override
    public void close() {
        shared.close();
    }
}
