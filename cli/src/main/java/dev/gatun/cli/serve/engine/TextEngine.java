package dev.gatun.cli.serve.engine;

import dev.gatun.model.InputException;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.decoder.Decoder;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.generate.Continuation;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.nn.PagedKvCache;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Generates texts for any number of callers at once: a thread of its own takes those that wait into a batch as there is room, and runs
 * its steps. What a text says does not depend on who shares its batch; with the vector and scalar backends the bits are the same.
 * Thread-safe.
 */
public final class TextEngine implements AutoCloseable {
    /**
     * What an engine takes.
     *
     * @param texts that grow at once at most
     * @param nCtx tokens of a text, its prompt included
     * @param positions of tokens that all of them have keys and values for, rounded up to pages
     * @param waiting texts that wait at most, beside those that grow
     */
    public record Size(int texts, int nCtx, int positions, int waiting) {
        /** The session that it opens. */
        public SessionSize session() {
            int pages = Math.max(PagedKvCache.pagesOf(positions), PagedKvCache.pagesOf(nCtx));
            int chunk = Math.max(texts, Math.min(nCtx, Decoder.DEFAULT_CHUNK));
            return new SessionSize(texts, nCtx, chunk, texts, pages);
        }
    }

    /**
     * What is going on.
     *
     * @param active texts that grow
     * @param waiting texts that wait for their turn
     * @param pages of keys and values that there are
     * @param freePages of these that nobody has
     */
    public record State(int active, int waiting, int pages, int freePages) {}

    private static final double NEWEST = 0.1;

    private final TextGenerator generator;
    private final Size size;
    private final int pages;
    private final RunningBatch batch; // of the thread
    private final Thread thread;
    private final EngineObserver observer;

    // Guarded by waiting.
    private final Deque<Job> waiting = new ArrayDeque<>();
    private boolean closed;
    private boolean draining;
    private int active;
    private int freePages;
    private double secondsPerText; // from one that ends to the next

    private TextEngine(String name, TextGenerator generator, Size size, RunningBatch batch, EngineObserver observer) {
        this.generator = generator;
        this.size = size;
        this.pages = size.session().pages();
        this.batch = batch;
        this.observer = observer;
        this.freePages = pages;
        this.thread = Thread.ofPlatform().name("gatun-engine-" + name).daemon().unstarted(this::run);
    }

    /**
     * Starts one. The caller closes it, before the generator.
     *
     * @param name for people who look at threads
     * @param observer is told what happens
     * @throws IllegalArgumentException if a size is not positive, or nCtx beyond the model's positions
     */
    public static TextEngine start(String name, TextGenerator generator, Size size, EngineObserver observer) {
        Decoder decoder = generator.decoder();
        int threads = decoder.backend().threads();
        RunningBatch batch =
                new RunningBatch(decoder.newSession(size.session(), generator.cacheSettings()), threads, observer);
        TextEngine engine = new TextEngine(name, generator, size, batch, observer);
        engine.thread.start();
        return engine;
    }

    /** The model. */
    public TextGenerator generator() {
        return generator;
    }

    /** What it takes. */
    public Size size() {
        return size;
    }

    /** What is going on. */
    public State state() {
        synchronized (waiting) {
            return new State(active, waiting.size(), pages, freePages);
        }
    }

    /**
     * Asks for a text.
     *
     * @param prompt ids, at least one
     * @param settings whose {@code maxTokens} the context may cut short; they must not guess
     * @param alternatives ids to name beside each token, 0 for none; where the settings ask for log-probabilities
     * @throws InputException if the prompt is empty or leaves no room
     * @throws BusyException if too many texts wait
     * @throws IllegalStateException if the engine ends
     * @throws dev.gatun.model.constrain.ConstraintException if the vocabulary cannot meet the settings' constraint
     */
    public GeneratedText submit(int[] prompt, Settings settings, int alternatives) {
        if (settings.guesses() > 0) {
            throw new IllegalArgumentException("an engine does not guess ahead, it has other texts to compute");
        }
        int room = size.nCtx - prompt.length;
        if (prompt.length < 1 || room < 1) {
            throw new InputException("prompt of " + prompt.length + " tokens: it has to be 1 to " + (size.nCtx - 1)
                    + ", to leave room for one at least of the " + size.nCtx + " of the context");
        }
        checkRoom(); // before work is done for nothing
        var text = new GeneratedText();
        int limit = Math.min(room, settings.maxTokens());
        Continuation continuation = generator.newContinuation(prompt, limit, settings, text::add);
        Job job = new Job(text, continuation, settings.logProbabilities() ? alternatives : -1);
        if (continuation.complete()) { // only the empty text will do
            job.start(observer, 0);
            job.finish();
            return text;
        }
        synchronized (waiting) {
            checkRoom();
            waiting.add(job);
            waiting.notifyAll();
        }
        return text;
    }

    private void checkRoom() {
        synchronized (waiting) {
            if (closed || draining) {
                throw new IllegalStateException("the engine ends");
            }
            if (active + waiting.size() >= size.texts + size.waiting) {
                int seconds = (int) Math.min(60, Math.max(1, Math.ceil(secondsPerText * waiting.size())));
                throw new BusyException(
                        waiting.size() + " texts wait already, beside " + active + " that are written", seconds);
            }
        }
    }

    private void run() {
        try {
            long lastEnd = System.nanoTime();
            while (admit()) {
                int before = batch.size();
                try {
                    batch.step();
                } catch (RuntimeException | OutOfMemoryError e) {
                    batch.failAll(new IllegalStateException("the engine has failed: " + e, e));
                }
                int ended = before - batch.size();
                if (ended > 0) {
                    long now = System.nanoTime();
                    double each = (now - lastEnd) / 1e9 / ended;
                    lastEnd = now;
                    synchronized (waiting) {
                        secondsPerText = (1 - NEWEST) * secondsPerText + NEWEST * each;
                    }
                }
            }
        } finally {
            batch.failAll(new IllegalStateException("the engine ends"));
            synchronized (waiting) {
                closed = true;
                for (Job job : waiting) {
                    job.fail(new IllegalStateException("the engine ends"));
                    job.finish();
                }
                waiting.clear();
                active = 0;
                waiting.notifyAll();
            }
            batch.close();
        }
    }

    /** Takes in what there is room for, and waits if there is nothing to do; false if the end has come. */
    @SuppressWarnings("GuardedBy") // held
    private boolean admit() {
        synchronized (waiting) {
            while (true) {
                waiting.removeIf(job -> {
                    boolean cancelled = job.text().isCancelled();
                    if (cancelled) {
                        job.cancel();
                    }
                    return cancelled;
                });
                while (!waiting.isEmpty() && batch.admit(waiting.getFirst())) {
                    waiting.removeFirst();
                }
                active = batch.size();
                freePages = batch.freePages();
                waiting.notifyAll(); // for who waits until all is done
                if (closed) {
                    return false;
                }
                if (active > 0) {
                    return true;
                }
                try {
                    waiting.wait();
                } catch (InterruptedException e) {
                    closed = true; // nobody but close interrupts it
                }
            }
        }
    }

    /** Takes no more texts, and waits for those it has, so long at most; whether they are all done. */
    public boolean drain(Duration atMost) throws InterruptedException {
        long deadline = System.nanoTime() + atMost.toNanos();
        synchronized (waiting) {
            draining = true;
            while (!closed && (active > 0 || !waiting.isEmpty())) {
                long left = (deadline - System.nanoTime()) / 1_000_000;
                if (left <= 0) {
                    return false;
                }
                waiting.wait(left);
            }
            return true;
        }
    }

    /** Ends after the step under way; texts that are not done fail. */
    @Override
    public void close() {
        synchronized (waiting) {
            closed = true;
            waiting.notifyAll();
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
