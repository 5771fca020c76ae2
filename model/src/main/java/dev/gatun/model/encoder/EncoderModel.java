package dev.gatun.model.encoder;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.ModelMemory;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.OnnxModel;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * An encoder that has been loaded. Any number of sessions and threads share it; whoever loaded it closes it, after the sessions.
 */
public final class EncoderModel implements AutoCloseable {
    /** Makes the network of a family; asks for every tensor that it knows. */
    private interface Family {
        Encoder load(Parts parts, JsonConfig json, Task task);
    }

    private static final Map<String, Family> FAMILIES = Map.ofEntries(
            Map.entry("albert", Albert::load),
            Map.entry("bert", Bert::load),
            Map.entry("camembert", Roberta::load),
            Map.entry("deit", Vit::deit),
            Map.entry("distilbert", DistilBert::load),
            Map.entry("electra", Electra::load),
            Map.entry("modernbert", ModernBert::load),
            Map.entry("mpnet", Mpnet::load),
            Map.entry("roberta", Roberta::load),
            Map.entry("vit", Vit::vit),
            Map.entry("xlm-roberta", Roberta::load));

    private static final Set<String> IMAGES = Set.of("vit", "deit");

    private final Encoder encoder;
    private final Weights weights;
    private final CountedArena arena; // of packed weights and tables
    private final Reservation reservation;
    private final boolean independent;
    private final boolean bare;

    private EncoderModel(
            Encoder encoder, JsonConfig json, Weights weights, CountedArena arena, Reservation reservation) {
        this.encoder = encoder;
        this.independent = json.optionalString("problem_type", "").equals("multi_label_classification");
        this.bare = barely(json);
        this.weights = weights;
        this.arena = arena;
        this.reservation = reservation;
    }

    /** Whether a config.json is of a model that reads images. */
    public static boolean isOfImages(JsonConfig json) {
        return IMAGES.contains(json.optionalString("model_type", ""));
    }

    /** Names that config.json's {@code model_type} has for encoders. */
    public static Set<String> types() {
        return new TreeSet<>(FAMILIES.keySet());
    }

    /**
     * Loads a folder with config.json and weights (safetensors, or model.onnx), and the head that config.json's {@code architectures} names.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if the type is unknown, or files break their format or do not fit together
     */
    public static EncoderModel load(ModelFolder folder, Backend backend) throws IOException {
        return load(folder, backend, false);
    }

    /**
     * Loads a folder to make vectors of texts: without its head, with the modules of sentence-transformers. Throws as {@link
     * #load(ModelFolder, Backend)}.
     */
    public static EncoderModel loadSentence(ModelFolder folder, Backend backend) throws IOException {
        return load(folder, backend, true);
    }

    private static EncoderModel load(ModelFolder folder, Backend backend, boolean sentence) throws IOException {
        Reservation reservation = ModelMemory.reserve(folder.name(), backend, () -> {
            try (EncoderModel dry = open(folder, backend.forPlanning(), sentence, ModelMemory.NONE)) {
                return dry.plan();
            }
        });
        try {
            return open(folder, backend, sentence, reservation);
        } catch (Throwable e) {
            reservation.close();
            throw e;
        }
    }

    private static EncoderModel open(ModelFolder folder, Backend backend, boolean sentence, Reservation reservation)
            throws IOException {
        Weights weights;
        JsonConfig json;
        if (folder.has(OnnxModel.FILE) && !folder.has("model.safetensors")) {
            OnnxModel onnx = OnnxModel.open(folder);
            weights = onnx.weights();
            json = onnx.config();
        } else {
            json = JsonConfig.read(folder, "config.json");
            weights = Weights.open(folder);
        }
        CountedArena arena = CountedArena.ofShared();
        try {
            String type = json.requireString("model_type");
            Family family = FAMILIES.get(type);
            if (family == null) {
                throw new ModelFormatException(json.file() + ": model_type \"" + type + "\" is not one of " + types());
            }
            Task task = sentence ? Task.FEATURES : Task.of(json);
            var parts = new Parts(new Loader(weights, backend, arena));
            Encoder encoder = family.load(parts, json, task);
            parts.checkAllUsed(task);
            if (sentence) {
                encoder = encoder.with(SentenceModules.read(folder, encoder.config(), backend, arena));
            }
            return new EncoderModel(encoder, json, weights, arena, reservation);
        } catch (Throwable e) {
            arena.close();
            weights.close();
            throw e;
        }
    }

    /** What makes a vector of a text; null unless loaded by {@link #loadSentence}. */
    public @Nullable SentenceModules sentence() {
        return encoder.sentence();
    }

    /** Its sizes. */
    public EncoderConfig config() {
        return encoder.config();
    }

    /** What its head does; {@link Task#FEATURES} without one. */
    public Task task() {
        Head head = encoder.head();
        return head == null ? Task.FEATURES : head.task();
    }

    /** Names of what the head scores; for a vocabulary none. */
    public List<String> labels() {
        return encoder.labels();
    }

    /** Whether any number of labels may be right, and not just one. */
    public boolean labelsAreIndependent() {
        return independent;
    }

    /** Whether a cross-encoder's score is meant as it is, and not as a probability. */
    public boolean scoresAreBare() {
        return bare;
    }

    /** What sentence-transformers 2 to 4, and 5, write. */
    private static boolean barely(JsonConfig json) {
        String function = json.optionalString("sbert_ce_default_activation_function", "");
        if (json.isObject("sentence_transformers")) {
            function = json.requireObject("sentence_transformers").optionalString("activation_fn", function);
        }
        return function.endsWith("Identity");
    }

    /** Pixels along either side of the images that it reads; 0 for a model of texts. */
    public int imageSize() {
        PatchEmbeddings patches = encoder.patches();
        return patches == null ? 0 : patches.imageSize();
    }

    /** Whether it reads images, and not texts. */
    public boolean isOfImages() {
        return encoder.patches() != null;
    }

    /** The token types that it knows: 2 where the texts of a pair differ in type, 0 or 1 where they do not. */
    public int tokenTypes() {
        TokenEmbeddings tokens = encoder.tokens();
        return tokens == null || tokens.types() == null ? 0 : tokens.types().dim(0);
    }

    /**
     * What the model takes. Of one that was loaded with {@link Backend#forPlanning} it is what it would take.
     */
    public MemoryPlan plan() {
        return ModelMemory.plan(weights, arena);
    }

    /** What the model takes, and a session for {@code maxTokens} tokens at once, to the byte. */
    public MemoryPlan plan(int maxTokens) {
        return plan().plus(encoder.plan(maxTokens));
    }

    /** Its checkpoint, closed with the model. */
    public Weights weights() {
        return weights;
    }

    /** Bytes that have been allocated for weights and tables so far: in the end what {@link #plan()} says. */
    public long packedByteSize() {
        return arena.byteSize();
    }

    /** A session for batches of up to {@code maxTokens} tokens, for one caller at a time; the caller closes it. */
    public EncoderSession newSession(int maxTokens) {
        return EncoderSession.open(encoder, maxTokens, null);
    }

    /** A session that shows its intermediate values to {@code trace}. */
    public EncoderSession newSession(int maxTokens, EncoderSession.Trace trace) {
        return EncoderSession.open(encoder, maxTokens, trace);
    }

    /**
     * Unmaps the checkpoint and frees packed weights.
     *
     * @throws IllegalStateException if a session is computing right now
     */
    @Override
    public void close() {
        arena.close();
        weights.close();
        reservation.close();
    }
}
