package dev.gatun.model.encoder;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.Tensor;
import dev.gatun.memory.Workspace;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Ops;
import java.lang.foreign.Arena;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A session with an encoder: {@link #encode} packs sequences of any lengths into one batch, with no arithmetic on padding; then
 * {@link #hidden}, {@link #pool} and the scores of its head are there until the next batch. All native memory is allocated at the
 * start, and linear in the tokens of a batch. For one caller at a time; whoever opened it closes it.
 */
public final class EncoderSession implements AutoCloseable {
    /** Rows that a head judges at once: a vocabulary's scores for all tokens of a batch would take more than all else. */
    private static final int HEAD_ROWS = 64;

    /** Sees intermediate values [N, D] as a session computes them; each is valid until the call returns. */
    @FunctionalInterface
    public interface Trace {
        /**
         * Called for the input of the first layer and the output of each.
         *
         * @param index 0 for the input, i for the output of layer i
         */
        void hiddenState(int index, Tensor value);
    }

    /** Takes the scores of one row; they are valid until the call returns. */
    @FunctionalInterface
    public interface Scores {
        /**
         * Called once a row, in order.
         *
         * @param index of the row among those that were asked for
         * @param scores [labels]
         */
        void of(int index, Tensor scores);
    }

    private final Encoder model;
    private final @Nullable Trace trace;
    private final int maxTokens;
    private final CountedArena arena;
    private final Reservation reservation;
    private final Ops ops;
    private final Workspace workspace;
    private final Tensor ones; // [1, maxTokens]
    private final Tensor ramp; // [1, maxTokens]: 1, 2, 3, ...
    private final Tensor[] pooled; // after pooling, and after each dense layer [1, d]
    private final Tensor[] pooledParts; // one [1, D] for each way of pooling
    private final Tensor[] vectors; // the same as [d]
    private final int[] ids;
    private final int[] types;
    private final int[] positions;
    private final int[] lengths; // of the batch's sequences
    private final Tensor[] cosTables; // of all positions [P, dK / 2]
    private final Tensor[] sinTables;
    private final RotaryRows[] rotaryRows; // of the batch's tokens
    private PackedViews views; // of the last batch
    private Tensor[] sequences = {}; // hidden states of each [T, D]
    private Tensor[] onesOf = {}; // as many as a sequence has tokens
    private Tensor[] rampOf = {};
    private RotaryRows[] rotaryOfBatch = {};
    private boolean encoded;

    private EncoderSession(
            Encoder model, int maxTokens, @Nullable Trace trace, CountedArena arena, Reservation reservation) {
        this.model = model;
        this.trace = trace;
        this.maxTokens = maxTokens;
        this.arena = arena;
        this.reservation = reservation;
        ops = model.backend().newOps(arena);
        workspace = layout(model, maxTokens).allocate(arena);
        ones = workspace.get("ones");
        ramp = workspace.get("ramp");
        for (int i = 0; i < maxTokens; i++) {
            ones.setFloat(1f, 0, i);
            ramp.setFloat(i + 1f, 0, i);
        }
        SentenceModules modules = model.sentence();
        int[] widths =
                modules == null ? new int[0] : modules.widths(model.config().dModel());
        pooled = new Tensor[widths.length];
        vectors = new Tensor[widths.length];
        for (int i = 0; i < widths.length; i++) {
            pooled[i] = workspace.get("pooled" + i);
            vectors[i] = pooled[i].select(0, 0);
        }
        pooledParts = new Tensor[modules == null ? 0 : modules.pooling().size()];
        int d = model.config().dModel();
        Arrays.setAll(pooledParts, i -> pooled[0].slice(1, i * d, (i + 1) * d));
        ids = new int[maxTokens];
        types = new int[maxTokens];
        positions = new int[maxTokens];
        lengths = new int[maxTokens];
        rotaryRows = new RotaryRows[model.rotary().size()];
        cosTables = new Tensor[rotaryRows.length];
        sinTables = new Tensor[rotaryRows.length];
        for (int i = 0; i < rotaryRows.length; i++) {
            cosTables[i] = model.rotary().get(i).cos().select(0, 0);
            sinTables[i] = model.rotary().get(i).sin().select(0, 0);
            rotaryRows[i] = new RotaryRows(workspace.get("cos" + i), workspace.get("sin" + i));
        }
        views = PackedViews.of(model, workspace, new int[] {0}, rotaryOfBatch);
    }

    static EncoderSession open(Encoder model, int maxTokens, @Nullable Trace trace) {
        Reservation reservation = model.reserve(maxTokens);
        CountedArena arena = CountedArena.ofShared();
        try {
            return new EncoderSession(model, maxTokens, trace, arena, reservation);
        } catch (Throwable e) { // out of memory, say: nothing stays behind
            arena.close();
            reservation.close();
            throw e;
        }
    }

    static Workspace.Layout layout(Encoder model, int maxTokens) {
        int dModel = model.config().dModel();
        Workspace.Layout layout =
                PackedViews.layout(model, maxTokens).f32("ones", 1, maxTokens).f32("ramp", 1, maxTokens);
        PatchEmbeddings patches = model.patches();
        if (patches != null) {
            int side = patches.imageSize();
            layout.f32("pixels", patches.channels(), side, side)
                    .f32("patches", patches.tokens() - patches.classTokens().dim(0), patches.patchWidth());
        }
        for (int i = 0; i < model.rotary().size(); i++) {
            int half = model.rotary().get(i).cos().dim(2);
            layout.f32("cos" + i, 1, maxTokens, half).f32("sin" + i, 1, maxTokens, half);
        }
        SentenceModules modules = model.sentence();
        int[] widths = modules == null ? new int[0] : modules.widths(dModel);
        for (int i = 0; i < widths.length; i++) {
            layout.f32("pooled" + i, 1, widths[i]);
        }
        Head head = model.head();
        layout.f32("rows", HEAD_ROWS, dModel)
                .f32("head hidden", HEAD_ROWS, head == null ? 1 : Math.max(1, head.width()));
        return layout.f32("scores", HEAD_ROWS, head == null ? 1 : head.labels());
    }

    /** Bytes that it has allocated: what its plan says. */
    public long byteSize() {
        return arena.byteSize();
    }

    /** Tokens that a batch may have at most. */
    public int maxTokens() {
        return maxTokens;
    }

    /**
     * Computes the hidden states of sequences {@code from} to {@code to} of those given, each as it would be alone.
     *
     * @param sequenceIds token ids of each sequence
     * @param typeIds types of the tokens (0 and 1 for the two texts of a pair); null for zeros
     * @throws IllegalArgumentException if a sequence is empty or longer than the model has positions, or all of them have more
     *     tokens than the session has room for
     * @throws IndexOutOfBoundsException if an id is beyond the vocabulary
     * @throws IllegalStateException if it is a model of images
     */
    public void encode(int[][] sequenceIds, int @Nullable [][] typeIds, int from, int to) {
        TokenEmbeddings tokens = model.tokens();
        if (tokens == null) {
            throw new IllegalStateException("encode: this is a model of images, not of texts");
        }
        encoded = false;
        checkCount(to - from);
        for (int b = 0; b < to - from; b++) {
            lengths[b] = sequenceIds[from + b].length;
        }
        prepare(to - from);
        int[] starts = views.starts();
        for (int b = 0; b < starts.length - 1; b++) {
            int[] sequence = sequenceIds[from + b];
            System.arraycopy(sequence, 0, ids, starts[b], sequence.length);
            if (typeIds == null) {
                Arrays.fill(types, starts[b], starts[b + 1], 0);
            } else {
                System.arraycopy(typeIds[from + b], 0, types, starts[b], sequence.length);
            }
            tokens.positions(ids, starts[b], starts[b + 1], positions);
        }
        for (PackedViews.Block block : views.blocks()) {
            tokens.forward(ops, ids, types, positions, block); //            [N, D]
        }
        for (int i = 0; i < rotaryOfBatch.length; i++) {
            ops.gather(cosTables[i], positions, 0, rotaryOfBatch[i].cos()); //   [1, N, dK / 2]
            ops.gather(sinTables[i], positions, 0, rotaryOfBatch[i].sin());
        }
        layers();
    }

    /**
     * Computes the hidden states of images.
     *
     * @param pixels of each [channels, height, width], normalised as the model wants it
     * @throws IllegalArgumentException if an image has another number of pixels than the model's, or there are too many
     * @throws IllegalStateException if it is a model of texts
     */
    public void encodeImages(float[]... pixels) {
        PatchEmbeddings patches = model.patches();
        if (patches == null) {
            throw new IllegalStateException("encodeImages: this is a model of texts, not of images");
        }
        encoded = false;
        checkCount(pixels.length);
        Arrays.fill(lengths, 0, pixels.length, patches.tokens());
        prepare(pixels.length);
        Tensor image = workspace.get("pixels");
        for (int b = 0; b < pixels.length; b++) {
            if (pixels[b].length != image.elements()) {
                throw new IllegalArgumentException("encodeImages: image " + b + " has " + pixels[b].length
                        + " values, the model takes " + image.shape());
            }
            try (Arena call = Arena.ofConfined()) {
                image.copyFrom(Tensor.copyOf(call, pixels[b], image.shape().toArray()));
            }
            patches.forward(ops, image, workspace.get("patches"), sequences[b]); //            [T, D]
        }
        layers();
    }

    private void layers() {
        see(0);
        for (int i = 0; i < model.layers().size(); i++) {
            model.layers().get(i).forward(ops, views, model.bias()); //            [N, D]
            see(i + 1);
        }
        LayerNorm last = model.finalNorm();
        if (last != null) {
            last.forward(ops, views.x(), views.x()); //                                          [N, D]
        }
        encoded = true;
    }

    private void see(int index) {
        if (trace != null) {
            trace.hiddenState(index, views.x());
        }
    }

    private void checkCount(int count) {
        if (count < 1 || count > maxTokens) {
            throw new IllegalArgumentException("encode: " + count
                    + " sequences, the session takes 1 or more with at most " + maxTokens + " tokens");
        }
    }

    /** Makes views for sequences of as many tokens as {@link #lengths} says, if the last batch had others. */
    private void prepare(int count) {
        boolean same = count == views.sequences();
        long tokens = 0;
        for (int b = 0; b < count; b++) {
            int length = lengths[b];
            if (length < 1 || length > model.config().nPositions()) {
                throw new IllegalArgumentException("encode: sequence " + b + " has " + length
                        + " tokens, the model takes 1 to " + model.config().nPositions());
            }
            same = same && length == views.length(b);
            tokens += length;
        }
        if (tokens > maxTokens) {
            throw new IllegalArgumentException(
                    "encode: " + count + " sequences of " + tokens + " tokens, the session takes at most " + maxTokens);
        }
        if (same && sequences.length == count) {
            return;
        }
        int[] starts = new int[count + 1];
        for (int b = 0; b < count; b++) {
            starts[b + 1] = starts[b] + lengths[b];
        }
        int n = starts[count];
        rotaryOfBatch = new RotaryRows[rotaryRows.length];
        Arrays.setAll(rotaryOfBatch, i -> rotaryRows[i].slice(0, n));
        views = PackedViews.of(model, workspace, starts, rotaryOfBatch);
        sequences = new Tensor[count];
        Arrays.setAll(sequences, b -> views.x().slice(0, starts[b], starts[b + 1]));
        onesOf = new Tensor[count];
        Arrays.setAll(onesOf, b -> ones.slice(1, 0, views.length(b)));
        rampOf = new Tensor[count];
        Arrays.setAll(rampOf, b -> ramp.slice(1, 0, views.length(b)));
    }

    /** Sequences in the batch. */
    public int sequences() {
        return current().sequences();
    }

    /** Hidden states of all tokens [N, D], after the final norm; valid until the next batch. */
    public Tensor hidden() {
        return current().x();
    }

    /** Hidden states [T, D] of one sequence. */
    public Tensor hidden(int sequence) {
        current();
        return sequences[sequence];
    }

    private PackedViews current() {
        if (!encoded) {
            throw new IllegalStateException("nothing has been encoded");
        }
        return views;
    }

    /**
     * Pools one sequence's hidden states into a vector.
     *
     * @param out [1, D]
     */
    public void pool(Pooling mode, int sequence, Tensor out) {
        Tensor x = hidden(sequence);
        int n = x.dim(0);
        int d = x.dim(1);
        switch (mode) {
            case CLS -> x.copyRun(0, out, 0, d);
            case LAST -> x.copyRun((n - 1L) * d, out, 0, d);
            case MEAN -> weightedSum(onesOf[sequence], x, 1f / n, out);
            case MEAN_SQRT_LENGTH -> weightedSum(onesOf[sequence], x, (float) (1 / Math.sqrt(n)), out);
            case WEIGHTED_MEAN -> weightedSum(rampOf[sequence], x, (float) (2.0 / ((double) n * (n + 1))), out);
            case MAX -> {
                float[] values = x.toFloats();
                for (int i = 0; i < d; i++) {
                    float max = Float.NEGATIVE_INFINITY;
                    for (int t = 0; t < n; t++) {
                        max = Math.max(max, values[t * d + i]);
                    }
                    out.setFloat(max, 0, i);
                }
            }
        }
    }

    private void weightedSum(Tensor weights, Tensor x, float factor, Tensor out) {
        ops.matmul(weights, x, out); //   [1, T] · [T, D] -> [1, D]
        ops.scale(factor, out, out);
    }

    /** Divides a vector [1, d] by its length, which counts as 1e-12 where it is less (torch.nn.functional.normalize). */
    public void normalize(Tensor vector) {
        normalize(vector, vector.select(0, 0));
    }

    private void normalize(Tensor row, Tensor vector) {
        double sum = 0;
        for (int i = 0; i < vector.dim(0); i++) {
            double value = vector.getFloat(i);
            sum += value * value;
        }
        ops.scale((float) (1 / Math.max(Math.sqrt(sum), 1e-12)), row, row);
    }

    /**
     * What the modules of a sentence-transformers folder make of one sequence: pooled, through dense layers, normalised.
     *
     * @return the vector [1, d], valid until the next call
     * @throws IllegalStateException if the model was loaded without such modules
     */
    public Tensor embedding(int sequence) {
        SentenceModules modules = model.sentence();
        if (modules == null) {
            throw new IllegalStateException("the model was loaded without what makes a vector of a text");
        }
        for (int i = 0; i < pooledParts.length; i++) {
            pool(modules.pooling().get(i), sequence, pooledParts[i]); //                         [1, D]
        }
        for (int i = 0; i < modules.dense().size(); i++) {
            SentenceModules.Dense layer = modules.dense().get(i);
            dense(layer.linear(), layer.activation(), pooled[i], pooled[i + 1]); //              [1, d]
        }
        int last = pooled.length - 1;
        if (modules.normalize()) {
            normalize(pooled[last], vectors[last]); //                                           [1, d]
        }
        return pooled[last];
    }

    private void dense(Linear linear, @Nullable Activation activation, Tensor x, Tensor out) {
        linear.forward(ops, x, out);
        if (activation != null) {
            ops.activate(activation, out, out);
        }
    }

    /**
     * What the pooler makes of each sequence's first token: tanh of a dense layer.
     *
     * @param out [B, D]
     * @return false where the model has no pooler
     */
    public boolean poolerOutput(Tensor out) {
        Linear pooler = model.pooler();
        if (pooler == null) {
            return false;
        }
        for (int b = 0; b < sequences(); b++) {
            dense(pooler, Activation.TANH, hidden(b).slice(0, 0, 1), out.slice(0, b, b + 1));
        }
        return true;
    }

    /**
     * Scores of the head for tokens of the batch, of which {@code rows} are the indexes in {@link #hidden()}.
     *
     * @throws IllegalStateException if the model has no head that judges tokens
     */
    public void scoreTokens(int[] rows, Scores scores) {
        Head head = head(false);
        score(head, rows.length, (row, to) -> hidden().copyRun((long) rows[row] * to.dim(1), to, 0, to.dim(1)), scores);
    }

    /**
     * Scores of the head for each sequence.
     *
     * @throws IllegalStateException if the model has no head that judges sequences
     */
    public void scoreSequences(Scores scores) {
        Head head = head(true);
        Pooling mode = head.reads() == Head.Reads.FIRST ? Pooling.CLS : Pooling.MEAN;
        Linear second = head.second();
        if (second == null) {
            score(head, sequences(), (row, to) -> pool(mode, row, to), scores);
            return;
        }
        // DeiT: the mean of what the first two tokens say.
        Tensor both = workspace.get("scores").slice(0, 0, 2);
        for (int b = 0; b < sequences(); b++) {
            head.out().forward(ops, hidden(b).slice(0, 0, 1), both.slice(0, 0, 1));
            second.forward(ops, hidden(b).slice(0, 1, 2), both.slice(0, 1, 2));
            ops.add(both.slice(0, 0, 1), both.slice(0, 1, 2), both.slice(0, 0, 1));
            ops.scale(0.5f, both.slice(0, 0, 1), both.slice(0, 0, 1));
            scores.of(b, both.select(0, 0));
        }
    }

    private interface RowSource {
        void copy(int row, Tensor to);
    }

    private void score(Head head, int count, RowSource source, Scores scores) {
        Tensor rows = workspace.get("rows");
        for (int from = 0; from < count; from += HEAD_ROWS) {
            int n = Math.min(HEAD_ROWS, count - from);
            for (int i = 0; i < n; i++) {
                source.copy(from + i, rows.slice(0, i, i + 1));
            }
            Tensor results = workspace.get("scores").slice(0, 0, n);
            head.forward(ops, rows.slice(0, 0, n), workspace.get("head hidden").slice(0, 0, n), results);
            for (int i = 0; i < n; i++) {
                scores.of(from + i, results.select(0, i));
            }
        }
    }

    private Head head(boolean ofSequences) {
        current();
        Head head = model.head();
        if (head == null || ofSequences != (head.task() == Task.CLASSIFY)) {
            throw new IllegalStateException(
                    "the model has no head that judges " + (ofSequences ? "sequences" : "tokens"));
        }
        return head;
    }

    /** Gives the memory back. Waits for nobody: a call under way on another thread fails with IllegalStateException. */
    @Override
    public void close() {
        arena.close();
        reservation.close();
    }
}
