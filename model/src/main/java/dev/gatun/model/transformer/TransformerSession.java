package dev.gatun.model.transformer;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.DType;
import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.memory.Workspace;
import dev.gatun.model.nn.KvCache;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.transformer.DecoderLayer.Source;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One conversation with a {@link Transformer}: {@link #encode} sources, then {@link #decode} their targets token by token. Holds
 * the cache and the buffers, all allocated at the start; a decoding step allocates nothing. For one caller at a time; whoever
 * opened it closes it.
 */
public final class TransformerSession implements AutoCloseable {
    private final Transformer model;
    private final SessionSize size;
    private final @Nullable Trace trace;
    private final CountedArena arena;
    private final Reservation reservation;
    private final Ops ops;
    private final Workspace workspace;
    private final Tensor[] sourceKeys; // [batch * nSource, D] for each decoder layer
    private final Tensor[] sourceValues;
    private final KvCache[] caches;
    private final Tensor logits; // [rows * chunk, V]

    private final int[] sourceLengths;
    private final int[] position; // of the first new token, for each hypothesis
    private final int[] targetLengths; // with the new tokens
    private final AttentionMask sourceMask;
    private final AttentionMask targetMask;

    private int batch; // sources of the last encode
    private Source[] sources = {};
    private @Nullable Step step; // views for the last number of new tokens

    /** Views for one number of new tokens a hypothesis. */
    private record Step(int tokens, Activations activations, Tensor logits, Tensor[] logitsOf) {}

    private TransformerSession(
            Transformer model, SessionSize size, @Nullable Trace trace, CountedArena arena, Reservation reservation) {
        this.model = model;
        this.size = size;
        this.trace = trace;
        this.arena = arena;
        this.reservation = reservation;
        var config = model.config();
        int dModel = config.dModel();
        int layers = config.decoderLayers();
        ops = model.backend().newOps(arena);
        workspace = Activations.layout(size.maxTokens(), dModel, Math.max(config.encoderFf(), config.decoderFf()))
                .allocate(arena);
        sourceKeys = new Tensor[layers];
        sourceValues = new Tensor[layers];
        caches = new KvCache[layers];
        for (int i = 0; i < layers; i++) {
            sourceKeys[i] = Tensor.allocate(arena, DType.F32, Shape.of(size.batch() * size.nSource(), dModel));
            sourceValues[i] = Tensor.allocate(arena, DType.F32, Shape.of(size.batch() * size.nSource(), dModel));
            caches[i] = KvCache.allocate(
                    arena,
                    size.rows(),
                    config.decoderHeads(),
                    size.nTarget(),
                    dModel / config.decoderHeads(),
                    size.beams() > 1);
        }
        logits = Tensor.allocate(arena, DType.F32, Shape.of(size.rows() * size.chunk(), config.vocab()));
        sourceLengths = new int[size.batch()];
        position = new int[size.rows()];
        targetLengths = new int[size.rows()];
        sourceMask = AttentionMask.full().withKeys(null, sourceLengths);
        targetMask = AttentionMask.causal().atPositions(position).withKeys(null, targetLengths);
    }

    static TransformerSession open(Transformer model, SessionSize size, @Nullable Trace trace) {
        Reservation reservation = model.backend()
                .budget()
                .reserve("a session of " + size, () -> model.plan(size), () -> model.wouldFit(size));
        CountedArena arena = CountedArena.ofShared();
        try {
            return new TransformerSession(model, size, trace, arena, reservation);
        } catch (Throwable e) { // out of memory, say: nothing stays behind
            arena.close();
            reservation.close();
            throw e;
        }
    }

    /** Bytes that it has allocated: what its plan says. */
    public long byteSize() {
        return arena.byteSize();
    }

    /**
     * Encodes sources and forgets what was decoded before. Shorter ones are padded; the result of each is the same as alone.
     *
     * @param ids token ids of each source, 1 to the session's batch of them, each 1 to nSource long
     * @throws IllegalArgumentException if there are none or too many, or one is empty or too long
     * @throws IndexOutOfBoundsException if an id is beyond the vocabulary
     */
    public void encode(int[]... ids) {
        if (ids.length < 1 || ids.length > size.batch()) {
            throw new IllegalArgumentException(
                    "encode: " + ids.length + " sources, the session takes 1 to " + size.batch());
        }
        int tokens = 0;
        for (int b = 0; b < ids.length; b++) {
            if (ids[b].length < 1 || ids[b].length > size.nSource()) {
                throw new IllegalArgumentException("encode: source " + b + " has " + ids[b].length
                        + " tokens, the session takes 1 to " + size.nSource());
            }
            tokens = Math.max(tokens, ids[b].length);
        }
        int[] padded = new int[ids.length * tokens];
        for (int b = 0; b < ids.length; b++) {
            sourceLengths[b] = ids[b].length;
            int end = b * tokens + ids[b].length;
            System.arraycopy(ids[b], 0, padded, b * tokens, ids[b].length);
            Arrays.fill(padded, end, (b + 1) * tokens, ids[b][0]); // any id will do: nobody looks at padding
        }
        encode(padded, ids.length, tokens);
    }

    private void encode(int[] ids, int newBatch, int tokens) {
        var config = model.config();
        Activations a = Activations.of(workspace, newBatch, tokens, config.encoderFf(), config.encoderHeads(), 1);
        Tensor x = a.x();
        model.embedding().forward(ops, ids, 0, x); //                           [B, S, D]
        model.positions().add(ops, a.tokens(), 0); //                           [B, S, D]
        see("encoder_hidden_states", 0, x);
        for (int i = 0; i < model.encoder().size(); i++) {
            model.encoder().get(i).forward(ops, x, sourceMask, a); //           [B, S, D]
            see("encoder_hidden_states", i + 1, x);
        }
        norm(model.encoderNorm(), x); //                                        [B, S, D]
        see("encoder_last_hidden_state", 0, x);

        batch = newBatch;
        sources = new Source[caches.length];
        for (int i = 0; i < caches.length; i++) {
            sources[i] = Source.of(
                    rows(sourceKeys[i], newBatch, tokens),
                    rows(sourceValues[i], newBatch, tokens),
                    config.decoderHeads());
            model.decoder().get(i).crossAttn().projectSource(ops, x, sources[i].keys(), sources[i].values());
            caches[i].reset(newBatch * size.beams());
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
        Activations a = s.activations;
        Tensor x = a.x();
        model.embedding().forward(ops, ids, 0, x); //                                                   [B, T, D]
        model.positions().add(ops, a.tokens(), first); //                                               [B, T, D]
        see("decoder_hidden_states", 0, x);
        for (int i = 0; i < caches.length; i++) {
            DecoderLayer layer = model.decoder().get(i);
            layer.forward(ops, x, targetMask, caches[i], sources[i], sourceMask, a); //                 [B, T, D]
            see("decoder_hidden_states", i + 1, x);
        }
        norm(model.decoderNorm(), x); //                                                                [B, T, D]
        see("decoder_last_hidden_state", 0, x);
        model.lmHead().forward(ops, x, s.logits); //                                                    [B, T, V]
    }

    private Step step(int tokens) {
        if (batch == 0) {
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
        var config = model.config();
        int rows = hypotheses();
        Activations a =
                Activations.of(workspace, rows, tokens, config.decoderFf(), config.decoderHeads(), size.beams());
        List<Tensor> each = new ArrayList<>();
        for (int i = 0; i < rows * tokens; i++) {
            each.add(logits.select(0, i));
        }
        Step made = new Step(tokens, a, rows(logits, rows, tokens), each.toArray(Tensor[]::new));
        step = made;
        return made;
    }

    /** Scores [V] of every id to follow token {@code t}, 0 being the first new one of the last step, of a hypothesis. */
    public Tensor logits(int hypothesis, int t) {
        Step current = step;
        if (current == null) {
            throw new IllegalStateException("logits: nothing has been decoded");
        }
        return current.logitsOf[hypothesis * current.tokens + t];
    }

    /** Index of the largest of {@link #logits}; the lowest wins a tie. */
    public int argMax(int hypothesis, int t) {
        return ops.argMax(logits(hypothesis, t));
    }

    /** The session's operators, for what is computed from its tensors between steps. */
    public Ops ops() {
        return ops;
    }

    /**
     * Lets hypothesis i go on from hypothesis {@code parents[i]}, of the same source.
     *
     * @throws IllegalStateException if the session has one beam
     */
    public void reorder(int[] parents) {
        for (KvCache cache : caches) {
            cache.reorder(parents);
        }
    }

    /** Hypotheses under way: sources of the last {@link #encode} times beams. */
    public int hypotheses() {
        return batch * size.beams();
    }

    /** Tokens decoded of each hypothesis. */
    public int length() {
        return caches.length == 0 ? 0 : caches[0].length();
    }

    private void norm(@Nullable LayerNorm norm, Tensor x) {
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
        arena.close();
        reservation.close();
    }
}
