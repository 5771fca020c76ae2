package dev.gatun.ops.internal;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A fixed set of threads that work on the tiles of one task at a time, together with the caller. Any thread may call {@link
 * #run}, also several at once and virtual ones: who finds the workers busy with another caller's task does its own alone, so
 * there is no queue, no deadlock and never more running threads than callers plus workers. Running allocates nothing.
 *
 * <p>Which thread takes which tile is left open; a task whose tiles write apart gives the same result in any case. A tile that
 * calls {@link #run} itself has its tiles done by its own thread.
 */
public final class WorkerPool implements AutoCloseable {
    /** Work that is cut into tiles 0 .. n-1, each done once, in any order, on any thread. */
    public interface Task {
        /**
         * Does one tile.
         *
         * @param tile which one
         * @param worker which thread, 0 (the caller) to threads - 1: an index to scratch memory
         */
        void run(int tile, int worker);
    }

    private final Crew crew;
    private final int threads;

    /**
     * Starts {@code threads} - 1 daemon threads.
     *
     * @throws IllegalArgumentException unless threads is 1 to 1024
     */
    public WorkerPool(int threads) {
        if (threads < 1 || threads > 1024) {
            throw new IllegalArgumentException("threads " + threads + ": must be 1 to 1024");
        }
        this.threads = threads;
        this.crew = new Crew(threads - 1);
    }

    private WorkerPool(Crew crew, int threads) {
        this.crew = crew;
        this.threads = threads;
    }

    /**
     * The same workers, of which no more than {@code most} - 1 take part with the caller. Needs no closing of its own.
     *
     * @throws IllegalArgumentException if most is less than 1
     */
    public WorkerPool limitedTo(int most) {
        if (most < 1) {
            throw new IllegalArgumentException("threads " + most + ": must be at least 1");
        }
        return most >= threads ? this : new WorkerPool(crew, most);
    }

    /** Threads that take part in a task, the caller's included. */
    public int threads() {
        return threads;
    }

    /**
     * Does all tiles and returns when they are done. The first exception of a tile is thrown here after the others have ended;
     * tiles not begun by then are left out.
     */
    public void run(Task task, int tiles) {
        if (tiles <= 1 || threads == 1 || !crew.run(task, tiles, threads)) {
            for (int tile = 0; tile < tiles; tile++) {
                task.run(tile, 0);
            }
        }
    }

    /** Ends the threads. A task that is running is finished first; one that starts later runs on its caller alone. */
    @Override
    public void close() {
        crew.close();
    }

    /** The threads and the one task that they may be at. */
    private static final class Crew {
        /**
         * How long an idle worker looks for a new task before it parks: longer than the gap between two operators of a model.
         * Who looks sees a task within 1 us; to unpark costs the caller 5 to 12 us, and the worker is there 30 us later.
         */
        private static final long SPIN_NANOS = 50_000;

        /** Looks between two readings of the clock; one, a pause, takes 50 ns on an Ice Lake. */
        private static final int LOOKS = 64;

        private final Worker[] workers;
        private final AtomicBoolean busy = new AtomicBoolean();
        private final AtomicInteger next = new AtomicInteger();
        private final AtomicInteger joined = new AtomicInteger();
        private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        private final AtomicInteger tasks = new AtomicInteger(); // rises by one a task: what idle workers watch
        private volatile boolean open;
        private volatile boolean closed;
        private @Nullable Task task; // this one, and the next two, are published by open
        private int tiles;
        private int threads;

        Crew(int size) {
            workers = new Worker[size];
            for (int i = 0; i < size; i++) {
                workers[i] = new Worker(i + 1);
                workers[i].start();
            }
        }

        /** Does all tiles and returns true; or false, having done nothing, if the workers are not to be had. */
        @SuppressWarnings("ThreadPriorityCheck") // yields only where threads outnumber cores
        boolean run(Task newTask, int newTiles, int newThreads) {
            if (closed || !busy.compareAndSet(false, true)) {
                return false;
            }
            Throwable thrown;
            try {
                task = newTask;
                tiles = newTiles;
                threads = newThreads;
                failure.set(null);
                next.set(0);
                open = true;
                tasks.incrementAndGet();
                for (int i = 0; i < newThreads - 1 && i < newTiles - 1; i++) {
                    workers[i].wake();
                }
                takeTiles(0);
            } finally {
                open = false;
                // A worker adds itself to joined before it looks at open: once joined is 0 nobody is inside or will
                // come in.
                for (int look = 0; joined.get() != 0; look++) {
                    if (look < 1000) {
                        Thread.onSpinWait();
                    } else {
                        Thread.yield(); // more threads than cores: let the last worker finish its tile
                    }
                }
                task = null;
                thrown = failure.get();
                busy.set(false);
            }
            if (thrown instanceof RuntimeException exception) {
                throw exception;
            } else if (thrown instanceof Error error) {
                throw error;
            }
            return true;
        }

        private void takeTiles(int worker) {
            Task mine = task;
            int count = tiles;
            try {
                for (int tile = next.getAndIncrement(); tile < count && mine != null; tile = next.getAndIncrement()) {
                    mine.run(tile, worker);
                }
            } catch (RuntimeException | Error thrown) {
                failure.compareAndSet(null, thrown);
                next.set(count);
            }
        }

        void close() {
            closed = true;
            for (Worker worker : workers) {
                LockSupport.unpark(worker);
            }
        }

        private final class Worker extends Thread {
            private final int index;
            private volatile boolean parked;

            Worker(int index) {
                super("gatun-worker-" + index);
                this.index = index;
                setDaemon(true);
            }

            void wake() {
                if (parked) {
                    LockSupport.unpark(this);
                }
            }

            @Override
            public void run() {
                int seen = 0;
                while (!closed) {
                    seen = awaitTask(seen);
                    joined.incrementAndGet();
                    try {
                        if (open && index < threads) {
                            takeTiles(index);
                        }
                    } finally {
                        joined.decrementAndGet();
                    }
                }
            }

            private int awaitTask(int seen) {
                long start = System.nanoTime();
                while (tasks.get() == seen && !closed) {
                    if (System.nanoTime() - start < SPIN_NANOS) {
                        for (int look = 0; look < LOOKS && tasks.get() == seen; look++) {
                            Thread.onSpinWait();
                        }
                    } else {
                        parked = true; // before the second look at tasks, so that no wake-up is lost
                        if (tasks.get() == seen && !closed) {
                            LockSupport.park(Crew.this);
                        }
                        parked = false;
                    }
                }
                return tasks.get();
            }
        }
    }
}
