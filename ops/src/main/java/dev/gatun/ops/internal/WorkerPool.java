package dev.gatun.ops.internal;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A fixed set of threads that work on the tiles of one task at a time, together with the caller. Any thread may call {@link
 * #run}, also several at once and virtual ones: who finds the workers busy with another caller's task does its own alone, so
 * there is no queue, no deadlock and never more running threads than callers plus workers. Running allocates nothing.
 *
 * <p>Which thread takes which tile is left open; a task whose tiles write apart gives the same result in any case. A tile must
 * not call {@link #run} itself.
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

    /** How long an idle worker looks for a new task before it parks: about 50 us, the gap between two ops of a model. */
    private static final int SPINS = 2_000;

    private final Worker[] workers;
    private final AtomicBoolean busy = new AtomicBoolean();
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger joined = new AtomicInteger();
    private volatile boolean open;
    private volatile boolean closed;
    private volatile @Nullable Throwable failure;
    private final AtomicInteger tasks = new AtomicInteger(); // rises by one a task: what idle workers watch
    private @Nullable Task task; // published by open
    private int tiles;

    /**
     * Starts {@code threads} - 1 daemon threads.
     *
     * @throws IllegalArgumentException unless threads is 1 to 1024
     */
    public WorkerPool(int threads) {
        if (threads < 1 || threads > 1024) {
            throw new IllegalArgumentException("threads " + threads + ": must be 1 to 1024");
        }
        workers = new Worker[threads - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = new Worker(i + 1);
            workers[i].start();
        }
    }

    /** Threads that take part in a task, the caller's included. */
    public int threads() {
        return workers.length + 1;
    }

    /**
     * Does all tiles and returns when they are done. The first exception of a tile is thrown here after the others have ended;
     * tiles not begun by then are left out.
     */
    @SuppressWarnings("ThreadPriorityCheck") // yields only where threads outnumber cores
    public void run(Task newTask, int newTiles) {
        if (newTiles == 1 || workers.length == 0 || closed || !busy.compareAndSet(false, true)) {
            for (int tile = 0; tile < newTiles; tile++) {
                newTask.run(tile, 0);
            }
            return;
        }
        try {
            task = newTask;
            tiles = newTiles;
            failure = null;
            next.set(0);
            open = true;
            tasks.incrementAndGet();
            for (int i = 0; i < workers.length && i < newTiles - 1; i++) {
                workers[i].wake();
            }
            takeTiles(0);
        } finally {
            open = false;
            // A worker adds itself to joined before it looks at open: once joined is 0 nobody is inside or will come
            // in.
            for (int spin = 0; joined.get() != 0; spin++) {
                if (spin < SPINS) {
                    Thread.onSpinWait();
                } else {
                    Thread.yield(); // more threads than cores: let the last worker finish its tile
                }
            }
            task = null;
            busy.set(false);
        }
        Throwable thrown = failure;
        if (thrown instanceof RuntimeException exception) {
            throw exception;
        } else if (thrown instanceof Error error) {
            throw error;
        }
    }

    private void takeTiles(int worker) {
        Task mine = task;
        int count = tiles;
        try {
            for (int tile = next.getAndIncrement(); tile < count && mine != null; tile = next.getAndIncrement()) {
                mine.run(tile, worker);
            }
        } catch (RuntimeException | Error thrown) {
            failure = thrown;
            next.set(count);
        }
    }

    /** Ends the threads. A task that is running is finished first; one that starts later runs on its caller alone. */
    @Override
    public void close() {
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
                    if (open) {
                        takeTiles(index);
                    }
                } finally {
                    joined.decrementAndGet();
                }
            }
        }

        private int awaitTask(int seen) {
            for (int spin = 0; tasks.get() == seen && !closed; spin++) {
                if (spin < SPINS) {
                    Thread.onSpinWait();
                } else {
                    parked = true; // before the second look at tasks, so that no wake-up is lost
                    if (tasks.get() == seen && !closed) {
                        LockSupport.park(WorkerPool.this);
                    }
                    parked = false;
                }
            }
            return tasks.get();
        }
    }
}
