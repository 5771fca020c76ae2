package dev.gatun.model.transformer;

import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.model.nn.Embedding;
import dev.gatun.model.nn.KvCache;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.SinusoidalPositions;
import dev.gatun.ops.Backend;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The Transformer of "Attention Is All You Need" (Vaswani et al. 2017): weights of an encoder-decoder, immutable, shared by any
 * number of sessions and threads. Whoever opened the arena of its tensors closes it, after the sessions.
 *
 * @param config sizes
 * @param embedding of source and target tokens
 * @param positions added to both
 * @param encoder layers of the encoder
 * @param encoderNorm after the last of them, or null
 * @param decoder layers of the decoder
 * @param decoderNorm after the last of them, or null
 * @param lmHead projection to the vocabulary [V, D]
 * @param backend that packed the weights
 */
public record Transformer(
        TransformerConfig config,
        Embedding embedding,
        SinusoidalPositions positions,
        List<EncoderLayer> encoder,
        @Nullable LayerNorm encoderNorm,
        List<DecoderLayer> decoder,
        @Nullable LayerNorm decoderNorm,
        Linear lmHead,
        Backend backend) {
    /** Copies the lists. */
    public Transformer {
        encoder = List.copyOf(encoder);
        decoder = List.copyOf(decoder);
    }

    /**
     * What a session is sized for.
     *
     * @param batch sources at once
     * @param beams hypotheses of each source
     * @param nSource tokens of a source
     * @param nTarget tokens of a hypothesis, the start token included
     * @param chunk new tokens of each hypothesis that one {@link TransformerSession#decode} takes at most; 1 to generate
     */
    public record SessionSize(int batch, int beams, int nSource, int nTarget, int chunk) {
        /** Hypotheses at once. */
        int rows() {
            return Math.multiplyExact(batch, beams);
        }

        /** Tokens that pass through a layer at once. */
        int maxTokens() {
            return Math.max(Math.multiplyExact(batch, nSource), Math.multiplyExact(rows(), chunk));
        }
    }

    /**
     * What {@link #newSession} will allocate, to the byte.
     *
     * @throws IllegalArgumentException if a size is not positive, or beyond the model's positions
     */
    public MemoryPlan plan(SessionSize size) {
        check(size);
        int dModel = config.dModel();
        int dFf = Math.max(config.encoderFf(), config.decoderFf());
        long source = 2L * size.batch * size.nSource * dModel * Float.BYTES * config.decoderLayers();
        long cache = config.decoderLayers()
                * KvCache.byteSize(
                        size.rows(),
                        config.decoderHeads(),
                        size.nTarget,
                        dModel / config.decoderHeads(),
                        size.beams > 1);
        return MemoryPlan.empty()
                .plus(
                        "activations",
                        Lifetime.SESSION,
                        Activations.layout(size.maxTokens(), dModel, dFf).byteSize())
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
        if (size.batch < 1 || size.beams < 1 || size.nSource < 1 || size.nTarget < 1 || size.chunk < 1) {
            throw new IllegalArgumentException("session size " + size + ": every number must be at least 1");
        }
        if (size.nSource > config.nPositions() || size.nTarget > config.nPositions() || size.chunk > size.nTarget) {
            throw new IllegalArgumentException("session size " + size + ": the model has " + config.nPositions()
                    + " positions for source and target, and chunk is at most nTarget");
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
