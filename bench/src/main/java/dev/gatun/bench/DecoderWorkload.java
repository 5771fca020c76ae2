package dev.gatun.bench;

import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.UncheckedIOException;

/** A {@link Op.Decoder} by our decoder, as it would generate. */
final class DecoderWorkload implements Library.Workload {
    /** Of the prompt: bench/peers has the same rule, in {@code prompt} of common.py. */
    private static final int FIRST_ID = 1000;

    private static final int STRIDE = 7919;
    private static final int SPAN = 40_000;

    private final Op.Decoder op;
    private final Backend backend;
    private final DecoderModel model;
    private final DecoderSession session;
    private final Sequence sequence;
    private final int[] prompt;

    private DecoderWorkload(Op.Decoder op, Backend backend, DecoderModel model) {
        this.op = op;
        this.backend = backend;
        this.model = model;
        int prompted = op.phase() == Op.Phase.PREFILL ? op.tokens() : Op.Decoder.PROMPT;
        int vocab = model.decoder().config().vocab();
        int nCtx = Math.min(
                Op.Decoder.PROMPT + op.tokens(), model.decoder().config().nPositions());
        prompt = prompt(prompted, vocab);
        session = model.decoder().newSession(SessionSize.forOne(nCtx));
        sequence = session.newSequence();
        if (op.phase() == Op.Phase.DECODE) {
            session.prefill(sequence, prompt, 0, prompted);
        }
    }

    static DecoderWorkload open(Op.Decoder op, Backend.Options options) {
        Backend backend = Backend.open(options.withThreads(op.threads()));
        try (GgufModel file = GgufModel.open(op.file())) {
            DecoderModel model = DecoderModel.load(file, backend, WeightFormat.AS_STORED);
            try {
                return new DecoderWorkload(op, backend, model);
            } catch (Throwable e) {
                model.close();
                throw e;
            }
        } catch (IOException e) {
            backend.close();
            throw new UncheckedIOException(op.file() + " cannot be read", e);
        } catch (Throwable e) {
            backend.close();
            throw e;
        }
    }

    private static int[] prompt(int tokens, int vocab) {
        int[] ids = new int[tokens];
        for (int i = 0; i < tokens; i++) {
            ids[i] = (FIRST_ID + i * STRIDE % SPAN) % vocab;
        }
        return ids;
    }

    @Override
    public void run() {
        if (op.phase() == Op.Phase.PREFILL) {
            session.truncate(sequence, 0);
            session.prefill(sequence, prompt, 0, prompt.length);
            session.argMax(0);
        } else {
            session.truncate(sequence, prompt.length);
            int id = prompt[0];
            for (int i = 0; i < op.tokens(); i++) {
                session.decode(sequence, id);
                id = session.argMax(0);
            }
        }
    }

    @Override
    public void close() {
        session.close();
        model.close();
        backend.close();
    }
}
