package dev.gatun.ops;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The background of {@link Auto}: one daemon thread that loads the Vector API, reads the table, gets kernels compiled in the
 * order of their weight, fills the panels of those that are, and writes the table.
 *
 * <p>The first calls of a process are slow in themselves, for all Java code is; so nothing is compiled before {@link #GRACE} has
 * passed since the first request, and waiting for C2 is done asleep.
 */
final class AutoThread extends Thread implements Executor, AutoCloseable {
    /** Where the table is; asked on the thread, since finding out takes milliseconds. */
    interface TableSource {
        /**
         * The table of this machine.
         *
         * @throws BackendUnavailableException if there is nobody to choose from
         */
        PickTable open() throws IOException;
    }

    private static final long MILLISECOND = 1_000_000;

    /** On two cores the first call took 40% longer where compiling began with it. */
    static final long GRACE = 150 * MILLISECOND;

    /** A prompt's first pass through a decoder puts compiling off, by {@link #GRACE} a layer, but no longer than this. */
    private static final long MOST_GRACE = 2500 * MILLISECOND;

    /** A model whose weights ask for kernels while it is loaded is not done by {@link #GRACE}. */
    private static final long LOADING = 1000 * MILLISECOND;

    /** A process that ends sooner does without OpenBLAS, where others compute from the first call. */
    private static final long UNTIL_OPENBLAS = 1000 * MILLISECOND;

    /** How long C2 is left alone with its work between two looks at what has become of it. */
    private static final long REST = 1 * MILLISECOND;

    /** Decisions come in clusters: written once, when no more came for so long. */
    private static final long QUIET = 300 * MILLISECOND;

    private final Auto auto;
    private final TableSource source;
    private final Kernels.Factory kernelsFactory;
    private final CountDownLatch tableRead = new CountDownLatch(1);
    private volatile boolean stopped;

    // Guarded by this.
    private final PriorityQueue<Job> kernels = new PriorityQueue<>();
    private final ArrayDeque<Runnable> fills = new ArrayDeque<>();
    private long graceEnd;
    private long mostGraceEnd;
    private int jobs;
    private boolean changed;
    private boolean tableIsWanted;

    AutoThread(Auto auto, TableSource source, Kernels.Factory kernelsFactory) {
        super("gatun-auto");
        this.auto = auto;
        this.source = source;
        this.kernelsFactory = kernelsFactory;
        setDaemon(true);
    }

    /** What most time is spent in comes first: products of weights, then rows, then attention. */
    enum Urgency {
        LINEAR,
        ROWS,
        ATTENTION
    }

    private record Job(Urgency urgency, int number, Consumer<Kernels> work) implements Comparable<Job> {
        @Override
        public int compareTo(Job other) {
            int byUrgency = urgency.compareTo(other.urgency);
            return byUrgency != 0 ? byUrgency : Integer.compare(number, other.number);
        }
    }

    /** Will run {@code kernel}. */
    synchronized void compile(Urgency urgency, Consumer<Kernels> kernel) {
        begin(GRACE);
        kernels.add(new Job(urgency, jobs++, kernel));
        notifyAll();
    }

    /** Will run {@code job}, when this process has lasted for a while. */
    synchronized void later(Runnable job) {
        begin(UNTIL_OPENBLAS);
        jobs++;
        fills.add(job);
        notifyAll();
    }

    private void begin(long grace) {
        if (jobs == 0) {
            long now = System.nanoTime();
            graceEnd = now + grace;
            mostGraceEnd = now + MOST_GRACE;
        }
    }

    /** A call that would have to share the processors with compiling is under way: that waits a little. */
    void postpone() {
        postpone(GRACE);
    }

    /** A model is being loaded. */
    void loading() {
        postpone(LOADING);
    }

    private synchronized void postpone(long nanos) {
        long until = System.nanoTime() + nanos;
        if (until - graceEnd > 0 && mostGraceEnd - graceEnd > 0) {
            graceEnd = until - mostGraceEnd < 0 ? until : mostGraceEnd;
        }
    }

    /** Will fill panels. */
    @Override
    public synchronized void execute(Runnable fill) {
        fills.add(fill);
        notifyAll();
    }

    /** There is a new decision. */
    synchronized void changed() {
        changed = true;
        notifyAll();
    }

    boolean isStopped() {
        return stopped;
    }

    /** Returns when the table has been read, or cannot be. */
    void awaitTable() {
        synchronized (this) {
            tableIsWanted = true;
            notifyAll();
        }
        boolean interrupted = false;
        while (true) {
            try {
                tableRead.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void run() {
        PickTable table = null;
        try {
            if (!auto.kernelsComeFirst()) {
                auto.vector().name(); // loads the Vector API while OpenBLAS is loaded
            } else {
                awaitUse();
            }
            table = stopped ? null : read();
        } finally {
            tableRead.countDown();
        }
        Kernels compiler = null;
        try {
            while (!stopped) {
                Job kernel;
                Runnable fill;
                boolean write = false;
                synchronized (this) {
                    fill = mayStart() ? fills.poll() : null;
                    kernel = fill == null && mayStart() ? kernels.poll() : null;
                    if (kernel == null && fill == null && !stopped) {
                        write = awaitWork();
                    }
                }
                if (kernel != null) {
                    if (compiler == null) {
                        compiler = openKernels();
                    }
                    if (compiler != null) {
                        kernel.work.accept(compiler);
                    }
                } else if (fill != null) {
                    fill(fill);
                } else if (write) {
                    write(table);
                }
            }
        } finally {
            if (compiler != null) {
                compiler.close();
            }
        }
        if (takeChanged()) {
            write(table);
        }
    }

    /** Null where the JVM has no Vector API: then what is computed already goes on. */
    private @Nullable Kernels openKernels() {
        try {
            return kernelsFactory.open(this::isStopped, this::rest);
        } catch (IllegalStateException e) {
            System.getLogger(Backend.class.getName()).log(Level.WARNING, "auto: " + e.getMessage());
            return null;
        }
    }

    /** The table's name needs OpenBLAS: until there is something to do, or somebody wants to know. */
    private synchronized void awaitUse() {
        while (!stopped && !tableIsWanted && (jobs == 0 && fills.isEmpty() || !mayStart())) {
            try {
                wait(jobs == 0 ? 0 : Math.max(1, (graceEnd - System.nanoTime()) / MILLISECOND + 1));
            } catch (InterruptedException _) {
                // See fill: close is what ends this thread.
            }
        }
    }

    private boolean mayStart() {
        return jobs == 0 || System.nanoTime() - graceEnd >= 0;
    }

    private synchronized boolean takeChanged() {
        boolean was = changed;
        changed = false;
        return was;
    }

    /** Waits for something to do; true if the table is to be written. */
    @SuppressWarnings("WaitNotInLoop") // the caller's loop looks again
    private synchronized boolean awaitWork() {
        try {
            if (!kernels.isEmpty() || !fills.isEmpty()) {
                long millis = (graceEnd - System.nanoTime()) / MILLISECOND + 1;
                wait(Math.max(1, millis));
            } else if (changed) {
                wait(QUIET / MILLISECOND);
                return kernels.isEmpty() && fills.isEmpty() && !stopped && takeChanged();
            } else {
                wait();
            }
        } catch (InterruptedException e) {
            return false; // see fill: close is what ends this thread
        }
        return false;
    }

    /** While C2 works. */
    private void rest() {
        LockSupport.parkNanos(this, REST);
    }

    private static void fill(Runnable fill) {
        try {
            fill.run();
        } catch (IllegalStateException e) {
            // The model was closed meanwhile: nobody will use these panels. HotSpot interrupts whom it throws out of
            // the memory
            // (JavaThread::install_async_exception), and every later wait would end at once.
            interrupted();
        } catch (OutOfMemoryError e) { // of native memory: the weight is used as it is
            System.getLogger(Backend.class.getName())
                    .log(Level.WARNING, "auto: no memory for a weight in the kernels' layout: " + e.getMessage());
        }
    }

    private @Nullable PickTable read() {
        PickTable table = null;
        try {
            table = source.open();
            Map<PickTable.Shape, Pick.Timing> entries = table.read();
            auto.know(entries);
        } catch (IOException e) {
            log(Level.WARNING, table, "is ignored, and will be measured anew: ", e);
        } catch (BackendUnavailableException e) {
            log(Level.DEBUG, table, "is not needed, machine code has no rival: ", e);
        }
        return table;
    }

    private void write(@Nullable PickTable table) {
        if (table == null) {
            return;
        }
        try {
            table.write(auto.timings());
        } catch (IOException e) {
            log(Level.DEBUG, table, "cannot be written; the next process will measure again: ", e);
        }
    }

    private static void log(Level level, @Nullable PickTable table, String what, Exception e) {
        System.getLogger(Backend.class.getName())
                .log(level, "auto: the table " + (table == null ? "" : table.file() + " ") + what + e.getMessage());
    }

    /** Ends the thread: at once but for a call on invented data or a panel under way. */
    @Override
    public void close() {
        stopped = true;
        synchronized (this) {
            notifyAll();
        }
        LockSupport.unpark(this);
        boolean interrupted = false;
        while (isAlive() && Thread.currentThread() != this) {
            try {
                join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
