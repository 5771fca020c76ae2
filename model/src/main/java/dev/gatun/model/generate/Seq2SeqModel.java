package dev.gatun.model.generate;

import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.weights.Weights;
import java.lang.foreign.Arena;

/**
 * An encoder-decoder that has been loaded: its weights, and how it wants to be used. Any number of sessions and threads share it;
 * whoever loaded it closes it, after the sessions.
 */
public final class Seq2SeqModel implements AutoCloseable {
    private final Transformer transformer;
    private final GenerationConfig generation;
    private final Weights weights;
    private final Arena arena;

    /**
     * Takes over two things to close.
     *
     * @param weights the mapped checkpoint
     * @param arena of packed weights and tables
     */
    public Seq2SeqModel(Transformer transformer, GenerationConfig generation, Weights weights, Arena arena) {
        this.transformer = transformer;
        this.generation = generation;
        this.weights = weights;
        this.arena = arena;
    }

    /** The network. */
    public Transformer transformer() {
        return transformer;
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
    }
}
