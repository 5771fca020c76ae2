package dev.gatun.model.seq2seq;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.ModelMemory;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * An encoder-decoder that has been loaded: its weights, and how it wants to be used. Any number of sessions and threads share it;
 * whoever loaded it closes it, after the sessions.
 */
public final class Seq2SeqModel implements AutoCloseable {
    /** Makes the network of one {@code model_type}. */
    private interface Family {
        Transformer load(JsonConfig config, Loader loader);
    }

    private static final Map<String, Family> FAMILIES = Map.of(
            "bart", Bart::load,
            "marian", Bart::loadMarian,
            "mbart", Bart::loadMbart,
            "pegasus", Bart::loadPegasus,
            "t5", T5::load,
            "mt5", T5::loadMt5,
            "vaswani", Vaswani::load,
            "whisper", Whisper::load);

    private final Transformer transformer;
    private final GenerationConfig generation;
    private final String type;
    private final Weights weights;
    private final CountedArena arena; // of packed weights and tables
    private final Reservation reservation;

    private Seq2SeqModel(
            Transformer transformer,
            GenerationConfig generation,
            String type,
            Weights weights,
            CountedArena arena,
            Reservation reservation) {
        this.transformer = transformer;
        this.generation = generation;
        this.type = type;
        this.weights = weights;
        this.arena = arena;
        this.reservation = reservation;
    }

    /** Every {@code model_type} that is known, sorted. */
    public static Set<String> families() {
        return new TreeSet<>(FAMILIES.keySet());
    }

    /**
     * Loads a folder with config.json, generation_config.json (older checkpoints have its settings in config.json) and safetensors;
     * on failure nothing stays open. The caller closes the model, before the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if the type is unknown, or files break their format or do not fit together
     */
    public static Seq2SeqModel load(ModelFolder folder, Backend backend) throws IOException {
        Reservation reservation = ModelMemory.reserve(folder.name(), backend, () -> {
            try (Seq2SeqModel dry = load(folder, backend.forPlanning())) {
                return dry.plan();
            }
        });
        try {
            return load(folder, backend, reservation);
        } catch (Throwable e) {
            reservation.close();
            throw e;
        }
    }

    private static Seq2SeqModel load(ModelFolder folder, Backend backend, Reservation reservation) throws IOException {
        JsonConfig config = JsonConfig.read(folder, "config.json");
        String type = config.requireString("model_type");
        Family family = FAMILIES.get(type);
        if (family == null) {
            throw new ModelFormatException(config.file() + ": model_type \"" + type + "\" is not one of " + families());
        }
        JsonConfig generate =
                folder.has("generation_config.json") ? JsonConfig.read(folder, "generation_config.json") : config;
        Weights weights = Weights.open(folder);
        CountedArena arena = CountedArena.ofShared();
        try {
            Transformer transformer = family.load(config, new Loader(weights, backend, arena));
            if (!weights.unused().isEmpty()) {
                throw new ModelFormatException(
                        weights.source() + ": tensors that this kind of model does not have: " + weights.unused());
            }
            var sizes = transformer.config();
            GenerationConfig generation = GenerationConfig.read(config, generate, sizes.vocab(), sizes.nTarget());
            return new Seq2SeqModel(transformer, generation, type, weights, arena, reservation);
        } catch (Throwable e) {
            arena.close();
            weights.close();
            throw e;
        }
    }

    /** The network. */
    public Transformer transformer() {
        return transformer;
    }

    /** What the checkpoint says about generating. */
    public GenerationConfig generation() {
        return generation;
    }

    /** What the model takes, to the byte; of one that was loaded with {@link Backend#forPlanning}, what it would take. */
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

    /** Its {@code model_type}. */
    public String type() {
        return type;
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
