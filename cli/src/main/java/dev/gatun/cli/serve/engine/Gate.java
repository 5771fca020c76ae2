package dev.gatun.cli.serve.engine;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** Lets some callers compute at a time and some more wait; the rest are told to come back. Thread-safe. */
public final class Gate {
    private final Semaphore open;
    private final AtomicInteger waiting = new AtomicInteger();
    private final int mayWait;

    /** A gate that so many pass at once, while so many wait. */
    public Gate(int atOnce, int mayWait) {
        this.open = new Semaphore(atOnce, true);
        this.mayWait = mayWait;
    }

    /** Callers that wait. */
    public int waiting() {
        return waiting.get();
    }

    /**
     * Makes a call when its turn has come.
     *
     * @param atMost how long to wait for that
     * @return what it returns; null if the time was up before
     * @throws BusyException if too many wait
     * @throws Exception what it throws
     */
    public <T> @Nullable T call(Duration atMost, Callable<T> work) throws Exception {
        if (!open.tryAcquire()) {
            if (waiting.incrementAndGet() > mayWait) {
                waiting.decrementAndGet();
                throw new BusyException(mayWait + " requests wait already", 1);
            }
            try {
                if (!open.tryAcquire(atMost.toNanos(), TimeUnit.NANOSECONDS)) {
                    return null;
                }
            } finally {
                waiting.decrementAndGet();
            }
        }
        try {
            return work.call();
        } finally {
            open.release();
        }
    }
}
