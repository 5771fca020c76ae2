package dev.gatun.cli.serve.engine;

import dev.gatun.cli.serve.engine.GeneratedText.Token;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.generate.Continuation;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/** A text on its way through an engine. */
final class Job {
    private final GeneratedText text;
    private final Continuation continuation;
    private final int alternatives; // that are named beside each token; -1 for no log-probabilities at all
    private final int promptTokens;
    private final long asked = System.nanoTime();
    private @Nullable Sequence sequence; // while it is in a batch
    private boolean started;
    private long lastToken; // time of it
    private long firstNanos;
    private boolean ended;
    private @Nullable RuntimeException failure;

    Job(GeneratedText text, Continuation continuation, int alternatives) {
        this.text = text;
        this.continuation = continuation;
        this.alternatives = alternatives;
        this.promptTokens = continuation.total();
    }

    GeneratedText text() {
        return text;
    }

    /** Ids of the prompt and the text; the first {@link #total} of this. */
    int[] ids() {
        return continuation.ids();
    }

    int total() {
        return continuation.total();
    }

    int promptTokens() {
        return promptTokens;
    }

    @Nullable
    Sequence sequenceOrNull() {
        return sequence;
    }

    Sequence sequence() {
        if (sequence == null) {
            throw new IllegalStateException("the text is in no batch");
        }
        return sequence;
    }

    void join(Sequence own) {
        sequence = own;
    }

    void leave() {
        sequence = null;
    }

    /** Ids whose keys and values are not in the cache: 1 if all it takes to go on is to decode. */
    int remaining() {
        return continuation.total() - sequence().length();
    }

    /** Says that its turn has come; once. */
    void start(EngineObserver observer, int knownTokens) {
        if (!started) {
            started = true;
            text.start(knownTokens);
            observer.started(System.nanoTime() - asked, promptTokens, knownTokens);
        }
    }

    boolean pickingIsWork() {
        return continuation.pickingIsWork();
    }

    /** Picks what the logits say and takes it; afterwards the text may have {@link #isOver ended}. */
    void advance(DecoderSession session, int row, EngineObserver observer) {
        try {
            int id = continuation.pick(session, row);
            int before = continuation.length();
            ended = !continuation.take(id);
            long now = System.nanoTime();
            if (lastToken == 0) {
                firstNanos = now - asked;
                observer.firstToken(firstNanos);
            } else {
                observer.nextToken(now - lastToken);
            }
            lastToken = now;
            if (alternatives >= 0 && continuation.length() > before) {
                text.add(new Token(
                        id,
                        continuation.logProbability(),
                        alternatives == 0 ? List.of() : continuation.mostProbable(alternatives)));
            }
        } catch (RuntimeException e) { // of this text alone: numbers that are none, say
            failure = e;
        }
    }

    int lastId() {
        return continuation.ids()[continuation.total() - 1];
    }

    void fail(RuntimeException cause) {
        failure = cause;
    }

    /** Nobody waits for it any more; but if somebody still looks, that is how it ended. */
    void cancel() {
        text.fail(new CancellationException("cancelled"));
    }

    boolean isOver() {
        return ended || failure != null;
    }

    /** Tells whoever waits. */
    void finish() {
        if (failure != null) {
            text.fail(failure);
        } else {
            text.end(continuation.result(firstNanos, lastToken == 0 ? 0 : lastToken - asked - firstNanos));
        }
    }
}
