package dev.gatun.model.decoder;

import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.memory.RowFormat;
import dev.gatun.model.nn.CacheFile;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.Embedding;
import dev.gatun.model.nn.Fingerprint;
import dev.gatun.model.nn.LearnedPositions;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.nn.PagedKvCache;
import dev.gatun.model.nn.RotaryPositions;
import dev.gatun.model.transformer.Trace;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The weights of a decoder-only model: immutable, shared by any number of sessions and threads. Whoever opened the arena of its
 * tensors closes it, after the sessions.
 */
public final class Decoder {
    private final DecoderConfig config;
    private final Heads heads;
    private final Embedding embedding;
    private final @Nullable LearnedPositions positions;
    private final List<RotaryPositions> rotary;
    private final List<DecoderLayer> layers;
    private final @Nullable Norm norm;
    private final Linear lmHead;
    private final float logitSoftCap;
    private final Backend backend;

    /**
     * What a family makes.
     *
     * @param positions learned ones, or null
     * @param rotary the sets that layers choose from
     * @param norm after the last layer, or null
     * @param lmHead projection to the vocabulary [V, D]
     * @param logitSoftCap logits become cap &middot; tanh(logit / cap); 0 for none
     */
    Decoder(
            DecoderConfig config,
            Heads heads,
            Embedding embedding,
            @Nullable LearnedPositions positions,
            List<RotaryPositions> rotary,
            List<DecoderLayer> layers,
            @Nullable Norm norm,
            Linear lmHead,
            float logitSoftCap,
            Backend backend) {
        this.config = config;
        this.heads = heads;
        this.embedding = embedding;
        this.positions = positions;
        this.rotary = List.copyOf(rotary);
        this.layers = List.copyOf(layers);
        this.norm = norm;
        this.lmHead = lmHead;
        this.logitSoftCap = logitSoftCap;
        this.backend = backend;
    }

    /**
     * What a session is sized for.
     *
     * @param sequences that one step takes at most
     * @param nCtx tokens of a sequence
     * @param chunk tokens that pass through a layer at once: longer prompts take several steps
     * @param logits rows of logits that a step keeps at most: 1 for each sequence to generate
     * @param pages of keys and values that all sequences share: fewer than all could fill where not all will be long
     */
    public record SessionSize(int sequences, int nCtx, int chunk, int logits, int pages) {
        /** With pages for all sequences at their longest. */
        public SessionSize(int sequences, int nCtx, int chunk, int logits) {
            this(sequences, nCtx, chunk, logits, Math.multiplyExact(sequences, PagedKvCache.pagesOf(nCtx)));
        }

        /** To generate from one sequence. */
        public static SessionSize forOne(int nCtx) {
            return new SessionSize(1, nCtx, Math.min(nCtx, DEFAULT_CHUNK), 1);
        }

        /** This size with shorter sequences. */
        SessionSize withCtx(int newCtx) {
            long share = (long) pages * PagedKvCache.pagesOf(newCtx) / PagedKvCache.pagesOf(nCtx);
            int newPages = Math.max((int) share, PagedKvCache.pagesOf(newCtx));
            int newChunk = Math.max(sequences, Math.min(chunk, newCtx));
            return new SessionSize(sequences, newCtx, newChunk, logits, newPages);
        }

        /** This size with fewer sequences. */
        SessionSize withSequences(int n) {
            int newPages = Math.max((int) ((long) pages * n / sequences), PagedKvCache.pagesOf(nCtx));
            return new SessionSize(n, nCtx, chunk, Math.max(n, logits - sequences + n), newPages);
        }

        /** To generate from several at once. */
        public static SessionSize of(int sequences, int nCtx) {
            return new SessionSize(sequences, nCtx, Math.max(sequences, Math.min(nCtx, DEFAULT_CHUNK)), sequences);
        }
    }

    /** Tokens of a prompt that pass at once unless a caller says otherwise: products are large enough to run at full speed. */
    public static final int DEFAULT_CHUNK = 256;

    /** Sizes. */
    public DecoderConfig config() {
        return config;
    }

    Heads heads() {
        return heads;
    }

    Embedding embedding() {
        return embedding;
    }

    @Nullable
    LearnedPositions positions() {
        return positions;
    }

    List<RotaryPositions> rotary() {
        return rotary;
    }

    List<DecoderLayer> layers() {
        return layers;
    }

    @Nullable
    Norm norm() {
        return norm;
    }

    Linear lmHead() {
        return lmHead;
    }

    float logitSoftCap() {
        return logitSoftCap;
    }

    /** Who packed the weights and computes. */
    public Backend backend() {
        return backend;
    }

    /**
     * What {@link #newSession(SessionSize)} will allocate, to the byte.
     *
     * @throws IllegalArgumentException if a size is not positive, or beyond the model's positions
     */
    public MemoryPlan plan(SessionSize size) {
        return plan(size, CacheSettings.DEFAULT);
    }

    /** What {@link #newSession(SessionSize, CacheSettings)} will allocate, to the byte. */
    public MemoryPlan plan(SessionSize size, CacheSettings settings) {
        check(size);
        long rotaryBytes = 0;
        for (RotaryPositions r : rotary) {
            rotaryBytes += DecoderSession.rotaryByteSize(r, size);
        }
        return MemoryPlan.empty()
                .plus(
                        settings.format() == RowFormat.F32
                                ? "key/value cache"
                                : "key/value cache, " + settings.format(),
                        Lifetime.SESSION,
                        cacheLayout(size, settings).byteSize())
                .plus(
                        "activations",
                        Lifetime.SESSION,
                        DecoderStep.layout(this, size.chunk).byteSize())
                .plus("rotary positions", Lifetime.SESSION, rotaryBytes)
                .plus("logits", Lifetime.SESSION, (long) size.logits * config.vocab() * Float.BYTES)
                .plus("kernel scratch", Lifetime.SESSION, backend.opsByteSize());
    }

    PagedKvCache.Layout cacheLayout(SessionSize size, CacheSettings settings) {
        return new PagedKvCache.Layout(
                layers.stream().map(layer -> layer.attn().window()).toList(),
                heads.nKvHeads(),
                heads.headDim(),
                size.sequences,
                size.nCtx,
                size.chunk,
                size.pages,
                settings);
    }

    /** Takes a session's memory from the budget. */
    Reservation reserve(SessionSize size, CacheSettings settings) {
        return backend.budget()
                .reserve("a session of " + size, () -> plan(size, settings), () -> wouldFit(size, settings));
    }

    /** Smaller sizes that what is left of the budget is enough for. */
    private List<String> wouldFit(SessionSize size, CacheSettings settings) {
        long free = backend.budget().free();
        List<String> changes = new ArrayList<>();
        int fits = 0;
        for (int step = Integer.highestOneBit(size.nCtx); step > 0; step >>= 1) {
            int nCtx = fits + step;
            if (nCtx < size.nCtx && plan(size.withCtx(nCtx), settings).totalBytes() <= free) {
                fits = nCtx;
            }
        }
        if (fits > 0) {
            changes.add("ctx " + fits);
        }
        for (int n = size.sequences - 1; n > 0; n--) {
            if (plan(size.withSequences(n), settings).totalBytes() <= free) {
                changes.add(n + (n == 1 ? " sequence" : " sequences"));
                break;
            }
        }
        for (RowFormat format : RowFormat.values()) {
            if (format.byteSize(heads.headDim()) < settings.format().byteSize(heads.headDim())
                    && plan(size, settings.with(format)).totalBytes() <= free) {
                changes.add("a cache of " + format);
            }
        }
        return changes;
    }

    private void check(SessionSize size) {
        if (size.sequences < 1 || size.nCtx < 1 || size.chunk < 1 || size.logits < 1) {
            throw new IllegalArgumentException("session size " + size + ": every number must be at least 1");
        }
        if (size.pages < PagedKvCache.pagesOf(size.nCtx)) {
            throw new IllegalArgumentException(
                    "session size " + size + ": one sequence fills " + PagedKvCache.pagesOf(size.nCtx) + " pages");
        }
        if (size.nCtx > config.nPositions()) {
            throw new IllegalArgumentException(
                    "session size " + size + ": the model has " + config.nPositions() + " positions");
        }
        if (size.chunk < size.sequences || size.logits < size.sequences) {
            throw new IllegalArgumentException(
                    "session size " + size + ": a step of all sequences takes as many rows of chunk and logits");
        }
    }

    /**
     * A session for one caller at a time; the caller closes it.
     *
     * @throws IllegalArgumentException as {@link #plan}
     * @throws dev.gatun.memory.MemoryBudgetException if the backend's budget has too little left
     */
    public DecoderSession newSession(SessionSize size) {
        return newSession(size, CacheSettings.DEFAULT);
    }

    /** As {@link #newSession(SessionSize)}, with a cache that does more than the usual. */
    public DecoderSession newSession(SessionSize size, CacheSettings settings) {
        check(size);
        return DecoderSession.open(this, size, settings, null);
    }

    /**
     * Goes on where a session was {@linkplain DecoderSession#save saved}. Its pages are the file's, mapped copy on write: nothing is
     * read but once to check it. The file may be saved anew meanwhile, which makes another file, but not be changed in place.
     *
     * @param fingerprint of this model, as it was when saving
     * @param logits rows that a step keeps at most, 1 to generate
     * @throws IOException if there is no such file, or it cannot be read or mapped
     * @throws dev.gatun.model.weights.ModelFormatException if it is damaged, or of another model, tokenizer or format
     * @throws dev.gatun.memory.MemoryBudgetException if the backend's budget has too little left
     */
    public DecoderSession.Resumed resume(Path path, Fingerprint fingerprint, int logits) throws IOException {
        CacheFile.Header saved = CacheFile.read(path);
        CacheFile.check(saved, fingerprint, config.nPositions(), config.vocab());
        SessionSize size = new SessionSize(1, saved.nCtx(), saved.chunk(), logits);
        check(size);
        return DecoderSession.resume(this, size, saved);
    }

    /** A session that shows its intermediate values to {@code trace}. */
    public DecoderSession newSession(SessionSize size, Trace trace) {
        check(size);
        return DecoderSession.open(this, size, CacheSettings.DEFAULT, trace);
    }
}
