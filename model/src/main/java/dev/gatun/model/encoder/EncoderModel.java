package dev.gatun.model.encoder;

import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.OnnxModel;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

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

    private final Encoder encoder;
    private final Weights weights;
    private final Arena arena; // of packed weights and tables
    private final long packedBytes;

    private EncoderModel(Encoder encoder, Weights weights, Arena arena, long packedBytes) {
        this.encoder = encoder;
        this.weights = weights;
        this.arena = arena;
        this.packedBytes = packedBytes;
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

    /** Loads a folder without the head: what embeddings need. Throws as {@link #load(ModelFolder, Backend)}. */
    public static EncoderModel loadBody(ModelFolder folder, Backend backend) throws IOException {
        return load(folder, backend, true);
    }

    private static EncoderModel load(ModelFolder folder, Backend backend, boolean bodyOnly) throws IOException {
        if (folder.has(OnnxModel.FILE) && !folder.has("model.safetensors")) {
            OnnxModel onnx = OnnxModel.open(folder);
            return load(onnx.weights(), onnx.config(), bodyOnly, backend);
        }
        JsonConfig json = JsonConfig.read(folder, "config.json");
        return load(Weights.open(folder), json, bodyOnly, backend);
    }

    /**
     * Makes a network of weights that are open already.
     *
     * @param weights closed by the result, and also on failure
     * @throws ModelFormatException if the type is unknown, or weights do not fit, or have tensors that the network does not know
     */
    private static EncoderModel load(Weights weights, JsonConfig json, boolean bodyOnly, Backend backend) {
        Arena arena = Arena.ofShared();
        try {
            Task task = bodyOnly ? Task.FEATURES : Task.of(json);
            String type = json.requireString("model_type");
            Family family = FAMILIES.get(type);
            if (family == null) {
                throw new ModelFormatException(json.file() + ": model_type \"" + type + "\" is not one of " + types());
            }
            var parts = new Parts(new Loader(weights, backend, arena));
            Encoder encoder = family.load(parts, json, task);
            parts.checkAllUsed(task);
            return new EncoderModel(encoder, weights, arena, parts.packedBytes());
        } catch (Throwable e) {
            arena.close();
            weights.close();
            throw e;
        }
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

    /** Whether it reads images, and not texts. */
    public boolean isOfImages() {
        return encoder.patches() != null;
    }

    /** The token types that it knows: 2 where the texts of a pair differ in type, 0 or 1 where they do not. */
    public int tokenTypes() {
        TokenEmbeddings tokens = encoder.tokens();
        return tokens == null || tokens.types() == null ? 0 : tokens.types().dim(0);
    }

    /** What the model takes, and a session for {@code maxTokens} tokens at once. */
    public MemoryPlan plan(int maxTokens) {
        return MemoryPlan.empty()
                .plus("checkpoint", Lifetime.MAPPED, weights.byteSize())
                .plus("packed weights", Lifetime.WEIGHTS, packedBytes)
                .plus(encoder.plan(maxTokens));
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
    }
}
