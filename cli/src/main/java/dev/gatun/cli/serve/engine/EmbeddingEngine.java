package dev.gatun.cli.serve.engine;

import dev.gatun.model.TextEmbedder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Makes vectors for any number of callers at once: what they ask for within a few milliseconds goes through the model together, a
 * budget of tokens at a time, to which callers add texts in turn; so one text need not wait for all of a thousand. A vector is the one
 * that its text has alone. Thread-safe.
 */
public final class EmbeddingEngine implements AutoCloseable {
    /** Tokens that go through the model together. */
    static final int BUDGET = 2048;

    /** How long the first waits for others. */
    private static final Duration WINDOW = Duration.ofMillis(2);

    /** What one caller waits for. Its fields are guarded by the engine's lock. */
    private static final class Request {
        final int[][] ids;
        final float[][] vectors;
        int taken; // texts that a batch has
        int done;
        boolean abandoned;

        @Nullable
        RuntimeException failure;

        Request(int[][] ids) {
            this.ids = ids;
            this.vectors = new float[ids.length][];
        }
    }

    private record Text(Request request, int index) {}

    private final TextEmbedder embedder;
    private final long maxWaiting;
    private final Thread thread;
    private final Object lock = new Object();
    private final List<Request> requests = new ArrayList<>(); // with texts that no batch has; guarded by lock
    private long waitingTokens; // guarded by lock
    private boolean closed; // guarded by lock

    private EmbeddingEngine(String name, TextEmbedder embedder, long maxWaiting) {
        this.embedder = embedder;
        this.maxWaiting = maxWaiting;
        this.thread =
                Thread.ofPlatform().name("gatun-embeddings-" + name).daemon().unstarted(this::run);
    }

    /**
     * Starts one; the caller closes it, before the embedder.
     *
     * @param maxWaiting tokens that wait at most; a request alone may have more
     */
    public static EmbeddingEngine start(String name, TextEmbedder embedder, long maxWaiting) {
        EmbeddingEngine engine = new EmbeddingEngine(name, embedder, maxWaiting);
        engine.thread.start();
        return engine;
    }

    /** The model. */
    public TextEmbedder embedder() {
        return embedder;
    }

    /** Tokens that wait. */
    public long waitingTokens() {
        synchronized (lock) {
            return waitingTokens;
        }
    }

    /**
     * The vectors of texts.
     *
     * @param ids of each text, as {@link TextEmbedder#tokenize} has them
     * @param atMost how long to wait
     * @return null if the time is up; the work then stops
     * @throws BusyException if too many tokens wait
     * @throws IllegalStateException after close
     */
    public float @Nullable [][] embed(int[][] ids, Duration atMost) throws InterruptedException {
        Request request = new Request(ids);
        long tokens = 0;
        for (int[] text : ids) {
            tokens += text.length;
        }
        long deadline = System.nanoTime() + atMost.toNanos();
        synchronized (lock) {
            if (closed) {
                throw new IllegalStateException("the engine ends");
            }
            if (waitingTokens > 0 && waitingTokens + tokens > maxWaiting) {
                throw new BusyException("texts of " + waitingTokens + " tokens wait already", 1);
            }
            waitingTokens += tokens;
            requests.add(request);
            lock.notifyAll();
            try {
                while (request.done < ids.length && request.failure == null) {
                    long left = deadline - System.nanoTime();
                    if (left <= 0) {
                        return null;
                    }
                    TimeUnit.NANOSECONDS.timedWait(lock, left);
                }
            } finally {
                request.abandoned = true;
            }
            if (request.failure != null) {
                throw request.failure;
            }
            return request.vectors;
        }
    }

    private void run() {
        List<Text> batch = new ArrayList<>();
        while (gather(batch)) {
            int[][] ids =
                    batch.stream().map(text -> text.request.ids[text.index]).toArray(int[][]::new);
            float[][] vectors = null;
            RuntimeException failure = null;
            try {
                vectors = embedder.embedTokens(ids);
            } catch (RuntimeException e) {
                failure = e;
            } catch (OutOfMemoryError e) {
                failure = new IllegalStateException(e);
            }
            synchronized (lock) {
                for (int i = 0; i < ids.length; i++) {
                    Text text = batch.get(i);
                    if (vectors != null) {
                        text.request.vectors[text.index] = vectors[i];
                        text.request.done++;
                    } else {
                        text.request.failure = failure;
                        text.request.abandoned = true;
                    }
                }
                lock.notifyAll();
            }
        }
    }

    /** Waits for texts and fills a batch; false if the end has come. */
    private boolean gather(List<Text> batch) {
        batch.clear();
        synchronized (lock) {
            try {
                while (requests.isEmpty() && !closed) {
                    lock.wait();
                }
                long deadline = System.nanoTime() + WINDOW.toNanos();
                for (long left = WINDOW.toNanos(); left > 0 && waitingTokens < BUDGET && !closed; ) {
                    TimeUnit.NANOSECONDS.timedWait(lock, left);
                    left = deadline - System.nanoTime();
                }
            } catch (InterruptedException e) {
                closed = true; // nobody but close interrupts it
            }
            if (closed) {
                for (Request request : requests) {
                    request.failure = new IllegalStateException("the engine ends");
                }
                requests.clear();
                lock.notifyAll();
                return false;
            }
            int tokens = 0;
            while (!requests.isEmpty() && tokens < BUDGET) {
                for (Iterator<Request> i = requests.iterator(); i.hasNext() && tokens < BUDGET; ) {
                    Request request = i.next();
                    if (request.abandoned) {
                        for (; request.taken < request.ids.length; request.taken++) {
                            waitingTokens -= request.ids[request.taken].length;
                        }
                    } else if (request.taken < request.ids.length) {
                        int length = request.ids[request.taken].length;
                        batch.add(new Text(request, request.taken++));
                        waitingTokens -= length;
                        tokens += length;
                    }
                    if (request.taken == request.ids.length) {
                        i.remove();
                    }
                }
            }
            return true;
        }
    }

    /** Ends after the batch under way; callers that wait get IllegalStateException. */
    @Override
    public void close() {
        synchronized (lock) {
            closed = true;
            lock.notifyAll();
        }
        EngineThreads.join(thread);
    }
}
