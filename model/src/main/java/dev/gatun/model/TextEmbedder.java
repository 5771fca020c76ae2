package dev.gatun.model;

import dev.gatun.memory.DType;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.TextModel.Tokens;
import dev.gatun.model.encoder.SentenceModules;
import dev.gatun.model.encoder.Task;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Makes vectors of texts, the same as sentence-transformers does with the same folder. A text that is longer than the model takes is
 * cut. Thread-safe: any number of callers at once, each with a session of its own.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var embedder = TextEmbedder.open(ModelFolder.of(Path.of("all-MiniLM-L6-v2")), backend)) {
 *     float[] a = embedder.embed("A lake in Panama");
 *     float[] b = embedder.embed("The canal's locks");
 *     System.out.println(TextEmbedder.similarity(a, b));
 * }
 * }</pre>
 */
public final class TextEmbedder implements AutoCloseable {
    private final Shared<TextModel> shared;
    private final Backend backend;

    private TextEmbedder(TextModel model, Backend backend) {
        this.shared = new Shared<>("embedder", model);
        this.backend = backend;
    }

    /**
     * Opens a model's folder: config.json and safetensors (or model.onnx), tokenizer.json, and if it is one of
     * sentence-transformers its modules.json. The caller closes the embedder, and after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format, do not fit together, or are not of an encoder of texts
     */
    public static TextEmbedder open(ModelFolder folder, Backend backend) throws IOException {
        return new TextEmbedder(TextModel.open(folder, Task.FEATURES, backend), backend);
    }

    /** Numbers in a vector. */
    public int dimensions() {
        return shared.use(TextEmbedder::dimensions);
    }

    private static int dimensions(TextModel model) {
        return modules(model)
                .widths(model.encoder().config().dModel())[
                modules(model).dense().size()];
    }

    private static SentenceModules modules(TextModel model) {
        return Objects.requireNonNull(model.encoder().sentence());
    }

    /** Tokens of a text, special tokens included, beyond which it is cut. */
    public int maxTokens() {
        return shared.use(TextModel::maxTokens);
    }

    /** Texts that the model wants before a text, by what for: {@code query}, say. */
    public Map<String, String> prompts() {
        return shared.use(model -> modules(model).prompts());
    }

    /** What the model takes, and a session for {@code tokens} tokens at once. */
    public MemoryPlan plan(int tokens) {
        return shared.use(model -> model.encoder().plan(tokens));
    }

    /**
     * The vector of one text.
     *
     * @throws InputException if the text is too long to be read, or has lone surrogates
     */
    public float[] embed(String text) {
        return embedAll(List.of(text))[0];
    }

    /**
     * The vectors of texts, in their order; each is the one it has alone.
     *
     * @throws InputException if a text is too long to be read, or has lone surrogates
     */
    public float[][] embedAll(List<String> texts) {
        return embedAll(texts, null);
    }

    /**
     * The vectors of texts with one of the model's {@link #prompts} before each.
     *
     * @param prompt its name; null for the model's default, if it has one
     * @throws InputException if there is no such prompt, or as {@link #embedAll(List)}
     */
    public float[][] embedAll(List<String> texts, @Nullable String prompt) {
        return shared.use(model -> vectors(model, tokenize(model, texts, prompt)));
    }

    /**
     * The vectors of texts that have been cut into tokens already.
     *
     * @param ids of each text, special tokens included; none is empty or has more tokens than the model has positions
     */
    public float[][] embedTokens(int[][] ids) {
        return shared.use(model -> vectors(model, ids));
    }

    /**
     * The tokens of texts, special tokens included and cut to {@link #maxTokens}, for {@link #embedTokens}.
     *
     * @param prompt as {@link #embedAll(List, String)}
     * @throws InputException as {@link #embedAll(List, String)}
     */
    public int[][] tokenize(List<String> texts, @Nullable String prompt) {
        return shared.use(model -> tokenize(model, texts, prompt));
    }

    private static float[][] vectors(TextModel model, int[][] ids) {
        float[][] vectors = new float[ids.length][];
        model.encode(new Tokens(ids, null), (session, first) -> {
            for (int b = 0; b < session.sequences(); b++) {
                vectors[first + b] = session.embedding(b).toFloats();
            }
        });
        return vectors;
    }

    /**
     * Writes the vectors of texts as rows of little-endian floats, one after the other, with no copy on the heap.
     *
     * @param out at least texts &middot; {@link #dimensions()} &middot; 4 bytes
     * @throws dev.gatun.memory.ShapeException if out is too short
     * @throws InputException as {@link #embedAll(List)}
     */
    public void embedInto(List<String> texts, MemorySegment out) {
        shared.use(model -> {
            int[][] ids = tokenize(model, texts, null);
            int d = dimensions(model);
            Tensor rows = Tensor.of(out, DType.F32, Shape.of(ids.length, d));
            model.encode(new Tokens(ids, null), (session, first) -> {
                for (int b = 0; b < session.sequences(); b++) {
                    session.embedding(b).copyRun(0, rows, (long) (first + b) * d, d);
                }
            });
            return rows;
        });
    }

    /** How many tokens a text has, special tokens included, after it has been cut. */
    public int countTokens(String text) {
        return shared.use(model -> tokenize(model, List.of(text), null)[0].length);
    }

    private static int[][] tokenize(TextModel model, List<String> texts, @Nullable String prompt) {
        SentenceModules modules = modules(model);
        String name = prompt == null ? modules.defaultPrompt() : prompt;
        String before = name == null ? "" : modules.prompts().get(name);
        if (before == null) {
            throw new InputException("no prompt \"" + name + "\": the model has "
                    + modules.prompts().keySet().stream().sorted().toList());
        }
        int[][] ids = new int[texts.size()][];
        for (int i = 0; i < ids.length; i++) {
            String text = before + texts.get(i);
            String read = modules.lowerCase() ? text.toLowerCase(Locale.ROOT) : text;
            ids[i] = model.checked(
                    TextModel.input(i, ids.length, () -> model.tokenizer().encodeIds(read)));
        }
        return ids;
    }

    /**
     * How alike two vectors are: the cosine of the angle between them, -1 to 1; 0 where one of them is all zeros.
     *
     * @throws IllegalArgumentException if they differ in length
     */
    public static float similarity(float[] a, float[] b) {
        if (a.length != b.length) {
            throw new IllegalArgumentException(
                    "similarity of vectors of " + a.length + " and " + b.length + " numbers");
        }
        double dot = 0;
        double aa = 0;
        double bb = 0;
        for (int i = 0; i < a.length; i++) {
            dot += (double) a[i] * b[i];
            aa += (double) a[i] * a[i];
            bb += (double) b[i] * b[i];
        }
        return aa == 0 || bb == 0 ? 0 : (float) (dot / Math.sqrt(aa * bb));
    }

    /**
     * Puts another model in the place of this one while it is used: calls under way end with the old one, later ones have the new
     * one, and none is dropped. Returns when the old one is closed.
     *
     * @throws IOException as {@link #open}; the old model then stays
     */
    public void replace(ModelFolder folder) throws IOException {
        shared.replace(TextModel.open(folder, Task.FEATURES, backend));
    }

    /** Waits for calls under way, then closes the model; later calls throw IllegalStateException. */
    @Override
    public void close() {
        shared.close();
    }
}
