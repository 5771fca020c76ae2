package dev.gatun.model.generate;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.nn.ModelMemory;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.function.Function;

/**
 * An encoder-decoder that has been loaded: its weights, and how it wants to be used. Any number of sessions and threads share it;
 * whoever loaded it closes it, after the sessions.
 */
public final class Seq2SeqModel implements AutoCloseable {
    private final Transformer transformer;
    private final GenerationConfig generation;
    private final Weights weights;
    private final CountedArena arena; // of packed weights and tables
    private final Reservation reservation;

    private Seq2SeqModel(
            Transformer transformer,
            GenerationConfig generation,
            Weights weights,
            CountedArena arena,
            Reservation reservation) {
        this.transformer = transformer;
        this.generation = generation;
        this.weights = weights;
        this.arena = arena;
        this.reservation = reservation;
    }

    /**
     * Opens the weights of a folder and makes a network of them; on failure nothing stays open. For the families.
     *
     * @param network makes the network; has to ask for every tensor there is
     * @throws IOException if a file cannot be read
     * @throws ModelFormatException if weights break their format, do not fit, or have tensors that the network does not know
     */
    public static Seq2SeqModel load(
            ModelFolder folder, Backend backend, GenerationConfig generation, Function<Loader, Transformer> network)
            throws IOException {
        Reservation reservation = ModelMemory.reserve(folder.name(), backend, () -> {
            try (Seq2SeqModel dry = load(folder, backend.forPlanning(), generation, network)) {
                return dry.plan();
            }
        });
        try {
            return load(folder, backend, generation, network, reservation);
        } catch (Throwable e) {
            reservation.close();
            throw e;
        }
    }

    private static Seq2SeqModel load(
            ModelFolder folder,
            Backend backend,
            GenerationConfig generation,
            Function<Loader, Transformer> network,
            Reservation reservation)
            throws IOException {
        Weights weights = Weights.open(folder);
        CountedArena arena = CountedArena.ofShared();
        try {
            Transformer transformer = network.apply(new Loader(weights, backend, arena));
            if (!weights.unused().isEmpty()) {
                throw new ModelFormatException(
                        weights.source() + ": tensors that this kind of model does not have: " + weights.unused());
            }
            return new Seq2SeqModel(transformer, generation, weights, arena, reservation);
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

    /** What the checkpoint says about generating. */
    public GenerationConfig generation() {
        return generation;
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
