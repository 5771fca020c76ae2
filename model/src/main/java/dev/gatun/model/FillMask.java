package dev.gatun.model;

import dev.gatun.model.encoder.Task;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.text.HuggingFaceTokenizer.Encoding;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.stream.IntStream;

/**
 * Says which words fit into the gaps of a text: masked language models. Thread-safe: any number of callers at once.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var fillMask = FillMask.open(ModelFolder.of(Path.of("bert-base-uncased")), backend)) {
 *     System.out.println(fillMask.fill("The capital of France is [MASK].", 5).getFirst());
 * }
 * }</pre>
 */
public final class FillMask implements AutoCloseable {
    /**
     * A token that may stand in a gap.
     *
     * @param id of the token
     * @param token its text
     * @param score its probability
     */
    public record Candidate(int id, String token, float score) {}

    private final Shared<TextModel> shared;
    private final String mask;
    private final int maskId;

    private FillMask(TextModel model, String mask, int maskId) {
        this.shared = new Shared<>("masked language model", model);
        this.mask = mask;
        this.maskId = maskId;
    }

    /**
     * Opens a model's folder; the caller closes it, and after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format, or the model is no masked language model
     */
    public static FillMask open(ModelFolder folder, Backend backend) throws IOException {
        TextModel model = TextModel.open(folder, Task.MASKED_LM, backend);
        try {
            String mask = HuggingFaceTokenizer.specialToken(folder, "mask_token");
            if (mask == null) {
                throw new ModelFormatException(folder.name()
                        + ": neither special_tokens_map.json nor tokenizer_config.json says what its mask_token is");
            }
            return new FillMask(model, mask, model.tokenizer().idOf(mask));
        } catch (Throwable e) {
            model.close();
            throw e;
        }
    }

    /** What stands for a gap in a text, {@code [MASK]} or {@code <mask>}. */
    public String mask() {
        return mask;
    }

    /**
     * The tokens that fit best into each gap, the best first.
     *
     * @param count of tokens for a gap, 1 or more
     * @throws InputException if the text has no gap, is too long to be read, or has lone surrogates
     */
    public List<List<Candidate>> fill(String text, int count) {
        if (count < 1) {
            throw new IllegalArgumentException("fill: " + count + " candidates for a gap, must be at least 1");
        }
        return shared.use(model -> {
            Encoding encoding = TextModel.input(0, 1, () -> model.tokenizer().encode(text));
            int[] gaps = IntStream.range(0, encoding.ids().length)
                    .filter(i -> encoding.ids()[i] == maskId)
                    .toArray();
            if (gaps.length == 0) {
                throw new InputException("text of " + text.length() + " chars has no " + mask + " within the "
                        + model.maxTokens() + " tokens that the model reads");
            }
            List<List<Candidate>> filled = new ArrayList<>();
            model.encode(
                    model.tokens(List.of(encoding)),
                    (session, first) -> session.scoreTokens(
                            gaps,
                            (i, logits) -> filled.add(
                                    best(ScoredLabel.softmax(logits.toFloats()), count, model.tokenizer()))));
            return filled;
        });
    }

    private static List<Candidate> best(float[] scores, int count, HuggingFaceTokenizer tokenizer) {
        var worstFirst = new PriorityQueue<Integer>(Comparator.comparingDouble(id -> scores[id]));
        for (int id = 0; id < scores.length; id++) {
            if (worstFirst.size() < count || scores[id] > scores[worstFirst.element()]) {
                worstFirst.add(id);
                if (worstFirst.size() > count) {
                    worstFirst.remove();
                }
            }
        }
        List<Candidate> candidates = new ArrayList<>();
        while (!worstFirst.isEmpty()) {
            int id = worstFirst.remove();
            candidates.add(new Candidate(id, tokenizer.decode(id).strip(), scores[id]));
        }
        return candidates.reversed();
    }

    /** Waits for calls under way, then closes the model; later calls throw IllegalStateException. */
    @Override
    public void close() {
        shared.close();
    }
}
