package dev.gatun.bench;

import dev.gatun.model.generate.BeamSearch;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.GreedySearch;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.transformer.TransformerSession;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.UncheckedIOException;

/** A {@link Op.Translate} by our encoder-decoder. */
final class Seq2SeqWorkload implements Library.Workload {
    /** Of the sources: bench/peers has the same rule, in {@code sources} of seq2seq.py. */
    private static final long SOURCE_STRIDE = 104_729;

    private static final long TOKEN_STRIDE = 7919;
    private static final int FIRST_WORD = 2; // after the end, and the unknown word

    private final Backend backend;
    private final Seq2SeqModel model;
    private final TransformerSession session;
    private final GenerationConfig generation;
    private final int[][] sources;

    private Seq2SeqWorkload(Op.Translate op, Backend backend, Seq2SeqModel model) {
        this.backend = backend;
        this.model = model;
        // The end comes where it has to and not before: who computes the same makes as many tokens.
        this.generation = model.generation().withBeams(op.beams()).withTokens(op.target(), op.target());
        this.sources = sources(op, model.transformer().config().vocab() - 1); // the last id is padding
        this.session =
                model.transformer().newSession(new SessionSize(op.batch(), op.beams(), op.source(), op.target(), 1));
    }

    /**
     * Opens a folder.
     *
     * @throws UncheckedIOException if it cannot be read
     * @throws dev.gatun.model.weights.ModelFormatException if it is no encoder-decoder
     */
    static Seq2SeqWorkload open(Op.Translate op, Backend.Options options) {
        Backend backend = Backend.open(options.withThreads(op.threads()));
        try {
            Seq2SeqModel model = Seq2SeqModel.load(ModelFolder.of(op.folder()), backend);
            try {
                return new Seq2SeqWorkload(op, backend, model);
            } catch (Throwable e) {
                model.close();
                throw e;
            }
        } catch (IOException e) {
            backend.close();
            throw new UncheckedIOException(op.folder() + " cannot be read", e);
        } catch (Throwable e) {
            backend.close();
            throw e;
        }
    }

    private static int[][] sources(Op.Translate op, int vocab) {
        int[][] sources = new int[op.batch()][op.source()];
        for (int b = 0; b < sources.length; b++) {
            for (int i = 0; i < op.source() - 1; i++) {
                sources[b][i] = FIRST_WORD + (int) ((b * SOURCE_STRIDE + i * TOKEN_STRIDE) % (vocab - FIRST_WORD));
            }
        }
        return sources;
    }

    @Override
    public void run() {
        translate();
    }

    /** The best target of each source. */
    int[][] translate() {
        session.encode(sources);
        return generation.beams() == 1
                ? new GreedySearch(generation).run(session)
                : new BeamSearch(generation)
                        .run(session).stream()
                                .map(best -> best.getFirst().ids())
                                .toArray(int[][]::new);
    }

    @Override
    public void close() {
        session.close();
        model.close();
        backend.close();
    }
}
