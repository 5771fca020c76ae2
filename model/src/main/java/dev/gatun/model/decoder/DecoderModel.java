package dev.gatun.model.decoder;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.ModelMemory;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.Sha256;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A decoder-only model that has been loaded: its network, and the ids that end its texts. Any number of sessions and threads share
 * it; whoever loaded it closes it, after the sessions.
 */
public final class DecoderModel implements AutoCloseable {
    /** Makes the network of one {@code model_type}. */
    interface Family {
        Decoder load(JsonConfig config, Loader loader);
    }

    private static final Map<String, Family> FAMILIES = Map.ofEntries(
            Map.entry("gpt2", Gpt2::load),
            Map.entry("gpt_neox", GptNeox::load),
            Map.entry("phi", Phi::load),
            Map.entry("phi3", Phi3::load),
            Map.entry("opt", Opt::load),
            Map.entry("llama", Llama::load),
            Map.entry("mistral", Llama::loadMistral),
            Map.entry("qwen2", Llama::loadQwen2),
            Map.entry("qwen3", Llama::loadQwen3),
            Map.entry("smollm3", Llama::loadSmolLm3),
            Map.entry("gemma2", Gemma::loadGemma2),
            Map.entry("gemma3_text", Gemma::loadGemma3));

    /** Buffers that some checkpoints have saved and nobody reads: causal masks, rotary frequencies. */
    private static final Pattern BUFFERS = Pattern.compile(
            ".*\\.(attn\\.bias|attn\\.masked_bias|attention\\.bias|attention\\.masked_bias|rotary_emb\\.inv_freq)");

    private final Decoder decoder;
    private final Set<Integer> eosIds;
    private final Weights weights;
    private final CountedArena arena; // of packed weights
    private final String settings;
    private volatile @Nullable String sha256;
    private final Reservation reservation;

    private DecoderModel(
            Decoder decoder,
            Set<Integer> eosIds,
            String settings,
            Weights weights,
            CountedArena arena,
            Reservation reservation) {
        this.settings = settings;
        this.decoder = decoder;
        this.eosIds = eosIds;
        this.weights = weights;
        this.arena = arena;
        this.reservation = reservation;
    }

    /** Every {@code model_type} that is known, sorted. */
    public static Set<String> families() {
        return new TreeSet<>(FAMILIES.keySet());
    }

    /**
     * Loads a folder with config.json and safetensors.
     *
     * @throws IOException if a file cannot be read
     * @throws ModelFormatException if files break their format or do not fit together
     */
    public static DecoderModel load(ModelFolder folder, Backend backend) throws IOException {
        return load(folder, backend, WeightFormat.AS_STORED);
    }

    /** As {@link #load(ModelFolder, Backend)}, with weights in another format than the files have them in. */
    public static DecoderModel load(ModelFolder folder, Backend backend, WeightFormat format) throws IOException {
        JsonConfig config = JsonConfig.read(folder, "config.json");
        JsonConfig generation =
                folder.has("generation_config.json") ? JsonConfig.read(folder, "generation_config.json") : config;
        Reservation reservation = ModelMemory.reserve(
                folder.name(), backend, () -> plan(config, generation, Weights.open(folder), backend, format));
        try {
            return load(config, generation, Weights.open(folder), backend, format, reservation);
        } catch (Throwable e) {
            reservation.close(); // twice does nothing
            throw e;
        }
    }

    /**
     * Loads a GGUF file.
     *
     * @param file its metadata and tensors; its weights are taken
     * @param format for weights that are not in blocks already
     * @throws ModelFormatException if the file does not fit together
     */
    public static DecoderModel load(GgufModel file, Backend backend, WeightFormat format) {
        JsonConfig config = file.config();
        Reservation reservation = ModelMemory.reserveOpen(
                file.file().name(), backend, () -> plan(config, config, file.weights(), backend, format));
        return load(config, config, file.takeWeights(), backend, format, reservation);
    }

    private static MemoryPlan plan(
            JsonConfig config, JsonConfig generation, Weights weights, Backend backend, WeightFormat format) {
        try (DecoderModel dry = load(config, generation, weights, backend.forPlanning(), format, ModelMemory.NONE)) {
            return dry.plan();
        }
    }

    /**
     * Makes a model of settings and weights.
     *
     * @param generation has eos_token_id, or the config does
     * @param weights closed by the model, and at once if this fails
     * @throws ModelFormatException if they do not fit together
     */
    private static DecoderModel load(
            JsonConfig config,
            JsonConfig generation,
            Weights weights,
            Backend backend,
            WeightFormat format,
            Reservation reservation) {
        CountedArena arena = CountedArena.ofShared();
        try {
            Decoder decoder = config.requireOneOf("model_type", FAMILIES)
                    .load(config, new Loader(weights, backend, arena, format));
            List<String> unknown = weights.unused().stream()
                    .filter(name -> !BUFFERS.matcher(name).matches())
                    .toList();
            if (!unknown.isEmpty()) {
                throw new ModelFormatException(
                        weights.source() + ": tensors that this kind of model does not have: " + unknown);
            }
            JsonConfig eos = generation.has("eos_token_id") ? generation : config;
            return new DecoderModel(
                    decoder,
                    Set.copyOf(eos.ints("eos_token_id", 0, decoder.config().vocab() - 1)),
                    format + config.toJson(),
                    weights,
                    arena,
                    reservation);
        } catch (Throwable e) {
            arena.close();
            weights.close();
            reservation.close();
            throw e;
        }
    }

    /** The network. */
    public Decoder decoder() {
        return decoder;
    }

    /**
     * What the model takes, to the byte. Loaded with {@link Backend#forPlanning} it is what the model would take, and {@link
     * Decoder#plan} what a session would.
     */
    public MemoryPlan plan() {
        return ModelMemory.plan(weights, arena);
    }

    /** Its checkpoint, closed with the model. */
    public Weights weights() {
        return weights;
    }

    /** Bytes that have been allocated for weights and tables so far: in the end what {@link #plan} says. */
    public long packedByteSize() {
        return arena.byteSize();
    }

    /**
     * SHA-256 of settings, format and weights, in hexadecimal: what a saved session belongs to. The first call reads all weights.
     */
    public String sha256() {
        String known = sha256;
        if (known == null) {
            known = Sha256.of(settings + weights.sha256());
            sha256 = known;
        }
        return known;
    }

    /** Ids that end a text, as the model's files say; may be empty. */
    public Set<Integer> eosIds() {
        return eosIds;
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
