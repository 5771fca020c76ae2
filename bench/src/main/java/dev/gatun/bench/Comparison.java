package dev.gatun.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Has engines take turns: in every round each of them, and the limit, is sampled once, in another order each time. So whatever
 * else a machine does meets all of them alike, and a share is one of the limit as it was during that very case.
 */
final class Comparison {
    /**
     * How long things take.
     *
     * @param rounds in which each engine is sampled once
     * @param sampleNanos of one sample; one call if that takes longer
     * @param warmUpNanos before the first sample of an operation
     * @param caseNanos that the samples of a case may take in all: where calls are slow there are fewer rounds
     */
    record Pace(int rounds, long sampleNanos, long warmUpNanos, long caseNanos) {
        /** For numbers to keep. */
        static final Pace FULL = new Pace(21, 15_000_000, 500_000_000, 25_000_000_000L);

        /** For a first look. */
        static final Pace QUICK = new Pace(7, 10_000_000, 200_000_000, 3_000_000_000L);

        private static final int LEAST_ROUNDS = 3;

        int rounds(double nanosPerRound) {
            return (int) Math.clamp(caseNanos / nanosPerRound, Math.min(LEAST_ROUNDS, rounds), rounds);
        }
    }

    /** Threads that have computed spin a while before they sleep, OpenBLAS's for 2^26 cycles: the next engine waits for it. */
    private static final long SPINNING_MILLIS = 30;

    /**
     * A sample of single calls lasts so many times as long, for a call of a whole model takes milliseconds; of one text longer, so
     * that a hundredth of all calls is some.
     */
    private static final int CALLS = 6;

    private static final int CALLS_OF_ONE = 20;

    private final Pace pace;
    private final int threads;
    private final Caches caches;
    private final Engine machine;
    private final SequencedMap<EngineKind, Engine> engines;
    private final Consumer<String> notes;

    /**
     * @param machine measures limits
     * @param notes hears of engines that fail
     */
    Comparison(
            Pace pace,
            int threads,
            Caches caches,
            Engine machine,
            SequencedMap<EngineKind, Engine> engines,
            Consumer<String> notes) {
        this.pace = pace;
        this.threads = threads;
        this.caches = caches;
        this.machine = machine;
        this.engines = engines;
        this.notes = notes;
    }

    /** A limit, on its own. */
    Stats limit(Limit limit) {
        Op.Probe probe = probe(limit, threads);
        machine.open(probe, pace.warmUpNanos);
        List<Double> samples = new ArrayList<>();
        for (int i = 0; i < pace.rounds; i++) {
            samples.add(probe.work() / sample(machine));
        }
        machine.closeOp();
        return Stats.of(samples);
    }

    /** The call that measures a limit: some milliseconds. */
    private Op.Probe probe(Limit limit, int threads) {
        long size = switch (limit) {
            case FMA -> MachineLibrary.fmaSize(400_000_000);
            case READ, READ_WRITE -> caches.beyondCaches();
            case CACHE -> threads * caches.l2() / 2;
        };
        return new Op.Probe(limit, size, threads);
    }

    /** A case by every engine that has it. */
    Result run(Case benchmark, int weight) {
        boolean single = benchmark.op() instanceof Op.Encode;
        long sampleNanos = pace.sampleNanos;
        if (benchmark.op() instanceof Op.Encode encode) {
            sampleNanos *= encode.sequences() == 1 ? CALLS_OF_ONE : CALLS;
        }
        List<EngineKind> running = new ArrayList<>();
        double nanosPerRound = 0;
        for (Map.Entry<EngineKind, Engine> entry : engines.entrySet()) {
            double nanos = open(entry.getKey(), entry.getValue(), benchmark);
            if (!Double.isNaN(nanos)) {
                running.add(entry.getKey());
                nanosPerRound += Math.max(nanos, (double) sampleNanos);
            }
        }
        Op.@Nullable Probe probe =
                benchmark.op().limit() == null ? null : probe(benchmark.op().limit(), threads(benchmark.op()));
        if (probe != null) {
            nanosPerRound += Math.max(machine.open(probe, pace.warmUpNanos), (double) pace.sampleNanos);
        }
        Map<EngineKind, List<Double>> samples = new LinkedHashMap<>(); // nanoseconds
        List<Double> limits = new ArrayList<>();
        for (int round = pace.rounds(nanosPerRound); round > 0; round--) {
            if (probe != null) {
                limits.add(benchmark.atLimit(probe.work() / sample(machine)));
            }
            for (EngineKind kind : running) {
                List<Double> own = samples.computeIfAbsent(kind, _ -> new ArrayList<>());
                if (single) {
                    rest();
                    Arrays.stream(engine(kind).calls(sampleNanos)).forEach(own::add);
                } else {
                    own.add(sample(engine(kind)));
                }
            }
            Collections.rotate(running, 1);
        }
        if (probe != null) {
            machine.closeOp();
        }
        SequencedMap<EngineKind, Stats> values = new LinkedHashMap<>();
        Map<EngineKind, Result.Calls> calls = new LinkedHashMap<>();
        for (EngineKind kind : engines.keySet()) {
            List<Double> own = samples.get(kind);
            if (own != null) {
                values.put(kind, Stats.of(own, benchmark::value));
                if (single) {
                    calls.put(kind, Result.Calls.of(own));
                }
                engine(kind).closeOp();
            }
        }
        return new Result(benchmark, probe == null ? null : Stats.of(limits), values, calls, weight);
    }

    /** Bytes that each engine's process had at its peak. */
    SequencedMap<EngineKind, Double> peaks() {
        SequencedMap<EngineKind, Double> peaks = new LinkedHashMap<>();
        engines.forEach((kind, engine) -> peaks.put(kind, engine.peakBytes()));
        return peaks;
    }

    private int threads(Op op) {
        return op instanceof Op.Decoder decoder ? decoder.threads() : threads;
    }

    private Engine engine(EngineKind kind) {
        return Objects.requireNonNull(engines.get(kind));
    }

    private double sample(Engine engine) {
        rest();
        return engine.sample(pace.sampleNanos);
    }

    private void rest() {
        if (threads > 1) {
            try {
                Thread.sleep(SPINNING_MILLIS);
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted while it measured", e);
            }
        }
    }

    private double open(EngineKind kind, Engine engine, Case benchmark) {
        try {
            return engine.open(benchmark.op(), pace.warmUpNanos);
        } catch (UnsupportedOperationException e) {
            notes.accept(kind.title() + " failed at " + benchmark.name() + ": " + e.getMessage());
            return Double.NaN;
        }
    }
}
