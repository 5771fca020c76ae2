package dev.gatun.model;

import dev.gatun.model.generate.BeamSearch;
import dev.gatun.model.generate.BeamSearch.Hypothesis;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.GreedySearch;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.text.TargetTokenizer;
import dev.gatun.model.transformer.Input;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.transformer.TransformerSession;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * An encoder-decoder with its tokenizer: texts in, texts out. Texts go through in batches of similar lengths, the longest first; each
 * result is what it is alone. Sessions stay behind for the next caller.
 */
final class Seq2SeqText implements AutoCloseable {
    /** Tokens of a batch's sources: products are large enough, and memory does not grow with the texts that there are. */
    private static final int SOURCE_TOKENS = 2048;

    /** Hypotheses of a batch: as many again would not make products faster. */
    private static final int HYPOTHESES = 128;

    private final Seq2SeqModel model;
    private final TargetTokenizer tokenizer;
    private final List<TransformerSession> idle = new ArrayList<>(); // guarded by itself

    private Seq2SeqText(Seq2SeqModel model, TargetTokenizer tokenizer) {
        this.model = model;
        this.tokenizer = tokenizer;
    }

    static Seq2SeqText open(ModelFolder folder, Backend backend) throws IOException {
        Seq2SeqModel model = Seq2SeqModel.load(folder, backend);
        try {
            if (!(model.transformer().encoder().input() instanceof Input input)) {
                throw new ModelFormatException(
                        folder.name() + ": a model of type " + model.type() + " reads sound, no text; see transcribe");
            }
            int targetVocab = model.transformer().config().vocab();
            return new Seq2SeqText(
                    model, TargetTokenizer.open(folder, input.embedding().size(), targetVocab));
        } catch (Throwable e) {
            model.close();
            throw e;
        }
    }

    Seq2SeqModel model() {
        return model;
    }

    TargetTokenizer tokenizer() {
        return tokenizer;
    }

    /** Tokens that a source may have. */
    int nPositions() {
        return model.transformer().config().nSource();
    }

    /**
     * A text's ids.
     *
     * @throws InputException if the model does not have that many positions
     */
    int[] tokenize(String text) {
        int[] ids = tokenizer.encode(text);
        if (ids.length > nPositions()) {
            throw new InputException("text of " + text.length() + " characters has " + ids.length
                    + " tokens, the model takes at most " + nPositions());
        }
        return ids;
    }

    /**
     * The id of a language's code.
     *
     * @throws InputException if the model does not know it
     */
    int languageId(String code) {
        try {
            return tokenizer.languageId(code);
        } catch (IllegalArgumentException e) {
            throw new InputException(String.valueOf(e.getMessage()));
        }
    }

    /**
     * What a model makes of sources.
     *
     * @param done told how many more sources are done, from time to time
     * @return for each source its targets, best first: as many as beams; one without beam search, of which no score is known
     */
    List<List<Hypothesis>> generate(
            List<int[]> sources, GenerationConfig generation, Sampling sampling, IntConsumer done) {
        int nTarget =
                Math.min(generation.maxTokens(), model.transformer().config().nTarget());
        GenerationConfig limited = generation.withMaxTokens(nTarget);
        int beams = generation.beams();
        int[] order = IntStream.range(0, sources.size())
                .boxed()
                .sorted(Comparator.comparingInt((Integer i) -> -sources.get(i).length))
                .mapToInt(Integer::intValue)
                .toArray();
        List<List<Hypothesis>> results = new ArrayList<>(java.util.Collections.nCopies(order.length, List.of()));
        int most = Math.max(1, HYPOTHESES / beams);
        for (int from = 0; from < order.length; ) {
            int longest = sources.get(order[from]).length;
            int count = Math.clamp(SOURCE_TOKENS / longest, 1, Math.min(most, order.length - from));
            int[][] batch = new int[count][];
            for (int i = 0; i < count; i++) {
                batch[i] = sources.get(order[from + i]);
            }
            List<List<Hypothesis>> targets = generate(batch, limited, sampling);
            for (int i = 0; i < count; i++) {
                results.set(order[from + i], targets.get(i));
            }
            from += count;
            done.accept(count);
        }
        return results;
    }

    private List<List<Hypothesis>> generate(int[][] batch, GenerationConfig config, Sampling sampling) {
        TransformerSession session = take(size(batch, config));
        boolean done = false;
        try {
            session.encode(batch);
            List<List<Hypothesis>> targets = config.beams() > 1
                    ? new BeamSearch(config).run(session)
                    : Arrays.stream(new GreedySearch(config, sampling).run(session))
                            .map(ids -> List.of(new Hypothesis(ids, Float.NaN)))
                            .toList();
            done = true;
            return targets;
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

    /** Rounded up to powers of two, so that a session serves batches that are a little different. */
    private SessionSize size(int[][] batch, GenerationConfig config) {
        int longest = Arrays.stream(batch).mapToInt(ids -> ids.length).max().orElse(1);
        int nSource = Math.min(nPositions(), powerOfTwo(longest));
        int most = Math.max(1, HYPOTHESES / config.beams());
        int count = Math.min(most, powerOfTwo(batch.length));
        int tokens = Math.max(nSource, powerOfTwo(batch.length * longest));
        return new SessionSize(count, config.beams(), nSource, tokens, config.maxTokens(), 1);
    }

    private static int powerOfTwo(int n) {
        return n <= 1 ? 1 : Integer.highestOneBit(n - 1) << 1;
    }

    private TransformerSession take(SessionSize size) {
        synchronized (idle) {
            for (int i = 0; i < idle.size(); i++) {
                if (covers(idle.get(i).size(), size)) {
                    return idle.remove(i);
                }
            }
            if (!idle.isEmpty()) {
                idle.removeLast().close(); // too small: a larger one takes its place
            }
        }
        return model.transformer().newSession(size);
    }

    private static boolean covers(SessionSize there, SessionSize wanted) {
        return there.beams() == wanted.beams()
                && there.batch() >= wanted.batch()
                && there.nSource() >= wanted.nSource()
                && there.sourceTokens() >= wanted.sourceTokens()
                && there.nTarget() >= wanted.nTarget();
    }

    /** Closes what is idle, the tokenizer and the model: nobody may be using it. */
    @Override
    public void close() {
        synchronized (idle) {
            idle.forEach(TransformerSession::close);
            idle.clear();
        }
        tokenizer.close();
        model.close();
    }
}
