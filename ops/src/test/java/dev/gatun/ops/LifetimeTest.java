package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Closed means closed: what is used after its arena's end throws, also on another thread and also in the middle of a call. */
class LifetimeTest {
    private static final int ROUNDS = 5;
    private static final long ROUND_LIMIT_NANOS = 10_000_000_000L;

    private static Backend open(Kind kind) {
        return Backend.open(new Backend.Options(kind, 2, null));
    }

    private static Map<String, Runnable> everyOperator(Backend backend, Ops ops, Arena arena) {
        Tensor x = random(arena, 1, 6, 20);
        Tensor row = random(arena, 2, 20);
        Tensor out = nan(arena, 6, 20);
        Tensor heads = random(arena, 3, 1, 2, 6, 10);
        Tensor outHeads = nan(arena, 1, 2, 6, 10);
        Tensor angles = random(arena, 4, 1, 6, 5);
        Tensor weight = random(arena, 5, 20, 20);
        PackedWeight packed = backend.pack(weight, arena);
        Map<String, Runnable> calls = new LinkedHashMap<>();
        calls.put("linear", () -> ops.linear(x, packed, row, out));
        calls.put("matmul", () -> ops.matmul(x, weight, out));
        calls.put("attention", () -> ops.attention(heads, heads, heads, AttentionMask.causal(), 1f, 0f, outHeads));
        calls.put("softmax", () -> ops.softmax(x, out));
        calls.put("logSoftmax", () -> ops.logSoftmax(x, out));
        calls.put("layerNorm", () -> ops.layerNorm(x, row, row, 1e-5f, out));
        calls.put("rmsNorm", () -> ops.rmsNorm(x, row, 1e-5f, out));
        for (Activation activation : Activation.values()) {
            calls.put(activation.name(), () -> ops.activate(activation, x, out));
        }
        calls.put("add", () -> ops.add(x, row, out));
        calls.put("multiply", () -> ops.multiply(x, x, out));
        calls.put("scale", () -> ops.scale(2f, x, out));
        calls.put("rope", () -> ops.rope(heads, angles, angles, false, outHeads));
        calls.put("gather", () -> ops.gather(weight, new int[6], 0, out));
        calls.put("argMax", () -> ops.argMax(row));
        Tensor half = TestTensors.as(arena, DType.F16, weight); // F32 may be taken as it lies, without a look
        calls.put("pack", () -> backend.pack(half, arena));
        calls.put("toFloats", x::toFloats);
        calls.put("getFloat", () -> x.getFloat(0, 0));
        calls.put("copyFrom", () -> out.copyFrom(x));
        return calls;
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void useAfterCloseThrowsOnAnyThread(Kind kind) throws Exception {
        try (Backend backend = open(kind);
                Arena session = Arena.ofShared();
                ExecutorService other = Executors.newSingleThreadExecutor()) {
            Ops ops = backend.newOps(session);
            Map<String, Runnable> calls;
            try (Arena arena = Arena.ofShared()) {
                calls = everyOperator(backend, ops, arena);
                calls.values().forEach(Runnable::run);
            }
            for (var call : calls.entrySet()) {
                assertThatThrownBy(call.getValue()::run).as(call.getKey()).isInstanceOf(IllegalStateException.class);
                Future<?> elsewhere = other.submit(call.getValue());
                assertThatThrownBy(elsewhere::get)
                        .as(call.getKey() + " on another thread")
                        .hasCauseInstanceOf(IllegalStateException.class);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void aWeightEndsWithItsArena(Kind kind) {
        try (Backend backend = open(kind);
                Arena session = Arena.ofShared()) {
            Ops ops = backend.newOps(session);
            Tensor x = random(session, 1, 6, 20);
            Tensor out = nan(session, 6, 20);
            PackedWeight packed;
            try (Arena weights = Arena.ofShared()) {
                packed = backend.pack(random(weights, 2, 20, 20), weights);
            }
            assertThatThrownBy(() -> ops.linear(x, packed, null, out)).isInstanceOf(IllegalStateException.class);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"VECTOR", "OPENBLAS"}) // scalar attention has no memory of the session's
    void scratchEndsWithTheArenaOfOps(Kind kind) throws Exception {
        try (Backend backend = open(kind);
                Arena arena = Arena.ofShared();
                ExecutorService other = Executors.newSingleThreadExecutor()) {
            Ops ops;
            try (Arena session = Arena.ofShared()) {
                ops = backend.newOps(session);
            }
            Tensor heads = random(arena, 1, 1, 2, 6, 10);
            Runnable call =
                    () -> ops.attention(heads, heads, heads, AttentionMask.causal(), 1f, 0f, nan(arena, 1, 2, 6, 10));
            assertThatThrownBy(call::run).isInstanceOf(IllegalStateException.class);
            Future<?> elsewhere = other.submit(call);
            assertThatThrownBy(elsewhere::get).hasCauseInstanceOf(IllegalStateException.class);
        }
    }

    /** Operands of one large call, in an arena of their own. */
    private interface Work {
        Runnable on(Backend backend, Ops ops, Arena arena, int size, Tensor[] out);
    }

    private static Runnable linear(Backend backend, Ops ops, Arena arena, int size, Tensor[] out) {
        Tensor x = random(arena, 1, size, size);
        PackedWeight weight = backend.pack(random(arena, 2, size, size), arena);
        out[0] = nan(arena, size, size);
        return () -> ops.linear(x, weight, null, out[0]);
    }

    private static Runnable attention(Backend backend, Ops ops, Arena arena, int size, Tensor[] out) {
        Tensor q = random(arena, 1, 1, size, 64).splitHeads(4);
        out[0] = nan(arena, 1, size, 64).splitHeads(4);
        return () -> ops.attention(q, q, q, AttentionMask.causal(), 0.25f, 0f, out[0]);
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void closingDuringALinearLayerEndsTheCallOrRefuses(Kind kind) throws Exception {
        closeWhileRunning(kind, LifetimeTest::linear, 128);
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void closingDuringAttentionEndsTheCallOrRefuses(Kind kind) throws Exception {
        closeWhileRunning(kind, LifetimeTest::attention, 200);
    }

    private static void closeWhileRunning(Kind kind, Work work, int size) throws Exception {
        try (Backend backend = open(kind);
                Arena session = Arena.ofShared();
                Arena kept = Arena.ofShared();
                ExecutorService other = Executors.newSingleThreadExecutor()) {
            Ops ops = backend.newOps(session);
            Tensor[] expected = new Tensor[1];
            work.on(backend, ops, kept, size, expected).run();
            var over = new AtomicBoolean(); // else a failure here would leave the other thread running for ever
            try {
                for (int round = 0; round < ROUNDS; round++) {
                    Arena arena = Arena.ofShared();
                    Runnable call = work.on(backend, ops, arena, size, new Tensor[1]);
                    AtomicInteger begun = new AtomicInteger();
                    Future<?> running = other.submit(() -> {
                        while (!over.get()) { // until the operands are closed
                            begun.incrementAndGet();
                            call.run();
                            LockSupport.parkNanos(20_000); // between two calls nobody holds the operands
                        }
                        return null;
                    });
                    while (begun.get() < 1 + round % 3) {
                        Thread.onSpinWait();
                    }
                    boolean closed = close(arena, System.nanoTime() + ROUND_LIMIT_NANOS);
                    assertThat(closed)
                            .as("closed, at the latest between two calls")
                            .isTrue();
                    assertThatThrownBy(running::get)
                            .as("round " + round)
                            .hasCauseInstanceOf(IllegalStateException.class);

                    Tensor[] later = new Tensor[1];
                    work.on(backend, ops, kept, size, later).run();
                    assertClose("a later call", later[0], expected[0], kind == Kind.OPENBLAS ? 1e-4 : 0);
                }
            } finally {
                over.set(true);
            }
        }
    }

    /** Closes the arena; a call that holds it may make that fail with IllegalStateException, and nothing else may. */
    private static boolean close(Arena arena, long end) {
        while (System.nanoTime() < end) {
            try {
                arena.close();
                return true;
            } catch (IllegalStateException held) {
                assertThat(arena.scope().isAlive()).as("refused, so still open").isTrue();
            }
        }
        return false;
    }
}
