package dev.gatun.model;

import dev.gatun.model.encoder.Task;
import dev.gatun.model.text.HuggingFaceTokenizer.Encoding;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Finds the answer to a question in a text: extractive models for question answering. A text that is longer than the model takes is
 * read in windows that overlap. Thread-safe: any number of callers at once.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var answerer = QuestionAnswerer.open(ModelFolder.of(Path.of("distilbert-squad")), backend)) {
 *     System.out.println(answerer.answer("What lifts the ships?", "Gatun's locks lift ships 26 metres.").text());
 * }
 * }</pre>
 */
public final class QuestionAnswerer implements AutoCloseable {
    /** Tokens that an answer has at most, as in transformers' pipeline. */
    private static final int MAX_ANSWER_TOKENS = 15;

    /**
     * An answer.
     *
     * @param text what stands in the text; empty where nothing answers the question
     * @param score its probability, 0 to 1
     * @param start index of its first char in the text
     * @param end index after its last
     */
    public record Answer(String text, float score, int start, int end) {}

    private final Shared<TextModel> shared;

    private QuestionAnswerer(TextModel model) {
        shared = new Shared<>("question answerer", model);
    }

    /**
     * Opens a model's folder; the caller closes it, and after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format, or the model is not for question answering
     */
    public static QuestionAnswerer open(ModelFolder folder, Backend backend) throws IOException {
        return new QuestionAnswerer(TextModel.open(folder, Task.ANSWER, backend));
    }

    /**
     * The most probable answer.
     *
     * @throws InputException if the question leaves no room for the text, a text is too long to be read, or has lone surrogates
     */
    public Answer answer(String question, String text) {
        return shared.use(model -> {
            List<Encoding> windows =
                    TextModel.input(0, 1, () -> model.tokenizer().encodeWindows(question, text));
            Answer[] best = {new Answer("", 0, 0, 0)};
            model.encode(model.tokens(windows), (session, first) -> {
                int row = 0;
                for (int b = 0; b < session.sequences(); b++) {
                    Encoding window = windows.get(first + b);
                    int n = window.ids().length;
                    float[] starts = new float[n];
                    float[] ends = new float[n];
                    session.scoreTokens(IntStream.range(row, row + n).toArray(), (i, logits) -> {
                        starts[i] = logits.getFloat(0);
                        ends[i] = logits.getFloat(1);
                    });
                    Answer answer = best(window, starts, ends, text);
                    best[0] = answer.score > best[0].score ? answer : best[0];
                    row += n;
                }
            });
            return best[0];
        });
    }

    /** The span of the text with the largest product of probabilities, which the first token, of no answer, shares in. */
    private static Answer best(Encoding window, float[] starts, float[] ends, String text) {
        int n = starts.length;
        for (int i = 1; i < n; i++) {
            if (window.sequences()[i] != 1) {
                starts[i] = -10_000;
                ends[i] = -10_000;
            }
        }
        float[] startScores = ScoredLabel.softmax(starts);
        float[] endScores = ScoredLabel.softmax(ends);
        float score = 0;
        int from = -1;
        int to = -1;
        for (int i = 1; i < n; i++) {
            for (int j = i; j < Math.min(n, i + MAX_ANSWER_TOKENS) && window.sequences()[j] == 1; j++) {
                float both = startScores[i] * endScores[j];
                if (window.sequences()[i] == 1 && both > score) {
                    score = both;
                    from = window.starts()[i];
                    to = window.ends()[j];
                }
            }
        }
        return from < 0 ? new Answer("", 0, 0, 0) : new Answer(text.substring(from, to), score, from, to);
    }

    /** Waits for calls under way, then closes the model; later calls throw IllegalStateException. */
    @Override
    public void close() {
        shared.close();
    }
}
