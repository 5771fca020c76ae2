package dev.gatun.bench;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.gatun.memory.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/** The limits of the machine as a Java program meets them: loops that do one thing only, as fast as it can be done. */
final class MachineLibrary implements Library {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();

    /** Chains of multiply-adds that do not wait for each other: two units of latency 4 need 8, and 16 registers hold 12. */
    private static final int CHAINS = 12;

    /** Places of memory that a thread walks through at the same time. */
    private static final int STREAMS = 4;

    private final ExecutorService helpers =
            Executors.newCachedThreadPool(Thread.ofPlatform().daemon().factory());

    @Override
    public String description() {
        return SPECIES.vectorBitSize() + "-bit vectors";
    }

    /** The operations that a thread does in one call of {@link Limit#FMA}, nearest to what is asked for. */
    static long fmaSize(long flop) {
        long turn = 2L * CHAINS * LANES;
        return Math.max(1, flop / turn) * turn;
    }

    @Override
    public @Nullable Workload open(Op op) {
        if (!(op instanceof Op.Probe probe)) {
            return null;
        }
        Arena arena = Arena.ofShared();
        MemorySegment result = arena.allocate(64L * probe.threads(), 64); // a cache line each
        long turn = 2L * STREAMS * SPECIES.vectorByteSize();
        long share = probe.size() / (probe.limit() == Limit.READ_WRITE ? 2 : 1) / probe.threads() / turn * turn;
        List<Runnable> parts = new ArrayList<>();
        for (int i = 0; i < probe.threads(); i++) {
            MemorySegment sink = result.asSlice(64L * i, 64);
            parts.add(
                    switch (probe.limit()) {
                        case FMA -> {
                            long turns = probe.size() / (2L * CHAINS * LANES);
                            yield () -> sink.set(ValueLayout.JAVA_FLOAT, 0, multiplyAdd(turns));
                        }
                        case READ, CACHE -> {
                            MemorySegment from = numbers(arena, share);
                            yield () -> sink.set(ValueLayout.JAVA_FLOAT, 0, sum(from));
                        }
                        case READ_WRITE -> {
                            MemorySegment from = numbers(arena, share);
                            MemorySegment to = numbers(arena, share);
                            yield () -> scale(from, to);
                        }
                    });
        }
        return new Workload() {
            @Override
            public void run() {
                runAll(parts);
            }

            @Override
            public void close() {
                arena.close();
            }
        };
    }

    private static MemorySegment numbers(Arena arena, long bytes) {
        return new Operands()
                .tensor(arena, DType.F32, Math.toIntExact(bytes / Float.BYTES))
                .segment();
    }

    private void runAll(List<Runnable> parts) {
        List<Future<?>> others = new ArrayList<>();
        for (Runnable part : parts.subList(1, parts.size())) {
            others.add(helpers.submit(part));
        }
        parts.getFirst().run();
        try {
            for (Future<?> other : others) {
                other.get();
            }
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException("a thread that measures the machine failed", e);
        }
    }

    /**
     * In locals, which are registers; sums end where half a unit no longer adds. A chain is the addend, which the instruction
     * overwrites: as a factor it costs C2 a register copy, and the peak a fifth (148 instead of 189 GFLOP/s on Ice Lake).
     */
    private static float multiplyAdd(long turns) {
        FloatVector a = FloatVector.broadcast(SPECIES, 0.5f);
        FloatVector b = FloatVector.broadcast(SPECIES, 1f);
        FloatVector c0 = b;
        FloatVector c1 = b;
        FloatVector c2 = b;
        FloatVector c3 = b;
        FloatVector c4 = b;
        FloatVector c5 = b;
        FloatVector c6 = b;
        FloatVector c7 = b;
        FloatVector c8 = b;
        FloatVector c9 = b;
        FloatVector c10 = b;
        FloatVector c11 = b;
        for (long i = 0; i < turns; i++) {
            c0 = a.fma(b, c0);
            c1 = a.fma(b, c1);
            c2 = a.fma(b, c2);
            c3 = a.fma(b, c3);
            c4 = a.fma(b, c4);
            c5 = a.fma(b, c5);
            c6 = a.fma(b, c6);
            c7 = a.fma(b, c7);
            c8 = a.fma(b, c8);
            c9 = a.fma(b, c9);
            c10 = a.fma(b, c10);
            c11 = a.fma(b, c11);
        }
        return c0.add(c1)
                .add(c2.add(c3))
                .add(c4.add(c5).add(c6.add(c7)))
                .add(c8.add(c9).add(c10.add(c11)))
                .reduceLanes(VectorOperators.ADD);
    }

    private static FloatVector load(MemorySegment from, long at) {
        return FloatVector.fromMemorySegment(SPECIES, from, at, LITTLE_ENDIAN);
    }

    /**
     * In four streams at a time, a quarter of the memory each: the prefetchers of a core follow several streams, and none across
     * pages of 4 KB. On a Xeon of Ice Lake one stream gave 8.1 GB/s, two 10.5, four 12.4, eight 10.6.
     */
    private static float sum(MemorySegment from) {
        int step = SPECIES.vectorByteSize();
        long stream = from.byteSize() / STREAMS;
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        FloatVector s4 = s0;
        FloatVector s5 = s0;
        FloatVector s6 = s0;
        FloatVector s7 = s0;
        for (long at = 0; at < stream; at += 2L * step) {
            s0 = s0.add(load(from, at));
            s1 = s1.add(load(from, at + step));
            s2 = s2.add(load(from, at + stream));
            s3 = s3.add(load(from, at + stream + step));
            s4 = s4.add(load(from, at + 2 * stream));
            s5 = s5.add(load(from, at + 2 * stream + step));
            s6 = s6.add(load(from, at + 3 * stream));
            s7 = s7.add(load(from, at + 3 * stream + step));
        }
        return s0.add(s1).add(s2.add(s3)).add(s4.add(s5).add(s6.add(s7))).reduceLanes(VectorOperators.ADD);
    }

    private static void scale(MemorySegment from, MemorySegment to) {
        long stream = from.byteSize() / STREAMS;
        for (long at = 0; at < stream; at += SPECIES.vectorByteSize()) {
            load(from, at).mul(2f).intoMemorySegment(to, at, LITTLE_ENDIAN);
            load(from, at + stream).mul(2f).intoMemorySegment(to, at + stream, LITTLE_ENDIAN);
            load(from, at + 2 * stream).mul(2f).intoMemorySegment(to, at + 2 * stream, LITTLE_ENDIAN);
            load(from, at + 3 * stream).mul(2f).intoMemorySegment(to, at + 3 * stream, LITTLE_ENDIAN);
        }
    }

    @Override
    public void close() {
        helpers.close();
    }
}
