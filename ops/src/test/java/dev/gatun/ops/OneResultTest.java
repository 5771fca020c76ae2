package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Vector and scalar give the same bits at any thread count, batch and padding; OpenBLAS the same numbers. Run again at each
 * vector width by the build.
 */
@Tag("species")
class OneResultTest {
    private static final List<Integer> THREADS = List.of(1, 2, 3);

    /** Computes on one backend. */
    private static Tensor on(Kind kind, int threads, Arena arena, Tensor out, BiConsumer<Backend, Ops> work) {
        try (Backend backend = Backend.open(new Backend.Options(kind, threads, null))) {
            work.accept(backend, backend.newOps(arena));
        }
        return out;
    }

    @ParameterizedTest
    @CsvSource({
        "1,1,1",
        "1,384,384",
        "2,5,7",
        "3,48,16",
        "4,49,17",
        "5,47,65",
        "7,33,1",
        "8,96,64",
        "9,97,127",
        "16,16,600",
        "31,130,513",
        "64,200,31",
        "130,100,64",
        // every count of rows that a tile is padded to; blocks of 512 steps and of 128 rows; strips of 480 columns
        "5,29,511",
        "6,31,512",
        "7,65,514",
        "15,63,129",
        "17,81,1025",
        "1,481,1024",
        "1,1000,33",
        "2,496,9",
        "10,512,30",
        "11,544,7",
        "129,479,5",
        "257,17,1537",
        // longer than what is summed in one go; rows that share it
        "17,55,2049",
        "40,97,3100",
        "9,50,4100"
    })
    void linearHasTheSameBits(int m, int n, int k) {
        try (Arena arena = Arena.ofShared()) {
            Tensor x = random(arena, 1, m, k);
            Tensor w = random(arena, 2, n, k);
            Tensor bias = random(arena, 3, n);
            Tensor expected = on(Kind.SCALAR, 1, arena, nan(arena, m, n), (backend, ops) -> {});
            for (Tensor b : new Tensor[] {null, bias}) {
                on(
                        Kind.SCALAR,
                        1,
                        arena,
                        expected,
                        (backend, ops) -> ops.linear(x, backend.pack(w, arena), b, expected));
                for (int threads : THREADS) {
                    for (Kind kind : ExactKinds.kernels()) {
                        Tensor out = nan(arena, m, n);
                        on(kind, threads, arena, out, (backend, ops) -> ops.linear(x, backend.pack(w, arena), b, out));
                        assertSameBits(kind + ", " + threads + " threads", out, expected);
                    }
                    Tensor scalar = nan(arena, m, n);
                    on(
                            Kind.SCALAR,
                            threads,
                            arena,
                            scalar,
                            (backend, ops) -> ops.linear(x, backend.pack(w, arena), b, scalar));
                    assertSameBits("scalar, " + threads + " threads", scalar, expected);
                }
                Tensor blas = nan(arena, m, n);
                on(Kind.OPENBLAS, 2, arena, blas, (backend, ops) -> ops.linear(x, backend.pack(w, arena), b, blas));
                assertClose("openblas", blas, expected, 2e-5 * Math.sqrt(k) + 1e-5);
            }
        }
    }

    @Test
    void aRowOfLinearDoesNotDependOnItsBatch() {
        try (Arena arena = Arena.ofShared()) {
            Tensor x = random(arena, 1, 37, 70);
            Tensor w = random(arena, 2, 90, 70);
            Tensor all = nan(arena, 37, 90);
            on(Kind.VECTOR, 2, arena, all, (backend, ops) -> ops.linear(x, backend.pack(w, arena), null, all));
            for (int row = 0; row < 37; row++) {
                Tensor one = nan(arena, 1, 90);
                Tensor xRow = x.slice(0, row, row + 1);
                on(Kind.VECTOR, 2, arena, one, (backend, ops) -> ops.linear(xRow, backend.pack(w, arena), null, one));
                assertSameBits("row " + row, one, all.slice(0, row, row + 1));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,1", "2,3,5,7", "3,17,33,65", "1,64,48,512", "2,9,50,513", "2,4,1,1030"})
    void matmulHasTheSameBits(int batch, int m, int n, int k) {
        try (Arena arena = Arena.ofShared()) {
            Tensor a = random(arena, 1, batch, m, k);
            for (Tensor b : List.of(
                    random(arena, 2, batch, k, n), random(arena, 3, batch, n, k).transpose(1, 2))) {
                Tensor scalar = nan(arena, batch, m, n);
                on(Kind.SCALAR, 1, arena, scalar, (backend, ops) -> ops.matmul(a, b, scalar));
                for (Kind kind : ExactKinds.kernels()) {
                    Tensor out = nan(arena, batch, m, n);
                    on(kind, 2, arena, out, (backend, ops) -> ops.matmul(a, b, out));
                    assertSameBits(kind.toString(), out, scalar);
                }
                Tensor blas = nan(arena, batch, m, n);
                on(Kind.OPENBLAS, 2, arena, blas, (backend, ops) -> ops.matmul(a, b, blas));
                assertClose("openblas", blas, scalar, 2e-5 * Math.sqrt(k) + 1e-5);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1,1,1,1,1,1",
        "2,4,4,5,7,16",
        "1,6,2,70,70,12",
        "2,3,1,1,300,80",
        "1,2,2,130,600,64",
        "1,8,1,1,513,32",
        "1,4,4,9,257,96",
        "1,1,1,3,1030,1",
        "1,2,1,200,129,31",
        "1,2,2,67,127,128",
        "1,12,1,1,400,40",
        "1,1,1,2,140,530"
    })
    void attentionHasTheSameBits(int batch, int heads, int kvHeads, int queries, int keys, int dK) {
        try (Arena arena = Arena.ofShared()) {
            Tensor q = random(arena, 1, batch, queries, heads * dK).splitHeads(heads);
            Tensor k = random(arena, 2, batch, keys, kvHeads * dK).splitHeads(kvHeads);
            Tensor v = random(arena, 3, batch, keys, kvHeads * dK).splitHeads(kvHeads);
            int[] first = new int[batch];
            int[] to = new int[batch];
            for (int b = 0; b < batch; b++) {
                first[b] = keys - queries;
                to[b] = keys - b;
            }
            float scale = (float) (1 / Math.sqrt(dK));
            for (AttentionMask mask : List.of(
                    AttentionMask.full(),
                    AttentionMask.causal().atPositions(first),
                    AttentionMask.full().within(10, 3).atPositions(first),
                    AttentionMask.full().withKeys(null, to),
                    AttentionMask.full().with(random(arena, 4, heads, queries, keys)))) {
                for (float cap : new float[] {0, 5}) {
                    Tensor scalar = nan(arena, batch, queries, heads * dK);
                    on(
                            Kind.SCALAR,
                            1,
                            arena,
                            scalar,
                            (backend, ops) -> ops.attention(q, k, v, mask, scale, cap, scalar.splitHeads(heads)));
                    for (int threads : THREADS) {
                        for (Kind kind : ExactKinds.kernels()) {
                            Tensor out = nan(arena, batch, queries, heads * dK);
                            on(
                                    kind,
                                    threads,
                                    arena,
                                    out,
                                    (backend, ops) -> ops.attention(q, k, v, mask, scale, cap, out.splitHeads(heads)));
                            assertSameBits(kind + ", " + threads + " threads", out, scalar);
                        }
                    }
                    Tensor blas = nan(arena, batch, queries, heads * dK);
                    on(
                            Kind.OPENBLAS,
                            2,
                            arena,
                            blas,
                            (backend, ops) -> ops.attention(q, k, v, mask, scale, cap, blas.splitHeads(heads)));
                    assertClose("openblas", blas, scalar, 3e-5);
                }
            }
        }
    }

    /** A key/value cache gives what a full recompute gives: query i alone over its keys, or among all queries. */
    @ParameterizedTest
    @MethodSource("dev.gatun.ops.ExactKinds#all")
    void aCachedStepHasTheBitsOfTheFullRecompute(Kind kind) {
        try (Arena arena = Arena.ofShared()) {
            int ctx = 523;
            int heads = 3;
            int dK = 20;
            Tensor q = random(arena, 1, 1, ctx, heads * dK).splitHeads(heads);
            Tensor k = random(arena, 2, 1, ctx, heads * dK).splitHeads(heads);
            Tensor v = random(arena, 3, 1, ctx, heads * dK).splitHeads(heads);
            Tensor all = nan(arena, 1, heads, ctx, dK);
            on(kind, 2, arena, all, (backend, ops) -> ops.attention(q, k, v, AttentionMask.causal(), 0.2f, 0, all));
            int[] first = new int[1];
            int[] to = new int[1];
            AttentionMask mask = AttentionMask.causal().atPositions(first).withKeys(null, to);
            for (int i : new int[] {0, 1, 15, 16, 254, 255, 256, 257, 511, 512, 522}) {
                first[0] = i;
                to[0] = i + 1;
                Tensor one = nan(arena, 1, heads, 1, dK);
                on(
                        kind,
                        2,
                        arena,
                        one,
                        (backend, ops) -> ops.attention(q.slice(2, i, i + 1), k, v, mask, 0.2f, 0, one));
                assertSameBits("query " + i, one, all.slice(2, i, i + 1));
            }
        }
    }

    /** Keys before keyFrom and from keyTo on are padding: the result is that of the sequence alone, whatever lies there. */
    @ParameterizedTest
    @MethodSource("dev.gatun.ops.ExactKinds#all")
    void paddingDoesNotChangeBits(Kind kind) {
        try (Arena arena = Arena.ofShared()) {
            int keys = 300;
            Tensor q = random(arena, 1, 1, 2, 5, 24);
            Tensor k = random(arena, 2, 1, 2, keys, 24);
            Tensor v = random(arena, 3, 1, 2, keys, 24);
            Tensor alone = nan(arena, 1, 2, 5, 24);
            on(kind, 2, arena, alone, (backend, ops) -> ops.attention(q, k, v, AttentionMask.full(), 0.2f, 0, alone));
            for (int left : new int[] {1, 16, 100, 256}) {
                Tensor paddedK = nan(arena, 1, 2, left + keys + 40, 24);
                Tensor paddedV = nan(arena, 1, 2, left + keys + 40, 24);
                paddedK.slice(2, left, left + keys).copyFrom(k);
                paddedV.slice(2, left, left + keys).copyFrom(v);
                AttentionMask mask = AttentionMask.full().withKeys(new int[] {left}, new int[] {left + keys});
                Tensor padded = nan(arena, 1, 2, 5, 24);
                on(kind, 2, arena, padded, (backend, ops) -> ops.attention(q, paddedK, paddedV, mask, 0.2f, 0, padded));
                assertSameBits("padding " + left, padded, alone);
            }
        }
    }

    /** Large enough to be split over the threads: each row is computed whole, so the cuts do not show. */
    @ParameterizedTest
    @CsvSource({"1,70001", "2,40000", "257,513", "1030,80", "5000,17", "9000,7"})
    void rowsHaveTheSameBitsAtAnyNumberOfThreads(int rows, int cols) {
        try (Arena arena = Arena.ofShared()) {
            Tensor x = random(arena, 1, rows, cols);
            Tensor weight = random(arena, 2, cols);
            Tensor bias = random(arena, 3, cols);
            Tensor other = random(arena, 4, rows, cols);
            int r = cols / 2 / 2 * 2;
            Tensor angles = random(arena, 5, 1, rows, r / 2);
            List<BiConsumer<Ops, Tensor>> operators = List.of(
                    (ops, out) -> ops.softmax(x, out),
                    (ops, out) -> ops.logSoftmax(x, out),
                    (ops, out) -> ops.layerNorm(x, weight, bias, 1e-5f, out),
                    (ops, out) -> ops.layerNorm(x, weight, null, 1e-5f, out),
                    (ops, out) -> ops.rmsNorm(x, weight, 1e-5f, out),
                    (ops, out) -> ops.activate(Activation.GELU, x, out),
                    (ops, out) -> ops.activate(Activation.RELU, x, out),
                    (ops, out) -> ops.add(x, other, out),
                    (ops, out) -> ops.add(x, bias, out),
                    (ops, out) -> ops.multiply(x, other, out),
                    (ops, out) -> ops.scale(0.3f, x, out),
                    (ops, out) -> ops.rope(
                            x.reshape(1, 1, rows, cols), angles, angles, false, out.reshape(1, 1, rows, cols)));
            for (int i = 0; i < operators.size(); i++) {
                BiConsumer<Ops, Tensor> operator = operators.get(i);
                Tensor expected = nan(arena, rows, cols);
                on(Kind.SCALAR, 1, arena, expected, (backend, ops) -> operator.accept(ops, expected));
                for (Kind kind : List.of(Kind.SCALAR, Kind.VECTOR)) {
                    for (int threads : THREADS) {
                        Tensor out = nan(arena, rows, cols);
                        on(kind, threads, arena, out, (backend, ops) -> operator.accept(ops, out));
                        assertSameBits("operator " + i + ", " + kind + ", " + threads + " threads", out, expected);
                    }
                }
                Tensor share = nan(arena, rows, cols);
                on(Kind.VECTOR, 3, arena, share, (backend, ops) -> operator.accept(backend.newOps(arena, 2), share));
                assertSameBits("operator " + i + ", 2 of 3 threads", share, expected);
            }
        }
    }
}
