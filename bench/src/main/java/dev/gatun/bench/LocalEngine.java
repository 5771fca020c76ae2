package dev.gatun.bench;

import java.lang.management.CompilationMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Times a library in this JVM. */
final class LocalEngine implements Engine {
    /** No compilation for so long counts as compiled. */
    private static final long SETTLED_NANOS = 150_000_000;

    /** Warm-up ends after this, whatever the JVM does. */
    private static final long MAX_WARM_UP_NANOS = 8_000_000_000L;

    /** The clock is read no more often, as reading it takes some 25 ns. */
    private static final double BETWEEN_READINGS_NANOS = 100_000;

    /** Before a sample the operation runs untimed for so long: its operands come back into the caches. */
    private static final long LEAD_IN_NANOS = 5_000_000;

    /** Before single calls one runs untimed, unless it is so long that operands out of the caches matter little. */
    private static final long LEAD_IN_CALL_NANOS = 100_000_000;

    private final Library library;
    private Library.@Nullable Workload workload;
    private long batch = 1;
    private double nanosPerCall;

    LocalEngine(Library library) {
        this.library = library;
    }

    @Override
    public String description() {
        return library.description();
    }

    @Override
    public double open(Op op, long warmUpNanos) {
        closeOp();
        workload = library.open(op);
        if (workload == null) {
            return Double.NaN;
        }
        batch = 1;
        nanosPerCall = warmUp(warmUpNanos);
        batch = Math.max(1, (long) (BETWEEN_READINGS_NANOS / nanosPerCall));
        return nanosPerCall;
    }

    private double warmUp(long nanos) {
        CompilationMXBean compiler = ManagementFactory.getCompilationMXBean();
        long start = System.nanoTime();
        long compiled = -1;
        long settledSince = start;
        double last = 0;
        while (true) {
            last = runFor(Math.min(nanos, SETTLED_NANOS / 3));
            batch = Math.max(1, (long) (BETWEEN_READINGS_NANOS / last));
            long now = System.nanoTime();
            long total = compiler == null ? 0 : compiler.getTotalCompilationTime();
            if (total != compiled) {
                compiled = total;
                settledSince = now;
            }
            boolean settled = now - settledSince >= Math.min(nanos, SETTLED_NANOS);
            if (now - start >= nanos && settled || now - start >= MAX_WARM_UP_NANOS) {
                return last;
            }
        }
    }

    @Override
    public double sample(long nanos) {
        if (nanosPerCall < LEAD_IN_NANOS) {
            runFor(Math.min(LEAD_IN_NANOS, nanos));
        }
        return runFor(nanos);
    }

    @Override
    public double[] calls(long nanos) {
        Library.Workload open = workload();
        if (nanosPerCall < LEAD_IN_CALL_NANOS) {
            open.run();
        }
        double[] calls = new double[16];
        int n = 0;
        long start = System.nanoTime();
        for (long before = start; n == 0 || before - start < nanos; ) {
            open.run();
            long after = System.nanoTime();
            calls = n == calls.length ? Arrays.copyOf(calls, 2 * n) : calls;
            calls[n++] = after - before;
            before = after;
        }
        return Arrays.copyOf(calls, n);
    }

    private Library.Workload workload() {
        Library.Workload open = workload;
        if (open == null) {
            throw new IllegalStateException("no operation is open");
        }
        return open;
    }

    /** Nanoseconds a call. */
    private double runFor(long nanos) {
        Library.Workload open = workload();
        long start = System.nanoTime();
        long calls = 0;
        long elapsed;
        do {
            for (long i = 0; i < batch; i++) {
                open.run();
            }
            calls += batch;
            elapsed = System.nanoTime() - start;
        } while (elapsed < nanos);
        return (double) elapsed / calls;
    }

    @Override
    public void closeOp() {
        if (workload != null) {
            workload.close();
            workload = null;
        }
    }

    @Override
    public double peakBytes() {
        return PeakMemory.bytes();
    }

    @Override
    public void close() {
        closeOp();
        library.close();
    }
}
