package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.sun.management.ThreadMXBean;
import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Once compiled, no operator makes an object. Vector kernels do until then (every vector is one), and so do downcalls, so a call
 * is warmed up until a batch of calls has made none; that must come to pass, and stay.
 */
@Tag("allocation")
class AllocationTest {
    private static final int BATCH = 200;
    private static final int STEADY_CALLS = 1000;
    private static final long LIMIT_NANOS = 20_000_000_000L;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** Bytes that this thread takes of the heap during {@code calls} calls. */
    private static long bytesOf(Runnable call, int calls) {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < calls; i++) {
            call.run();
        }
        return THREADS.getCurrentThreadAllocatedBytes() - before;
    }

    private static void assertAllocatesNothing(String what, Runnable call) {
        long end = System.nanoTime() + LIMIT_NANOS;
        long calls = 0;
        long bytes;
        do {
            do {
                bytes = bytesOf(call, BATCH);
                calls += BATCH;
            } while (bytes > 0 && System.nanoTime() < end);
            if (bytes == 0) {
                bytes = bytesOf(call, STEADY_CALLS);
                calls += STEADY_CALLS;
            }
            // A kernel that is replaced by a better one may allocate once more: then once more from the start.
        } while (bytes > 0 && System.nanoTime() < end);
        assertThat(bytes)
                .as(what + ", heap bytes of the last batch after " + calls + " calls")
                .isZero();
    }

    static List<Arguments> kindsAndThreads() {
        List<Arguments> arguments = new ArrayList<>();
        for (int threads : new int[] {1, 2}) {
            for (Kind kind : ExactKinds.andOpenBlas()) {
                arguments.add(arguments(kind, threads));
            }
        }
        return arguments;
    }

    @ParameterizedTest
    @MethodSource("kindsAndThreads")
    void aWarmCallMakesNoObject(Kind kind, int threads) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, threads, null))) {
            Ops ops = backend.newOps(arena);
            Tensor x1 = random(arena, 1, 1, 64);
            Tensor x9 = random(arena, 2, 9, 64);
            Tensor bias = random(arena, 3, 96);
            Tensor weight = random(arena, 4, 64);
            PackedWeight packed = backend.pack(random(arena, 5, 96, 64), arena);
            Tensor out1 = nan(arena, 1, 96);
            Tensor out9 = nan(arena, 9, 96);
            Tensor same = nan(arena, 9, 64);
            int[] ids = {5, 3, 1, 0, 2, 4, 6, 8, 7};
            Tensor table = random(arena, 6, 9, 64);
            assertAllocatesNothing("linear, m = 1", () -> ops.linear(x1, packed, bias, out1));
            assertAllocatesNothing("linear, m = 9", () -> ops.linear(x9, packed, bias, out9));
            assertAllocatesNothing("linear and gelu", () -> ops.linear(x9, packed, bias, Activation.GELU, out9));
            assertAllocatesNothing("linearAdd", () -> ops.linearAdd(x9, packed, bias, out9, out9));
            assertAllocatesNothing(
                    "linearGated", () -> ops.linearGated(x9, packed, null, Activation.SILU, packed, bias, out9));
            assertAllocatesNothing("layerNorm", () -> ops.layerNorm(x9, weight, weight, 1e-5f, same));
            assertAllocatesNothing("softmax", () -> ops.softmax(x9, same));
            assertAllocatesNothing("gelu", () -> ops.activate(Activation.GELU, x9, same));
            assertAllocatesNothing("add", () -> ops.add(x9, same, same));
            assertAllocatesNothing("gather", () -> ops.gather(table, ids, 0, same));
            Tensor half = TestTensors.as(arena, DType.F16, table);
            assertAllocatesNothing("gather of F16", () -> ops.gather(half, ids, 0, same));
            assertAllocatesNothing("argMax", () -> ops.argMax(weight));
            Tensor heads = random(arena, 7, 2, 9, 64).splitHeads(4);
            Tensor keys = random(arena, 8, 2, 9, 64).splitHeads(4).transpose(2, 3);
            Tensor scores = nan(arena, 2, 4, 9, 9);
            assertAllocatesNothing("matmul", () -> ops.matmul(heads, keys, scores));
            int[] starts = {0, 7, 9};
            Tensor tokens = random(arena, 10, 9, 4, 16);
            Tensor context = nan(arena, 9, 4, 16);
            AttentionMask full = AttentionMask.full();
            assertAllocatesNothing(
                    "attentionPacked",
                    () -> ops.attentionPacked(tokens, tokens, tokens, starts, 2, full, 1f, 0f, context));
            Tensor angles = random(arena, 9, 1, 9, 8);
            assertAllocatesNothing("rope", () -> ops.rope(heads, angles, angles, false, heads));
        }
    }

    @ParameterizedTest
    @CsvSource({"1", "2"})
    void aWarmProductWithACompressedWeightMakesNoObject(int threads) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, threads, null))) {
            Ops ops = backend.newOps(arena);
            int[] ids = {5, 1};
            Tensor x1 = random(arena, 1, 1, 256);
            Tensor x2 = random(arena, 2, 2, 256);
            Tensor weight = random(arena, 3, 96, 256);
            Tensor out1 = nan(arena, 1, 96);
            Tensor out2 = nan(arena, 2, 96);
            for (DType type : List.of(DType.BF16, DType.F16)) {
                PackedWeight packed = backend.pack(TestTensors.as(arena, type, weight), arena);
                assertAllocatesNothing(type + ", m = 1", () -> ops.linear(x1, packed, null, out1));
                assertAllocatesNothing(type + ", m = 2", () -> ops.linear(x2, packed, null, out2));
            }
            for (BlockFormat format : BlockFormat.values()) {
                MemorySegment bytes = arena.allocate(QuantizedMatrix.byteSize(format, 96, 256));
                QuantizedMatrix matrix = new QuantizedMatrix(bytes, format, 96, 256);
                PackedWeight packed = backend.pack(matrix, arena);
                assertAllocatesNothing(format + ", m = 1", () -> ops.linear(x1, packed, null, out1));
                assertAllocatesNothing(format + ", m = 2", () -> ops.linear(x2, packed, null, out2));
                assertAllocatesNothing("gather of " + format, () -> ops.gather(matrix, ids, 0, x2));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1", "2"})
    void aWarmProductInBytesMakesNoObject(int threads) {
        for (Kind kind : ExactKinds.all()) {
            try (Arena arena = Arena.ofShared();
                    Backend backend = Backend.open(new Backend.Options(kind, threads, null).with(ComputeType.INT8))) {
                Ops ops = backend.newOps(arena);
                PackedWeight packed = backend.pack(random(arena, 3, 96, 130), arena);
                for (int m : new int[] {1, 9}) {
                    Tensor x = random(arena, 1, m, 130);
                    Tensor out = nan(arena, m, 96);
                    assertAllocatesNothing(kind + ", m = " + m, () -> ops.linear(x, packed, null, out));
                }
            } catch (BackendUnavailableException e) {
                System.err.println("tested without machine code for 8 bits: " + e.getMessage());
            }
        }
    }

    /** One new token of two sequences over a cache; two layers take turns, as in a model. */
    @ParameterizedTest
    @CsvSource({
        "SCALAR,1,4",
        "SCALAR,2,4",
        "SCALAR,2,2",
        "VECTOR,1,4",
        "VECTOR,2,4",
        "VECTOR,2,2",
        "OPENBLAS,1,4",
        "OPENBLAS,2,4",
        "OPENBLAS,2,2"
    })
    void aWarmDecodingStepMakesNoObject(Kind kind, int threads, int nKvHeads) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, threads, null))) {
            Ops ops = backend.newOps(arena);
            Tensor[] q = new Tensor[2];
            Tensor[] k = new Tensor[2];
            Tensor[] v = new Tensor[2];
            for (int layer = 0; layer < 2; layer++) {
                q[layer] = random(arena, 1, 2, 1, 4 * 16).splitHeads(4);
                k[layer] = random(arena, 2, 2, nKvHeads, 40, 16);
                v[layer] = random(arena, 3, 2, nKvHeads, 40, 16);
            }
            Tensor out = nan(arena, 2, 1, 4 * 16).splitHeads(4);
            AttentionMask mask =
                    AttentionMask.causal().atPositions(new int[] {36, 36}).withKeys(null, new int[] {37, 37});
            assertAllocatesNothing("attention", () -> {
                ops.attention(q[0], k[0], v[0], mask, 0.25f, 0f, out);
                ops.attention(q[1], k[1], v[1], mask, 0.25f, 0f, out);
            });
        }
    }
}
