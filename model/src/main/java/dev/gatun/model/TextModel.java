package dev.gatun.model;

import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.encoder.EncoderSession;
import dev.gatun.model.encoder.SentenceModules;
import dev.gatun.model.encoder.Task;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.text.HuggingFaceTokenizer.Encoding;
import dev.gatun.model.text.TokenizerTask;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * An encoder with its tokenizer, and sessions for those who call it at the same time: each has one to itself, which it leaves behind
 * for the next caller, so that after the first calls nothing is allocated.
 */
final class TextModel implements Shared.Resource {
    /**
     * Tokens that go through the layers together: enough that weights are read from memory seldom, few enough that what passes
     * between two products stays in the cache.
     */
    static final int BATCH_TOKENS = 2048;

    /** Small sessions are this large: short texts of any length fit. */
    private static final int MIN_SESSION = 256;

    private final EncoderModel encoder;
    private final HuggingFaceTokenizer tokenizer;
    private final int maxTokens;
    private final List<EncoderSession> idle = new ArrayList<>(); // guarded by itself

    private TextModel(EncoderModel encoder, HuggingFaceTokenizer tokenizer, int maxTokens) {
        this.encoder = encoder;
        this.tokenizer = tokenizer;
        this.maxTokens = maxTokens;
    }

    /**
     * Opens a folder for a task; {@link Task#FEATURES} is to make vectors.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format, or the model was trained for another task
     */
    static TextModel open(ModelFolder folder, Task task, Backend backend) throws IOException {
        boolean sentence = task == Task.FEATURES;
        var limit = new CompletableFuture<Integer>(); // is known when the model is there
        TokenizerTask tokenizer = TokenizerTask.start(() -> HuggingFaceTokenizer.open(folder, limit::join));
        EncoderModel encoder;
        try {
            encoder = sentence ? EncoderModel.loadSentence(folder, backend) : EncoderModel.load(folder, backend);
        } catch (Throwable e) {
            limit.cancel(false);
            tokenizer.abandon();
            throw e;
        }
        try {
            if (encoder.isOfImages() || encoder.task() != task) {
                throw new ModelFormatException(
                        folder.name() + ": a model " + (encoder.isOfImages() ? "of images" : "for " + encoder.task())
                                + ", wanted is one for " + task + " of texts");
            }
            int maxTokens = maxTokens(folder, encoder);
            limit.complete(maxTokens);
            return new TextModel(encoder, tokenizer.result(), maxTokens);
        } catch (Throwable e) {
            if (limit.cancel(false)) {
                tokenizer.abandon();
            }
            encoder.close();
            throw e;
        }
    }

    /** What the folder says of the longest text, within the model's positions. */
    private static int maxTokens(ModelFolder folder, EncoderModel encoder) throws IOException {
        int limit = encoder.config().nPositions();
        SentenceModules modules = encoder.sentence();
        if (modules != null && modules.maxTokens() > 0) {
            return Math.min(limit, modules.maxTokens());
        }
        if (folder.has("tokenizer_config.json")) {
            // Where there is no limit, transformers writes 1e30.
            double length = JsonConfig.read(folder, "tokenizer_config.json")
                    .optionalDouble("model_max_length", limit, 1, Double.MAX_VALUE);
            return (int) Math.min(limit, length);
        }
        return limit;
    }

    EncoderModel encoder() {
        return encoder;
    }

    HuggingFaceTokenizer tokenizer() {
        return tokenizer;
    }

    /** Tokens of the longest text; longer ones are cut. */
    int maxTokens() {
        return maxTokens;
    }

    /** Token ids that the weights know, or an error that says so. */
    int[] checked(int[] ids) {
        int vocab = encoder.config().vocab();
        for (int id : ids) {
            if (id < 0 || id >= vocab) {
                throw new ModelFormatException("the tokenizer gives the id " + id + ", the model's embedding has "
                        + vocab + " rows: tokenizer.json and weights do not belong together");
            }
        }
        return ids;
    }

    /** What {@code tokenize} returns; a text that cannot be tokenized is an {@link InputException} that says which. */
    static <R> R input(int index, int count, Supplier<R> tokenize) {
        try {
            return tokenize.get();
        } catch (IllegalArgumentException e) {
            throw new InputException(
                    (count == 1 ? "" : "text " + (index + 1) + " of " + count + ": ") + e.getMessage());
        }
    }

    /** Texts, or pairs, as tokens and their types. */
    record Tokens(int[][] ids, int @Nullable [][] types) {}

    /** What a model reads of encodings. */
    Tokens tokens(List<Encoding> encodings) {
        int[][] ids = new int[encodings.size()][];
        int[][] types = new int[encodings.size()][];
        boolean typed = encoder.tokenTypes() > 1;
        for (int i = 0; i < ids.length; i++) {
            ids[i] = checked(encodings.get(i).ids());
            types[i] = typed ? encodings.get(i).types() : new int[ids[i].length];
        }
        return new Tokens(ids, types);
    }

    /** Takes a session that holds the hidden states of some sequences, of which {@code first} is the first. */
    interface Batch {
        void encoded(EncoderSession session, int first);
    }

    /** Encodes sequences in their order, as many at once as are worth it. */
    void encode(Tokens tokens, Batch batch) {
        int[][] ids = tokens.ids;
        for (int from = 0; from < ids.length; ) {
            int to = from;
            long total = 0;
            while (to < ids.length && (to == from || total + ids[to].length <= BATCH_TOKENS)) {
                total += ids[to++].length;
            }
            int first = from;
            int end = to;
            use(Math.toIntExact(total), session -> {
                session.encode(ids, tokens.types, first, end);
                batch.encoded(session, first);
            });
            from = to;
        }
    }

    /** Lends a session with room for {@code tokens} tokens. */
    private void use(int tokens, Consumer<EncoderSession> call) {
        EncoderSession session = take(tokens);
        boolean done = false;
        try {
            call.accept(session);
            done = true;
        } finally {
            if (done) {
                synchronized (idle) {
                    idle.add(session);
                }
            } else {
                session.close(); // in whatever state an error has left it
            }
        }
    }

    private EncoderSession take(int tokens) {
        synchronized (idle) {
            EncoderSession best = null;
            for (EncoderSession session : idle) {
                if (session.maxTokens() >= tokens && (best == null || session.maxTokens() < best.maxTokens())) {
                    best = session;
                }
            }
            if (best != null) {
                idle.remove(best);
                return best;
            }
            if (!idle.isEmpty()) {
                idle.removeLast().close(); // too small: a larger one takes its place
            }
        }
        // The powers of two: a caller whose texts grow does not open a session for each.
        int room = Math.max(MIN_SESSION, Integer.highestOneBit(Math.max(1, tokens - 1)) << 1);
        return encoder.newSession(Math.max(tokens, room));
    }

    /** Closes what is idle, the tokenizer and the model: nobody may be using it. */
    @Override
    public void close() {
        synchronized (idle) {
            idle.forEach(EncoderSession::close);
            idle.clear();
        }
        tokenizer.close();
        encoder.close();
    }
}
