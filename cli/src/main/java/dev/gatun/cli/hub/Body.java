package dev.gatun.cli.hub;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow.Subscription;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The body of an answer as it comes, one part asked for at a time. HttpClient's time limit ends with the headers and its stream waits
 * for ever; this one gives up on a server that has gone quiet. For one reader; whoever asked closes it.
 */
final class Body implements BodySubscriber<Body>, AutoCloseable {
    private sealed interface Event {}

    private record Part(List<ByteBuffer> buffers) implements Event {}

    private record End(@Nullable Throwable error) implements Event {}

    private final Duration stall;
    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>(); // two at most: a part and the end
    private final CompletableFuture<Subscription> subscription = new CompletableFuture<>();
    private final Deque<ByteBuffer> buffers = new ArrayDeque<>();
    private boolean ended;

    Body(Duration stall) {
        this.stall = stall;
    }

    @Override
    public CompletionStage<Body> getBody() {
        return CompletableFuture.completedFuture(this); // when the headers are there
    }

    @Override
    public void onSubscribe(Subscription to) {
        subscription.complete(to);
        to.request(1);
    }

    @Override
    public void onNext(List<ByteBuffer> part) {
        events.add(new Part(part));
    }

    @Override
    public void onError(Throwable error) {
        events.add(new End(error));
    }

    @Override
    public void onComplete() {
        events.add(new End(null));
    }

    /**
     * The next bytes, at least one; null at the end.
     *
     * @throws IOException if the connection has broken, or nothing came for too long
     */
    @Nullable
    ByteBuffer next() throws IOException {
        while (buffers.isEmpty()) {
            if (ended) {
                return null;
            }
            switch (take()) {
                case Part part -> {
                    for (ByteBuffer buffer : part.buffers) {
                        if (buffer.hasRemaining()) {
                            buffers.add(buffer);
                        }
                    }
                    subscription.join().request(1);
                }
                case End end -> {
                    ended = true;
                    if (end.error != null) {
                        throw new IOException("the connection has broken: " + end.error.getMessage(), end.error);
                    }
                }
            }
        }
        return buffers.remove();
    }

    private Event take() throws IOException {
        try {
            Event event = events.poll(stall.toMillis(), TimeUnit.MILLISECONDS);
            if (event == null) {
                throw new IOException("nothing has come for " + stall.toMillis() / 1000.0 + " s");
            }
            return event;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            var interrupted = new InterruptedIOException("interrupted while reading from a server");
            interrupted.initCause(e);
            throw interrupted;
        }
    }

    /** Gives up what has not been read. */
    @Override
    public void close() {
        var _ = subscription.thenAccept(Subscription::cancel);
    }
}
