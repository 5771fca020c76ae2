package dev.gatun.bench;

import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** An operation of the catalogue under JMH, whose profilers (perfasm, gc) then tell why it takes so long. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 5, time = 1)
public abstract class OperationBenchmark {
    /** Threads that compute. */
    @Param("1")
    public int threads;

    private @Nullable Library library;
    private Library.@Nullable Workload workload;

    /** Name of the operation in the catalogue. */
    abstract String operation();

    /** Id of the engine that computes it. */
    abstract String engine();

    /** Opens both. */
    @Setup
    public void open() {
        Library opened = new EngineKind(engine()).open(threads);
        library = opened;
        workload = opened.open(Catalogue.named(operation()));
        if (workload == null) {
            throw new IllegalArgumentException(engine() + " has no " + operation());
        }
    }

    /** The result is in memory that outlives the call. */
    @Benchmark
    public void run() {
        Library.Workload open = workload;
        if (open != null) {
            open.run();
        }
    }

    /** Closes both. */
    @TearDown
    public void close() {
        if (workload != null) {
            workload.close();
        }
        if (library != null) {
            library.close();
        }
    }
}
