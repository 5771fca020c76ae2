package dev.gatun.model.transformer;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.DType;
import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.memory.Workspace;
import dev.gatun.model.nn.KvCache;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.nn.RelativeBuckets;
import dev.gatun.model.transformer.DecoderLayer.Source;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Ops;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One conversation with a {@link Transformer}: {@link #encode} sources, then {@link #decode} their targets token by token, and
 * {@link #keep} those hypotheses that go on. Holds the cache and the buffers; a decoding step allocates nothing, but where the cache
 * has to grow. For one caller at a time; whoever opened it closes it.
 */
public final class TransformerSession implements AutoCloseable {
    /** What a {@link Trace} sees of each layer's cross-attention: its queries [groups, H, beams &middot; T, dK], by layer. */
    static final String CROSS_QUERIES = "cross_queries";

    /** The keys of sources [B, H, S, dK], by layer. */
    static final String CROSS_KEYS = "cross_keys";

    private final Transformer model;
    private final SessionSize size;
    private final @Nullable Trace trace;
    private final CountedArena arena;
    private final Reservation reservation;
    private final Ops ops;
    private final Workspace workspace;
    private final Tensor[] sourceKeys; // [sourceTokens, H dK] for each decoder layer
    private final Tensor[] sourceValues;
    private final KvCache cache;
    private final Tensor logits; // [rows * chunk, V]
    private final Tensor[] logitsOf; // [V] each

    private final int[] sourceLengths;
    private final int[] position; // of the first new token, for each hypothesis
    private final int[] targetLengths; // with the new tokens
    private final int[] groupLengths; // of the source of each group of beams
    private final int[][] pageOf; // of a source: its index
    private final AttentionMask encoderMask;
    private final AttentionMask sourceMask;
    private final AttentionMask targetMask;
    private final @Nullable AttentionMask[] biased; // target masks for one new token at each position
    private final @Nullable Step[] steps; // for one new token each, by hypotheses

    private int sourceTokens; // of the longest source of the last encode; 0 if there is none
    private Source[] sources = {};
    private int[] sourceOf = {}; // of each group of beams
    private int[][] sourcePages = {};
    private @Nullable Step step; // views for the last step

    /** Views for a number of hypotheses and of new tokens each. */
    private record Step(int tokens, Activations activations, Tensor logits) {}

    private TransformerSession(
            Transformer model,
            SessionSize size,
            @Nullable Trace trace,
            CountedArena arena,
            KvCache cache,
            Reservation reservation) {
        this.model = model;
        this.size = size;
        this.trace = trace;
        this.arena = arena;
        this.cache = cache;
        this.reservation = reservation;
        var config = model.config();
        int layers = model.decoder().layers().size();
        ops = model.backend().newOps(arena);
        workspace = layout(model, size).allocate(arena);
        fill(model.encoder().bias(), 0, "encoder bias");
        fill(model.decoder().bias(), 1 - size.nTarget(), "decoder bias");
        sourceKeys = new Tensor[layers];
        sourceValues = new Tensor[layers];
        for (int i = 0; i < layers; i++) {
            Shape shape = Shape.of(size.sourceTokens(), config.decoderWidth());
            sourceKeys[i] = Tensor.allocate(arena, DType.F32, shape);
            sourceValues[i] = Tensor.allocate(arena, DType.F32, shape);
        }
        logits = Tensor.allocate(arena, DType.F32, Shape.of(size.rows() * size.chunk(), config.vocab()));
        logitsOf = new Tensor[size.rows() * size.chunk()];
        Arrays.setAll(logitsOf, i -> logits.select(0, i));
        sourceLengths = new int[size.batch()];
        groupLengths = new int[size.batch()];
        pageOf = new int[size.batch()][1];
        Arrays.setAll(pageOf, i -> new int[] {i});
        position = new int[size.rows()];
        targetLengths = new int[size.rows()];
        encoderMask = AttentionMask.full().withKeys(null, sourceLengths);
        sourceMask = AttentionMask.full().withKeys(null, groupLengths);
        targetMask = AttentionMask.causal().atPositions(position).withKeys(null, targetLengths);
        biased = new AttentionMask[size.nTarget()];
        steps = new Step[size.rows() + 1];
    }

    static TransformerSession open(Transformer model, SessionSize size, @Nullable Trace trace) {
        Reservation reservation = model.backend()
                .budget()
                .reserve("a session of " + size, () -> model.plan(size), () -> model.wouldFit(size));
        var config = model.config();
        KvCache cache = new KvCache(
                model.decoder().layers().size(),
                size.rows(),
                config.decoderHeads(),
                size.nTarget(),
                config.decoderHeadDim());
        CountedArena arena = CountedArena.ofShared();
        try {
            return new TransformerSession(model, size, trace, arena, cache, reservation);
        } catch (Throwable e) { // out of memory, say: nothing stays behind
            arena.close();
            cache.close();
            reservation.close();
            throw e;
        }
    }

    /** Bytes that it has had at most so far: what its plan says once targets are as long as they may be, for the cache grows. */
    public long byteSize() {
        return arena.byteSize() + cache.peakByteSize();
    }

    static Workspace.Layout layout(Transformer model, SessionSize size) {
        var config = model.config();
        int dAttn = Math.max(config.encoderWidth(), config.decoderWidth());
        int dFf = Math.max(model.encoderFf(), model.decoderFf());
        Workspace.Layout layout = Activations.layout(size.maxTokens(), config.dModel(), dAttn, dFf);
        if (model.encoder().input() instanceof AudioInput audio) {
            audio.addTo(layout);
        }
        if (model.encoder().bias() != null) {
            layout.f32("encoder bias", 1, config.encoderHeads(), size.nSource(), size.nSource());
        }
        if (model.decoder().bias() != null) {
            int keys = size.nTarget() - 1 + size.chunk();
            layout.f32("decoder bias", 1, config.decoderHeads(), size.chunk(), keys);
        }
        return layout;
    }

    private void fill(@Nullable RelativeBuckets bias, int first, String name) {
        if (bias != null) {
            bias.fill(first, workspace.get(name));
        }
    }

    /**
     * Encodes sources and forgets what was decoded before. Shorter ones are padded; the result of each is the same as alone.
     *
     * @param ids token ids of each source, 1 to the session's batch of them, each 1 to nSource long
     * @throws IllegalArgumentException if there are none or too many, or one is empty or too long, or the model reads sound
     * @throws IndexOutOfBoundsException if an id is beyond the vocabulary
     */
    public void encode(int[]... ids) {
        if (!(model.encoder().input() instanceof Input input)) {
            throw new IllegalArgumentException("encode: tokens, but the model reads sound");
        }
        beginSources(ids.length);
        int tokens = 0;
        for (int b = 0; b < ids.length; b++) {
            if (ids[b].length < 1 || ids[b].length > size.nSource()) {
                throw new IllegalArgumentException("encode: source " + b + " has " + ids[b].length
                        + " tokens, the session takes 1 to " + size.nSource());
            }
            tokens = Math.max(tokens, ids[b].length);
        }
        if ((long) ids.length * tokens > size.sourceTokens()) {
            throw new IllegalArgumentException("encode: " + ids.length + " sources of up to " + tokens
                    + " tokens, the session takes " + size.sourceTokens() + " tokens in all");
        }
        int[] padded = new int[ids.length * tokens];
        for (int b = 0; b < ids.length; b++) {
            sourceLengths[b] = ids[b].length;
            int end = b * tokens + ids[b].length;
            System.arraycopy(ids[b], 0, padded, b * tokens, ids[b].length);
            Arrays.fill(padded, end, (b + 1) * tokens, ids[b][0]); // any id will do: nobody looks at padding
        }
        Activations a = encoderActivations(ids.length, tokens);
        input.forward(ops, padded, 0, a); //                                    [B, S, D]
        encodeLayers(a, ids.length, tokens);
    }

    /**
     * Encodes windows of sound and forgets what was decoded before.
     *
     * @param features spectrograms [B, frames, bins], 1 to the session's batch of them
     * @throws IllegalArgumentException if there are none or too many, or they are not of the model's size, or it reads tokens
     */
    public void encode(Tensor features) {
        if (!(model.encoder().input() instanceof AudioInput input)) {
            throw new IllegalArgumentException("encode: a spectrogram, but the model reads tokens");
        }
        if (features.rank() != 3 || features.dim(1) != input.frames() || features.dim(2) != input.bins()) {
            throw new IllegalArgumentException("encode: spectrograms " + features.shape() + ", the model takes [batch,"
                    + input.frames() + "," + input.bins() + "]");
        }
        int batch = features.dim(0);
        beginSources(batch);
        Arrays.fill(sourceLengths, 0, batch, size.nSource());
        Activations a = encoderActivations(batch, size.nSource());
        for (int b = 0; b < batch; b++) {
            input.forward(ops, features.select(0, b), workspace, a.x().select(0, b)); // [S, D]
        }
        encodeLayers(a, batch, size.nSource());
    }

    private void beginSources(int batch) {
        sourceTokens = 0;
        if (batch < 1 || batch > size.batch()) {
            throw new IllegalArgumentException("encode: " + batch + " sources, the session takes 1 to " + size.batch());
        }
    }

    private Activations encoderActivations(int batch, int tokens) {
        var config = model.config();
        return Activations.of(
                workspace, batch, tokens, model.encoderFf(), config.encoderWidth(), config.encoderHeads(), 1);
    }

    private void encodeLayers(Activations a, int batch, int tokens) {
        var config = model.config();
        var encoder = model.encoder();
        Tensor x = a.x();
        AttentionMask mask = encoder.bias() == null
                ? encoderMask
                : encoderMask.with(
                        workspace.get("encoder bias").slice(2, 0, tokens).slice(3, 0, tokens));
        see("encoder_hidden_states", 0, x);
        for (int i = 0; i < encoder.layers().size(); i++) {
            encoder.layers().get(i).forward(ops, x, mask, a); //                [B, S, D]
            see("encoder_hidden_states", i + 1, x);
        }
        norm(encoder.norm(), x); //                                             [B, S, D]
        see("encoder_last_hidden_state", 0, x);

        sources = new Source[sourceKeys.length];
        for (int i = 0; i < sources.length; i++) {
            sources[i] = Source.of(
                    rows(sourceKeys[i], batch, tokens), rows(sourceValues[i], batch, tokens), config.decoderHeads());
            DecoderLayer layer = model.decoder().layers().get(i);
            layer.crossAttn().projectSource(ops, x, sources[i].keys(), sources[i].values());
            see(CROSS_KEYS, i, sources[i].keyHeads());
        }
        sourceTokens = tokens;
        restart(batch);
    }

    /** Forgets what was decoded; each of the sources has its beams again. */
    private void restart(int batch) {
        cache.reset(batch * size.beams());
        sourceOf = new int[batch];
        Arrays.setAll(sourceOf, i -> i);
        lookAtSources(batch);
    }

    private void lookAtSources(int groups) {
        if (sourcePages.length != groups) {
            sourcePages = new int[groups][];
        }
        for (int g = 0; g < groups; g++) {
            sourcePages[g] = pageOf[sourceOf[g]];
            groupLengths[g] = sourceLengths[sourceOf[g]];
        }
        step = null;
    }

    private static Tensor rows(Tensor buffer, int batch, int tokens) {
        return buffer.slice(0, 0, batch * tokens).reshape(batch, tokens, buffer.dim(1));
    }

    /**
     * Decodes T new tokens of every hypothesis; afterwards {@link #logits} has the scores of what follows each.
     *
     * @param ids T ids of hypothesis 0, then T of hypothesis 1, ...; the beams of a source stand side by side
     * @param tokens T, 1 to the session's chunk
     * @throws IllegalStateException if nothing has been encoded
     * @throws IllegalArgumentException if there are too few ids, or no positions left for them
     * @throws IndexOutOfBoundsException if an id is beyond the vocabulary
     */
    public void decode(int[] ids, int tokens) {
        Step s = step(tokens);
        int rows = hypotheses();
        int first = length();
        if (ids.length < rows * tokens) {
            throw new IllegalArgumentException(
                    "decode: " + ids.length + " ids for " + rows + " hypotheses of " + tokens + " new tokens");
        }
        if (tokens > size.nTarget() - first) {
            throw new IllegalArgumentException("decode: " + tokens + " new tokens after " + first
                    + ", the session has room for " + size.nTarget());
        }
        Arrays.fill(position, 0, rows, first);
        Arrays.fill(targetLengths, 0, rows, first + tokens);
        var decoder = model.decoder();
        Activations a = s.activations;
        Tensor x = a.x();
        decoder.input().forward(ops, ids, first, a); //                                                 [B, T, D]
        see("decoder_hidden_states", 0, x);
        AttentionMask mask = targetMask(first, tokens);
        cache.begin(tokens);
        for (int i = 0; i < sources.length; i++) {
            DecoderLayer layer = decoder.layers().get(i);
            layer.forward(ops, x, mask, cache, i, sources[i], sourcePages, sourceMask, a); //           [B, T, D]
            see(CROSS_QUERIES, i, a.crossAttn().qHeads()); // self-attention's were in the same memory before
            see("decoder_hidden_states", i + 1, x);
        }
        cache.commit();
        norm(decoder.norm(), x); //                                                                     [B, T, D]
        see("decoder_last_hidden_state", 0, x);
        if (model.headScale() != 1f) {
            ops.scale(model.headScale(), x, x); //                                                      [B, T, D]
        }
        model.lmHead().forward(ops, x, s.logits); //                                                    [B, T, V]
    }

    private AttentionMask targetMask(int first, int tokens) {
        if (model.decoder().bias() == null) {
            return targetMask;
        }
        AttentionMask known = tokens == 1 ? biased[first] : null;
        if (known == null) {
            int last = size.nTarget() - 1; // the column of a query's own position
            Tensor bias = workspace.get("decoder bias").slice(2, 0, tokens).slice(3, last - first, last + tokens);
            known = targetMask.with(bias);
            if (tokens == 1) {
                biased[first] = known;
            }
        }
        return known;
    }

    private Step step(int tokens) {
        if (sourceTokens == 0) {
            throw new IllegalStateException("decode: nothing has been encoded");
        }
        Step current = step;
        if (current != null && current.tokens == tokens) {
            return current;
        }
        if (tokens < 1 || tokens > size.chunk()) {
            throw new IllegalArgumentException(
                    "decode: " + tokens + " new tokens, the session takes 1 to " + size.chunk());
        }
        int rows = hypotheses();
        Step known = tokens == 1 ? steps[rows] : null;
        if (known == null) {
            var config = model.config();
            Activations a = Activations.of(
                    workspace,
                    rows,
                    tokens,
                    model.decoderFf(),
                    config.decoderWidth(),
                    config.decoderHeads(),
                    size.beams());
            known = new Step(tokens, a, rows(logits, rows, tokens));
            if (tokens == 1) {
                steps[rows] = known;
            }
        }
        step = known;
        return known;
    }

    /** Scores [V] of every id to follow token {@code t}, 0 being the first new one of the last step, of a hypothesis. */
    public Tensor logits(int hypothesis, int t) {
        Step current = step;
        if (current == null) {
            throw new IllegalStateException("logits: nothing has been decoded");
        }
        return logitsOf[hypothesis * current.tokens + t];
    }

    /** The scores [hypotheses, T, V] of the last step. */
    public Tensor logits() {
        Step current = step;
        if (current == null) {
            throw new IllegalStateException("logits: nothing has been decoded");
        }
        return current.logits;
    }

    /** Index of the largest of {@link #logits}; the lowest wins a tie. */
    public int argMax(int hypothesis, int t) {
        return ops.argMax(logits(hypothesis, t));
    }

    /** What it was opened for. */
    public SessionSize size() {
        return size;
    }

    /** The session's operators, for what is computed from its tensors between steps. */
    public Ops ops() {
        return ops;
    }

    /**
     * Lets hypothesis i go on from hypothesis {@code parents[i]}, whose keys and values it shares; others are forgotten, and with all
     * of its hypotheses a source leaves the batch. The scores of the last step are not to be asked for afterwards.
     *
     * @param count hypotheses from now on, a multiple of the session's beams
     * @throws IllegalArgumentException if the beams of a group come from different sources
     * @throws IndexOutOfBoundsException if a parent is none of the hypotheses
     */
    public void keep(int[] parents, int count) {
        int beams = size.beams();
        if (count % beams != 0) {
            throw new IllegalArgumentException("keep: " + count + " hypotheses are no multiple of " + beams + " beams");
        }
        for (int i = 0; i < count; i++) {
            if (parents[i] / beams != parents[i / beams * beams] / beams) {
                throw new IllegalArgumentException("keep: hypothesis " + i + " goes on from " + parents[i]
                        + ", its neighbour from " + parents[i / beams * beams] + ", which has another source");
            }
        }
        int before = hypotheses();
        cache.keep(parents, count);
        int[] kept = new int[count / beams];
        for (int g = 0; g < kept.length; g++) {
            kept[g] = sourceOf[parents[g * beams] / beams];
        }
        if (count != before || !Arrays.equals(kept, sourceOf)) {
            sourceOf = kept;
            lookAtSources(kept.length);
        }
    }

    /** Hypotheses under way: at first sources of the last {@link #encode} times beams. */
    public int hypotheses() {
        return cache.hypotheses();
    }

    /** Tokens decoded of each hypothesis. */
    public int length() {
        return cache.length();
    }

    private void norm(@Nullable Norm norm, Tensor x) {
        if (norm != null) {
            norm.forward(ops, x, x);
        }
    }

    private void see(String name, int index, Tensor value) {
        if (trace != null) {
            trace.see(name, index, value);
        }
    }

    /** Gives the memory back. Waits for nobody: a call under way on another thread fails with IllegalStateException. */
    @Override
    public void close() {
        cache.close();
        arena.close();
        reservation.close();
    }
}
