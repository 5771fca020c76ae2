package dev.gatun.model.decoder;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.DType;
import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.memory.Workspace;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.nn.CacheFile;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.Fingerprint;
import dev.gatun.model.nn.LearnedPositions;
import dev.gatun.model.nn.Norm;
import dev.gatun.model.nn.PagedKvCache;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.nn.RotaryPositions;
import dev.gatun.model.transformer.Trace;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Ops;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Memory and state to run a {@link Decoder}: sequences that grow by {@link #prefill} and {@link #decode}, a cache that they share
 * page by page, and one set of buffers. Everything is allocated at the start; a decoding step allocates nothing, on the heap or
 * off. A sequence's logits have the same bits however its tokens came: at once, in chunks, one by one, beside other sequences, or
 * by way of a fork. For one caller at a time; whoever opened it closes it.
 */
public final class DecoderSession implements AutoCloseable {
    /** What a trace sees of a layer's queries, positions in them: the name. */
    static final String QUERIES = "queries";

    /** Likewise of its new keys. */
    static final String KEYS = "keys";

    private final Decoder model;
    private final SessionSize size;
    private final @Nullable Trace trace;
    private final CountedArena arena;
    private final Reservation reservation;
    private final Ops ops;
    private final Workspace workspace;
    private final PagedKvCache cache;
    private final Tensor logits; // [size.logits, V]
    private final Tensor[] logitsOf; // [V] each
    private final Tensor[] logitsRow; // [1, V] each
    private final Tensor[] cosTable; // [nCtx, pairs] of each rotary, rows below filled are there
    private final Tensor[] sinTable;
    private int filled;

    private final int[] firstPosition; // of the new tokens, for each sequence of a step
    private final int[] keyTo; // tokens with the new ones
    private final int[] positionRows; // of learned positions
    private final AttentionMask[] masks; // all keys; the model's window
    private final Sequence[] one = new Sequence[1];
    private final int[] oneId = new int[1];

    private final @Nullable DecoderStep[] prefillSteps; // by new tokens of one sequence
    private final @Nullable DecoderStep[] decodeSteps; // by sequences of one token
    private int logitRows; // of the last step

    private enum Keep {
        NOTHING,
        LAST,
        ALL
    }

    private DecoderSession(
            Decoder model,
            SessionSize size,
            CacheSettings settings,
            @Nullable Trace trace,
            CacheFile.@Nullable Header saved,
            CountedArena arena,
            Reservation reservation)
            throws IOException {
        this.model = model;
        this.size = size;
        this.trace = trace;
        this.arena = arena;
        this.reservation = reservation;
        var config = model.config();
        ops = model.backend().newOps(arena);
        workspace = DecoderStep.layout(model, size.chunk()).allocate(arena);
        logits = Tensor.allocate(arena, DType.F32, Shape.of(size.logits(), config.vocab()));
        logitsOf = new Tensor[size.logits()];
        logitsRow = new Tensor[size.logits()];
        for (int i = 0; i < logitsOf.length; i++) {
            logitsOf[i] = logits.select(0, i);
            logitsRow[i] = logits.slice(0, i, i + 1);
        }
        int rotaries = model.rotary().size();
        cosTable = new Tensor[rotaries];
        sinTable = new Tensor[rotaries];
        for (int i = 0; i < rotaries; i++) {
            Shape shape = Shape.of(size.nCtx(), model.rotary().get(i).pairs());
            cosTable[i] = Tensor.allocate(arena, DType.F32, shape);
            sinTable[i] = Tensor.allocate(arena, DType.F32, shape);
        }
        firstPosition = new int[size.sequences()];
        keyTo = new int[size.sequences()];
        positionRows = new int[size.chunk()];
        AttentionMask causal = AttentionMask.causal().atPositions(firstPosition).withKeys(null, keyTo);
        int window = model.layers().stream()
                .mapToInt(layer -> layer.attn().window())
                .max()
                .orElse(0);
        masks = new AttentionMask[] {causal, window == 0 ? causal : causal.within(window - 1, 0)};
        prefillSteps = new DecoderStep[size.chunk() + 1];
        decodeSteps = new DecoderStep[size.sequences() + 1];
        // The last: it may have files.
        cache = saved == null
                ? PagedKvCache.allocate(arena, model.cacheLayout(size, settings))
                : PagedKvCache.restore(saved, model.cacheLayout(size, settings), arena);
    }

    static long rotaryByteSize(RotaryPositions rotary, SessionSize size) {
        return 2L * size.nCtx() * rotary.pairs() * Float.BYTES;
    }

    static DecoderSession open(Decoder model, SessionSize size, CacheSettings settings, @Nullable Trace trace) {
        try {
            return open(model, size, settings, trace, null);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What a file was saved of: a session whose cache is the file, mapped, and the sequence in it. */
    static Resumed resume(Decoder model, SessionSize size, CacheFile.Header saved) throws IOException {
        DecoderSession session = open(model, size, CacheSettings.DEFAULT.with(saved.format()), null, saved);
        return new Resumed(session, session.cache.restored(saved), saved.note());
    }

    private static DecoderSession open(
            Decoder model,
            SessionSize size,
            CacheSettings settings,
            @Nullable Trace trace,
            CacheFile.@Nullable Header saved)
            throws IOException {
        Reservation reservation = model.reserve(size, settings);
        CountedArena arena = CountedArena.ofShared();
        try {
            return new DecoderSession(model, size, settings, trace, saved, arena, reservation);
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
     * A session that goes on where another was saved.
     *
     * @param session to be closed by the caller
     * @param sequence that was saved
     * @param note that was saved beside it
     */
    public record Resumed(DecoderSession session, Sequence sequence, byte[] note) {}

    /**
     * Saves a sequence for {@link Decoder#resume}, also in another process: what follows has the same bits as if it had gone on here.
     * The file is there as a whole or not at all, whenever this process ends.
     *
     * @param fingerprint of the model and of what ids mean
     * @param note anything to be saved beside, at most {@link CacheFile#MAX_NOTE} bytes
     * @throws IOException if it cannot be written; a file that was there is as it was
     */
    public void save(Sequence sequence, Fingerprint fingerprint, byte[] note, Path path) throws IOException {
        cache.save(sequence, fingerprint, note, path);
    }

    /** What it was opened for. */
    public SessionSize size() {
        return size;
    }

    /** A sequence without tokens. It takes cache pages as it grows; {@link #release} gives them back. */
    public Sequence newSequence() {
        return cache.newSequence();
    }

    /** A sequence that goes on from the same tokens; their keys and values are shared, not copied. */
    public Sequence fork(Sequence from) {
        return cache.fork(from);
    }

    /**
     * Makes the sequence forget all tokens after the first {@code length}, or all there are where a sliding window has given back
     * what the next one would see; never so for tokens of the last step.
     *
     * @return tokens that are left: length, or 0
     */
    public int truncate(Sequence sequence, int length) {
        return cache.truncate(sequence, length);
    }

    /**
     * Gives an empty sequence the beginning of a prompt that the cache still has, of a session whose settings keep pages: whole pages,
     * and less than all, for there are no logits without computing one token.
     *
     * @param ids of the prompt, from 0 to {@code count}
     * @return tokens that the sequence has now; {@link #prefill} goes on there
     */
    public int reuse(Sequence sequence, int[] ids, int count) {
        return cache.reuse(sequence, ids, count);
    }

    /** Gives a sequence's pages back. It cannot be used afterwards. */
    public void release(Sequence sequence) {
        cache.release(sequence);
    }

    /** Pages of keys and values that no sequence has. */
    public int freePages() {
        return cache.freePages();
    }

    /** Pages that so many more tokens of a sequence will take at most. */
    public int pagesFor(Sequence sequence, int tokens) {
        return cache.pagesFor(sequence, tokens);
    }

    /**
     * Appends tokens to a sequence, as many at a time as the session's chunk; then {@code logits(0)} has the scores of what follows.
     *
     * @param ids from index {@code from} (inclusive) to {@code to} (exclusive), at least one
     * @throws IllegalArgumentException if the sequence has no room for them; it is unchanged then
     * @throws dev.gatun.memory.MemoryBudgetException if there are not enough pages; it has the tokens of earlier chunks then
     * @throws IndexOutOfBoundsException if an id is beyond the vocabulary; ids of earlier chunks have been appended then
     */
    public void prefill(Sequence sequence, int[] ids, int from, int to) {
        Objects.checkFromToIndex(from, to, ids.length);
        if (from == to) {
            throw new IllegalArgumentException("prefill: no ids");
        }
        if (to - from > size.nCtx() - sequence.length()) {
            throw new IllegalArgumentException("prefill: no room for " + (to - from) + " more tokens after "
                    + sequence.length() + ": the session has " + size.nCtx() + " positions a sequence");
        }
        one[0] = sequence;
        for (int at = from; at < to; ) {
            int tokens = Math.min(size.chunk(), to - at);
            at += tokens;
            step(one, ids, at - tokens, tokens, at == to ? Keep.LAST : Keep.NOTHING);
        }
    }

    /**
     * Appends tokens in one step and keeps the scores after each of them: {@code logits(i)} has what follows id {@code from + i}.
     *
     * @throws IllegalArgumentException if they are more than the session's chunk or its rows of logits, or there is no room
     * @throws IndexOutOfBoundsException if an id is beyond the vocabulary
     */
    public void prefillKeepingAll(Sequence sequence, int[] ids, int from, int to) {
        Objects.checkFromToIndex(from, to, ids.length);
        int tokens = to - from;
        if (tokens < 1 || tokens > size.chunk() || tokens > size.logits()) {
            throw new IllegalArgumentException("prefill: " + tokens + " tokens with all logits, the session keeps 1 to "
                    + Math.min(size.chunk(), size.logits()));
        }
        one[0] = sequence;
        step(one, ids, from, tokens, Keep.ALL);
    }

    /** Appends one token to one sequence; then {@code logits(0)} has the scores of what follows. */
    public void decode(Sequence sequence, int id) {
        one[0] = sequence;
        oneId[0] = id;
        step(one, oneId, 0, 1, Keep.ALL);
    }

    /**
     * Appends one token to each of several sequences, in one step; then {@code logits(i)} has the scores of what follows sequence i.
     *
     * @param ids one for each
     * @throws IllegalArgumentException if there are none or too many, one is there twice, or one has no room
     * @throws IndexOutOfBoundsException if an id is beyond the vocabulary
     */
    public void decode(Sequence[] sequences, int[] ids) {
        if (sequences.length < 1 || sequences.length > size.sequences() || ids.length < sequences.length) {
            throw new IllegalArgumentException("decode: " + sequences.length + " sequences and " + ids.length
                    + " ids, the session takes 1 to " + size.sequences() + " and an id for each");
        }
        step(sequences, ids, 0, 1, Keep.ALL);
    }

    private void step(Sequence[] sequences, int[] ids, int from, int tokens, Keep keep) {
        int batch = sequences.length;
        logitRows = 0;
        cache.begin(sequences, tokens, ids, from);
        for (int b = 0; b < batch; b++) {
            firstPosition[b] = sequences[b].length();
            keyTo[b] = firstPosition[b] + tokens;
        }
        DecoderStep step = views(batch, tokens);
        Tensor x = step.x();
        model.embedding().forward(ops, ids, from, x); //                              [B, T, D]
        positions(step); //                                                           [B, T, D]
        see("hidden_states", 0, x);
        for (int i = 0; i < model.layers().size(); i++) {
            model.layers().get(i).forward(ops, x, step, cache, i); //                 [B, T, D]
            see(QUERIES, i, step.attention().q()); //                                 [B, H, T, dK]
            see(KEYS, i, step.attention().k()); //                                    [B, KV, T, dK]
            see("hidden_states", i + 1, x);
        }
        cache.commit();
        if (keep == Keep.ALL || trace != null) {
            norm(x); //                                                               [B, T, D]
            see("last_hidden_state", 0, x);
        }
        if (keep == Keep.ALL) {
            logits(step, batch * tokens);
        } else if (keep == Keep.LAST) {
            Tensor last = step.row(tokens - 1); // of the only sequence
            if (trace == null) {
                norm(last); //                                                        [1, D]
            }
            head(last, logitsRow[0]); //                                              [1, V]
            logitRows = 1;
        }
    }

    private void logits(DecoderStep step, int rows) {
        if (rows == 1) {
            head(step.row(0), logitsRow[0]); //                                       [1, V]
        } else {
            head(step.x(), step.logits(logits)); //                                   [B, T, V]
        }
        logitRows = rows;
    }

    private void head(Tensor x, Tensor out) {
        model.lmHead().forward(ops, x, out);
        if (model.logitSoftCap() > 0) {
            ops.softCap(model.logitSoftCap(), out);
        }
    }

    private void norm(Tensor x) {
        Norm norm = model.norm();
        if (norm != null) {
            norm.forward(ops, x, x);
        }
    }

    private void positions(DecoderStep step) {
        int batch = step.batch();
        int tokens = step.tokens();
        LearnedPositions learned = model.positions();
        if (learned != null) {
            for (int b = 0; b < batch; b++) {
                for (int t = 0; t < tokens; t++) {
                    positionRows[b * tokens + t] = firstPosition[b] + t + learned.offset();
                }
            }
            learned.add(ops, positionRows, step.normed(), step.x());
        }
        for (int b = 0; b < batch; b++) {
            for (; filled < keyTo[b]; filled++) {
                for (int i = 0; i < cosTable.length; i++) {
                    model.rotary().get(i).fill(filled, cosTable[i], sinTable[i]);
                }
            }
            for (int i = 0; i < cosTable.length; i++) {
                long pairs = cosTable[i].dim(1);
                long first = firstPosition[b] * pairs;
                cosTable[i].copyRun(first, step.cos(i), (long) b * tokens * pairs, tokens * pairs);
                sinTable[i].copyRun(first, step.sin(i), (long) b * tokens * pairs, tokens * pairs);
            }
        }
    }

    private DecoderStep views(int batch, int tokens) {
        @Nullable DecoderStep[] known = batch == 1 ? prefillSteps : decodeSteps;
        int index = batch == 1 ? tokens : batch;
        DecoderStep step = known[index];
        if (step == null) {
            step = new DecoderStep(model, workspace, batch, tokens, masks);
            known[index] = step;
        }
        return step;
    }

    /** Scores [V] of every id to be the next; overwritten by the next step. */
    public Tensor logits(int row) {
        if (row < 0 || row >= logitRows) {
            throw new IllegalStateException("logits: no row " + row + ", the last step kept " + logitRows);
        }
        return logitsOf[row];
    }

    /** Index of the largest of {@link #logits}; the lowest wins a tie. */
    public int argMax(int row) {
        return ops.argMax(logits(row));
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
        cache.close();
        reservation.close();
    }
}
