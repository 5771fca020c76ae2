package dev.gatun.model.transformer;

import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.model.nn.KvCache;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.nn.RelativeBuckets;
import dev.gatun.ops.Backend;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The Transformer of "Attention Is All You Need" (Vaswani et al. 2017) and its children: weights of an encoder-decoder, immutable,
 * shared by any number of sessions and threads. Whoever opened the arena of its tensors closes it, after the sessions.
 *
 * @param config sizes
 * @param encoder the stack that reads sources: tokens, or sound
 * @param decoder the stack that writes targets
 * @param headScale the decoder's output is multiplied by it before the head; 1 but in the first T5
 * @param lmHead projection to the vocabulary [V, D]
 * @param backend that packed the weights
 */
public record Transformer(
        TransformerConfig config,
        Stack<SourceInput, EncoderLayer> encoder,
        Stack<Input, DecoderLayer> decoder,
        float headScale,
        Linear lmHead,
        Backend backend) {
    /**
     * One of the two stacks.
     *
     * @param input what the first layer reads
     * @param bias of relative positions, added to the scores of self-attention in all layers; or null
     * @param layers one after the other
     * @param norm after the last of them, or null
     */
    public record Stack<I extends SourceInput, L>(
            I input,
            @Nullable RelativeBuckets bias,
            List<L> layers,
            @Nullable Norm norm) {
        /** Copies the list. */
        public Stack {
            layers = List.copyOf(layers);
        }
    }

    /**
     * What a session is sized for.
     *
     * @param batch sources at once
     * @param beams hypotheses of each source
     * @param nSource tokens of a source
     * @param sourceTokens tokens of all sources of a batch, each counted as long as the longest of them
     * @param nTarget tokens of a hypothesis, the start token included
     * @param chunk new tokens of each hypothesis that one {@link TransformerSession#decode} takes at most; 1 to generate
     */
    public record SessionSize(int batch, int beams, int nSource, int sourceTokens, int nTarget, int chunk) {
        /** Room for a batch of sources that all are as long as one may be. */
        public SessionSize(int batch, int beams, int nSource, int nTarget, int chunk) {
            this(batch, beams, nSource, Math.multiplyExact(batch, nSource), nTarget, chunk);
        }

        /** Hypotheses at once. */
        int rows() {
            return Math.multiplyExact(batch, beams);
        }

        /** Tokens that pass through a layer at once. */
        int maxTokens() {
            return Math.max(sourceTokens, Math.multiplyExact(rows(), chunk));
        }
    }

    int encoderFf() {
        return encoder.layers.stream()
                .mapToInt(layer -> layer.feedForward().hiddenSize())
                .max()
                .orElse(1);
    }

    int decoderFf() {
        return decoder.layers.stream()
                .mapToInt(layer -> layer.feedForward().hiddenSize())
                .max()
                .orElse(1);
    }

    /**
     * What {@link #newSession} and its steps will have allocated at once, to the byte if targets get as long as they may, a token at
     * a time: the cache grows with them, and what one layer had before is there until it is copied.
     *
     * @throws IllegalArgumentException if a size is not positive, or beyond the model's positions
     */
    public MemoryPlan plan(SessionSize size) {
        check(size);
        int layers = decoder.layers.size();
        long source = 2L * size.sourceTokens * config.decoderWidth() * Float.BYTES * layers;
        long cache =
                KvCache.byteSize(layers, size.rows(), config.decoderHeads(), size.nTarget, config.decoderHeadDim());
        return MemoryPlan.empty()
                .plus(
                        "activations",
                        Lifetime.SESSION,
                        TransformerSession.layout(this, size).byteSize())
                .plus("source keys and values", Lifetime.SESSION, source)
                .plus("key/value cache", Lifetime.SESSION, cache)
                .plus("logits", Lifetime.SESSION, (long) size.rows() * size.chunk * config.vocab() * Float.BYTES)
                .plus("kernel scratch", Lifetime.SESSION, backend.opsByteSize());
    }

    /** Smaller sizes that what is left of the budget is enough for. */
    List<String> wouldFit(SessionSize size) {
        long free = backend.budget().free();
        List<String> changes = new ArrayList<>();
        for (int n = size.beams - 1; n > 0 && changes.isEmpty(); n--) {
            if (plan(new SessionSize(size.batch, n, size.nSource, size.nTarget, size.chunk))
                            .totalBytes()
                    <= free) {
                changes.add(n == 1 ? "1 beam" : n + " beams");
            }
        }
        for (int n = size.nTarget - 1; n > 0; n = n * 3 / 4) {
            SessionSize shorter = new SessionSize(size.batch, size.beams, size.nSource, n, Math.min(size.chunk, n));
            if (plan(shorter).totalBytes() <= free) {
                changes.add("targets of " + n + " tokens");
                break;
            }
        }
        return changes;
    }

    private void check(SessionSize size) {
        if (size.batch < 1
                || size.beams < 1
                || size.nSource < 1
                || size.nTarget < 1
                || size.chunk < 1
                || size.sourceTokens < size.nSource) {
            throw new IllegalArgumentException(
                    "session size " + size + ": every number must be at least 1, and sourceTokens hold one source");
        }
        if (size.nSource > config.nSource() || size.nTarget > config.nTarget() || size.chunk > size.nTarget) {
            throw new IllegalArgumentException("session size " + size + ": the model has " + config.nSource()
                    + " positions for a source and " + config.nTarget()
                    + " for a target, and chunk is at most nTarget");
        }
        if (encoder.input instanceof AudioInput && size.nSource != config.nSource()) {
            throw new IllegalArgumentException(
                    "session size " + size + ": a window of sound always has " + config.nSource() + " positions");
        }
    }

    /**
     * A session for one caller at a time; the caller closes it.
     *
     * @throws IllegalArgumentException as {@link #plan}
     */
    public TransformerSession newSession(SessionSize size) {
        check(size);
        return TransformerSession.open(this, size, null);
    }

    /** A session that shows its intermediate values to {@code trace}. */
    public TransformerSession newSession(SessionSize size, Trace trace) {
        check(size);
        return TransformerSession.open(this, size, trace);
    }
}
