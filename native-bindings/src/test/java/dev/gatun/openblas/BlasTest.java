package dev.gatun.openblas;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BlasTest {
    private static final float NAN = Float.NaN;
    private final Blas blas = Fixtures.blas();

    @Property(tries = 300)
    void sgemmIsTheProduct(
            @ForAll boolean transA,
            @ForAll boolean transB,
            @ForAll @IntRange(max = 40) int m,
            @ForAll @IntRange(max = 40) int n,
            @ForAll @IntRange(max = 40) int k,
            @ForAll @IntRange(max = 3) int padding,
            @ForAll @IntRange(max = 3) int alphaChoice,
            @ForAll @IntRange(max = 3) int betaChoice,
            @ForAll long seed) {
        float[] factors = {0, 1, -1, 0.5f};
        new Product(transA, transB, m, n, k, padding, factors[alphaChoice], factors[betaChoice], 1, false, seed)
                .check(blas);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "1,384,384", "384,1,384", "384,384,1", "129,257,65", "300,200,150"})
    void sgemmIsTheProductForLargerShapes(int m, int n, int k) {
        for (int i = 0; i < 4; i++) {
            new Product(i % 2 == 1, i / 2 == 1, m, n, k, i, 1, 0.5f, 1, false, i).check(blas);
        }
    }

    @Property(tries = 200)
    void sgemmBatchStridedIsTheProductForEachMatrix(
            @ForAll boolean transA,
            @ForAll boolean transB,
            @ForAll @IntRange(max = 20) int m,
            @ForAll @IntRange(max = 20) int n,
            @ForAll @IntRange(max = 20) int k,
            @ForAll @IntRange(max = 5) int batch,
            @ForAll boolean sideBySide,
            @ForAll long seed) {
        new Product(transA, transB, m, n, k, 1, 0.5f, 0, batch, sideBySide, seed).check(blas);
    }

    @ParameterizedTest
    @CsvSource({"101,101,101", "100,100,100", "1000,1,1001", "1,1024,1024", "64,512,64"})
    void sgemmBatchStridedIsTheProductOnBothSidesOfTheSizeTheLibraryTakes(int m, int n, int k) {
        for (int threads = 1; threads <= 2; threads++) {
            blas.setThreads(threads);
            for (int i = 0; i < 4; i++) {
                new Product(i % 2 == 1, i / 2 == 1, m, n, k, 2, 1, i >= 2 ? 1 : 0, 5, i == 3, i).check(blas);
            }
        }
    }

    @Test
    void aBatchThatSharesAnOperandUsesItThroughout() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment a = arena.allocateFrom(JAVA_FLOAT, 1, 2);
            MemorySegment b = arena.allocateFrom(JAVA_FLOAT, 3, 4, 5, 6);
            MemorySegment c = arena.allocate(JAVA_FLOAT, 2);
            blas.sgemmBatchStrided(false, false, 1, 1, 2, 1, a, 2, 0, b, 1, 2, 0, c, 1, 1, 2);
            assertThat(c.toArray(JAVA_FLOAT)).containsExactly(1 * 3 + 2 * 4, 1 * 5 + 2 * 6);
        }
    }

    @Property(tries = 200)
    void sgemvIsTheProduct(
            @ForAll boolean trans,
            @ForAll @IntRange(min = 1, max = 50) int m,
            @ForAll @IntRange(min = 1, max = 50) int n,
            @ForAll @IntRange(min = 1, max = 3) int incX,
            @ForAll @IntRange(min = 1, max = 3) int incY,
            @ForAll @IntRange(max = 2) int alpha,
            @ForAll @IntRange(max = 2) int beta,
            @ForAll long seed) {
        Random random = new Random(seed);
        int inner = trans ? m : n;
        int outer = trans ? n : m;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment a = random(arena, random, m * (n + 1));
            MemorySegment x = random(arena, random, (inner - 1) * incX + 1);
            MemorySegment y = random(arena, random, (outer - 1) * incY + 1);
            float[] before = y.toArray(JAVA_FLOAT);

            blas.sgemv(trans, m, n, alpha, a, n + 1, x, incX, beta, y, incY);

            for (int i = 0; i < before.length; i++) {
                double expected = before[i];
                double magnitude = Math.abs(expected);
                if (i % incY == 0) {
                    expected *= beta;
                    magnitude *= beta;
                    for (int j = 0; j < inner; j++) {
                        int row = trans ? j : i / incY;
                        int column = trans ? i / incY : j;
                        double term = (double) a.getAtIndex(JAVA_FLOAT, row * (n + 1L) + column)
                                * x.getAtIndex(JAVA_FLOAT, (long) j * incX);
                        expected += alpha * term;
                        magnitude += Math.abs(alpha * term);
                    }
                }
                assertThat((double) y.getAtIndex(JAVA_FLOAT, i))
                        .isCloseTo(expected, within((inner + 3) * 0x1p-24 * magnitude));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1,1,1",
        "1,64,64",
        "64,1,64",
        "64,64,1",
        "5,7,3",
        "16,16,16",
        "96,96,96",
        "101,101,101",
        "300,300,300",
        "7,9,0"
    })
    void aNanInTheOutputDoesNotSpreadWhereBetaIsZero(int m, int n, int k) {
        try (Arena arena = Arena.ofConfined()) {
            for (int i = 0; i < 4; i++) {
                boolean transA = i % 2 == 1;
                boolean transB = i / 2 == 1;
                MemorySegment a = filled(arena, m * k, 1);
                MemorySegment b = filled(arena, n * k, 1);
                MemorySegment c = filled(arena, 3 * m * n, NAN);
                int lda = Math.max(1, transA ? m : k);
                int ldb = transB ? Math.max(1, k) : n;

                blas.sgemm(transA, transB, m, n, k, 1, a, lda, b, ldb, 0, c, n);
                assertThat(c.asSlice(0, 4L * m * n).toArray(JAVA_FLOAT)).containsOnly(k);

                c.fill((byte) 0xFF);
                blas.sgemmBatchStrided(transA, transB, m, n, k, 1, a, lda, 0, b, ldb, 0, 0, c, n, m * n, 3);
                assertThat(c.toArray(JAVA_FLOAT)).containsOnly(k);
            }
            if (k > 0) {
                MemorySegment y = filled(arena, m, NAN);
                blas.sgemv(false, m, k, 1, filled(arena, m * k, 1), k, filled(arena, k, 1), 1, 0, y, 1);
                assertThat(y.toArray(JAVA_FLOAT)).containsOnly(k);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 120})
    void theFactorsAreNotReadWhereAlphaIsZero(int size) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment nan = filled(arena, size * size, NAN);
            MemorySegment c = filled(arena, size * size, 3);
            blas.sgemm(false, false, size, size, size, 0, nan, size, nan, size, 2, c, size);
            assertThat(c.toArray(JAVA_FLOAT)).containsOnly(6);
            blas.sgemmBatchStrided(false, false, size, size, size, 0, nan, size, 0, nan, size, 0, 2, c, size, 0, 1);
            assertThat(c.toArray(JAVA_FLOAT)).containsOnly(12);
            blas.sgemv(false, size, size, 0, nan, size, nan, 1, 0.5f, c, 1);
            assertThat(c.asSlice(0, size * 4L).toArray(JAVA_FLOAT)).containsOnly(6);
        }
    }

    @Test
    void emptySizesTouchNothing() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment none = arena.allocate(0);
            MemorySegment c = filled(arena, 6, 7);
            blas.sgemm(false, false, 0, 3, 2, 1, none, 2, filled(arena, 6, 1), 3, 0, c, 3);
            blas.sgemm(false, false, 2, 0, 2, 1, filled(arena, 4, 1), 2, none, 1, 0, c, 3);
            blas.sgemmBatchStrided(false, false, 2, 3, 2, 1, none, 2, 9, none, 3, 9, 0, c, 3, 6, 0);
            blas.sgemmBatchStrided(false, false, 0, 3, 2, 1, none, 2, 9, filled(arena, 6, 1), 3, 0, 0, c, 3, 6, 4);
            blas.sgemv(false, 2, 0, 1, none, 1, none, 1, 0, c, 1);
            blas.sgemv(true, 0, 2, 1, none, 2, none, 1, 0, c, 1);
            assertThat(c.toArray(JAVA_FLOAT)).containsOnly(7);

            // The inner size is 0: nothing is added, but beta applies.
            blas.sgemm(false, false, 2, 3, 0, 1, none, 1, none, 3, 2, c, 3);
            assertThat(c.toArray(JAVA_FLOAT)).containsOnly(14);
            blas.sgemmBatchStrided(false, false, 1, 3, 0, 1, none, 1, 99, none, 3, 99, 0, c, 3, 3, 2);
            assertThat(c.toArray(JAVA_FLOAT)).containsOnly(0);
        }
    }

    @Test
    void sizesThatLeaveASegmentAreRefusedWithTheNumbers() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment s = filled(arena, 12, 1);
            assertRefused(
                    "sgemm: a [3, 4] with leading dimension 5 needs 14 floats, its segment has 12",
                    () -> blas.sgemm(false, false, 3, 1, 4, 1, s, 5, s, 1, 0, s, 1));
            assertRefused(
                    "sgemm: a [3, 4] with leading dimension 3: the leading dimension must be at least 4",
                    () -> blas.sgemm(false, false, 3, 1, 4, 1, s, 3, s, 1, 0, s, 1));
            assertRefused(
                    "sgemm: a [4, 3] with leading dimension 2: the leading dimension must be at least 3",
                    () -> blas.sgemm(true, false, 3, 1, 4, 1, s, 2, s, 1, 0, s, 1));
            assertRefused(
                    "sgemm: b [4, 4] with leading dimension 4 needs 16 floats, its segment has 12",
                    () -> blas.sgemm(false, false, 1, 4, 4, 1, s, 4, s, 4, 0, s, 4));
            assertRefused(
                    "sgemm: c [4, 4] with leading dimension 4 needs 16 floats, its segment has 12",
                    () -> blas.sgemm(false, false, 4, 4, 1, 1, s, 1, s, 4, 0, s, 4));
            assertRefused(
                    "sgemm: a [1, 1] with leading dimension 0: the leading dimension must be at least 1",
                    () -> blas.sgemm(false, false, 1, 1, 1, 1, s, 0, s, 1, 0, s, 1));
            assertRefused(
                    "sgemm: m is -1, must not be negative",
                    () -> blas.sgemm(false, false, -1, 1, 1, 1, s, 1, s, 1, 0, s, 1));
            assertRefused(
                    "sgemm: n is -2, must not be negative",
                    () -> blas.sgemm(false, false, 1, -2, 1, 1, s, 1, s, 1, 0, s, 1));
            assertRefused(
                    "sgemm: k is -3, must not be negative",
                    () -> blas.sgemm(false, false, 1, 1, -3, 1, s, 1, s, 1, 0, s, 1));
            int max = Integer.MAX_VALUE;
            assertRefused(
                    "needs 4611686014132420609 floats, its segment has 12",
                    () -> blas.sgemm(false, false, max, max, max, 1, s, max, s, max, 0, s, max));
            assertRefused(
                    "sgemm: a [1, 1] with leading dimension 1 needs 1 floats, its segment has 0",
                    () -> blas.sgemm(false, false, 1, 1, 1, 1, s.asSlice(0, 3), 1, s, 1, 0, s, 1));
            assertRefused(
                    "sgemv: x [4, 1] with leading dimension 4 needs 13 floats, its segment has 12",
                    () -> blas.sgemv(false, 1, 4, 1, s, 4, s, 4, 0, s, 1));
            assertRefused(
                    "sgemv: y [4, 1] with leading dimension 4 needs 13 floats, its segment has 12",
                    () -> blas.sgemv(true, 1, 4, 1, s, 4, s, 1, 0, s, 4));
            assertRefused(
                    "sgemv: x [1, 1] with leading dimension -1: the leading dimension must be at least 1",
                    () -> blas.sgemv(false, 1, 1, 1, s, 1, s, -1, 0, s, 1));
        }
    }

    @Test
    void stridesThatLeaveASegmentOrOverlapAreRefusedWithTheNumbers() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment s = filled(arena, 12, 1);
            assertRefused(
                    "sgemmBatchStrided: a [2, 2] with leading dimension 2, 3 times with stride 5 needs 14 floats",
                    () -> blas.sgemmBatchStrided(false, false, 2, 1, 2, 1, s, 2, 5, s, 1, 2, 0, s, 1, 2, 3));
            assertRefused(
                    "sgemmBatchStrided: c [2, 2] with leading dimension 2, 3 times with stride 5 needs 14 floats",
                    () -> blas.sgemmBatchStrided(false, false, 2, 2, 2, 1, s, 2, 0, s, 2, 0, 0, s, 2, 5, 3));
            assertRefused(
                    "strideA is -1, must not be negative",
                    () -> blas.sgemmBatchStrided(false, false, 1, 1, 1, 1, s, 1, -1, s, 1, 0, 0, s, 1, 1, 2));
            assertRefused(
                    "batch is -1, must not be negative",
                    () -> blas.sgemmBatchStrided(false, false, 1, 1, 1, 1, s, 1, 1, s, 1, 0, 0, s, 1, 1, -1));
            assertRefused(
                    "the 2 matrices c [2, 2] with ldc 3 and strideC 3 overlap: strideC must be at least"
                            + " (m - 1) * ldc + n = 5, or at least n with (batch - 1) * strideC + n at most ldc",
                    () -> blas.sgemmBatchStrided(false, false, 2, 2, 1, 1, s, 1, 0, s, 2, 0, 0, s, 3, 3, 2));
            int max = Integer.MAX_VALUE;
            assertRefused(
                    "times with stride 2147483647 needs 9223372026117357571 floats, its segment has 12",
                    () -> blas.sgemmBatchStrided(
                            false, false, max, max, max, 1, s, max, max, s, max, max, 0, s, max, max, max));
        }
    }

    @Test
    void memoryThatNativeCodeMustNotTouchIsRefused() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment s = filled(arena, 4, 1);
            MemorySegment heap = MemorySegment.ofArray(new float[4]);
            assertRefused(
                    "sgemm: a lies on the heap, must be off-heap memory",
                    () -> blas.sgemm(false, false, 1, 1, 1, 1, heap, 1, s, 1, 0, s, 1));
            assertRefused(
                    "sgemm: c is read-only, native code would write to it",
                    () -> blas.sgemm(false, false, 1, 1, 1, 1, s, 1, s, 1, 0, s.asReadOnly(), 1));
            assertRefused(
                    "sgemv: y is read-only, native code would write to it",
                    () -> blas.sgemv(false, 1, 1, 1, s, 1, s, 1, 0, s.asReadOnly(), 1));
            assertRefused(
                    "must be a multiple of 4",
                    () -> blas.sgemm(false, false, 1, 1, 1, 1, s, 1, s.asSlice(2), 1, 0, s, 1));
        }
    }

    private static void assertRefused(String message, Runnable call) {
        assertThatIllegalArgumentException().isThrownBy(call::run).withMessageContaining(message);
    }

    @Test
    void callsAllocateNothingAfterWarmUp() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (Arena arena = Arena.ofShared()) {
            MemorySegment a = filled(arena, 64, 1);
            MemorySegment c = filled(arena, 64, 1);
            long bytes = Long.MAX_VALUE;
            // The first rounds run before the JIT compiler is done and build method handles.
            for (int round = 0; round < 20 && bytes >= 1000; round++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 1000; i++) {
                    blas.sgemm(false, true, 4, 4, 4, 1, a, 4, a, 4, 0, c, 4);
                    blas.sgemv(false, 4, 4, 1, a, 4, a, 1, 0, c, 1);
                }
                bytes = threads.getCurrentThreadAllocatedBytes() - before;
            }
            // 2000 calls in a round: less than a byte a call, which is what the measurement itself takes.
            assertThat(bytes).isLessThan(1000);
        }
    }

    @Test
    void closingTheMemoryOfARunningProductWaitsOrRefuses() throws Exception {
        int size = 1200;
        blas.setThreads(2);
        for (int round = 0; round < 3; round++) {
            Arena arena = Arena.ofShared();
            MemorySegment a = filled(arena, size * size, 1);
            MemorySegment c = filled(arena, size * size, 0);
            CountDownLatch started = new CountDownLatch(1);
            try (ExecutorService executor = Executors.newSingleThreadExecutor()) {
                Future<Integer> product = executor.submit(() -> {
                    for (int calls = 0; ; calls++) {
                        try {
                            started.countDown();
                            blas.sgemm(false, false, size, size, size, 1, a, size, a, size, 0, c, size);
                        } catch (IllegalStateException e) {
                            return calls;
                        }
                    }
                });
                started.await();
                boolean closed = false;
                while (!closed) {
                    try {
                        arena.close();
                        closed = true;
                    } catch (IllegalStateException running) {
                        assertThat(running).hasMessageContaining("acquired");
                        Thread.onSpinWait();
                    }
                }
                assertThat(product.get()).isNotNegative();
            }
            assertThatIllegalStateException()
                    .isThrownBy(() -> blas.sgemm(false, false, 1, 1, 1, 1, a, 1, a, 1, 0, c, 1))
                    .withMessageContaining("closed");
            assertThatIllegalStateException()
                    .isThrownBy(
                            () -> blas.sgemmBatchStrided(false, false, 9, 9, 9, 1, a, 9, 0, a, 9, 0, 0, c, 9, 99, 2))
                    .withMessageContaining("closed");
            assertThatIllegalStateException()
                    .isThrownBy(() -> blas.sgemv(false, 1, 1, 1, a, 1, a, 1, 0, c, 1))
                    .withMessageContaining("closed");
        }
    }

    @Test
    void productsOfSeveralThreadsAtOnceAreRight() throws Exception {
        blas.setThreads(2);
        try (ExecutorService executor = Executors.newFixedThreadPool(4)) {
            for (Future<?> done : IntStream.range(0, 4)
                    .<Future<?>>mapToObj(i -> executor.submit(() -> {
                        for (int round = 0; round < 5; round++) {
                            new Product(false, true, 110, 120, 130, 0, 1, 0, 3, false, i).check(blas);
                            new Product(false, true, 20 + i, 30, 40, 0, 1, 0, 3, false, i).check(blas);
                        }
                    }))
                    .toList()) {
                done.get();
            }
        }
    }

    @Test
    void threadsAreSetReadBackAndShown() {
        assertThat(blas.setThreads(2)).isEqualTo(2);
        assertThat(blas.threads()).isEqualTo(2);
        assertThat(blas.status().threads()).isEqualTo(2);
        assertThat(blas.setThreads(1)).isEqualTo(1);
        assertThat(blas.status().threads()).isEqualTo(1);
        // The build has room for 64.
        assertThat(blas.setThreads(100_000)).isEqualTo(64);
        assertThat(blas.setThreads(1)).isEqualTo(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> blas.setThreads(0))
                .withMessage("threads is 0, must be at least 1");
    }

    @Test
    void theStatusSaysWhatWasLoadedFromWhere() {
        BlasStatus status = blas.status();
        assertThat(status.origin()).matches("org\\.bytedeco:openblas:0\\.3\\.31-1\\.5\\.13:[a-z]+-(x86_64|arm64)");
        assertThat(status.file()).isRegularFile().startsWith(Fixtures.CACHE);
        assertThat(status.config()).startsWith("OpenBLAS 0.3.31");
        assertThat(status.coreName()).isNotEmpty().isNotEqualTo("unknown");
    }

    private static MemorySegment random(Arena arena, Random random, int floats) {
        MemorySegment segment = arena.allocate(JAVA_FLOAT, floats);
        for (int i = 0; i < floats; i++) segment.setAtIndex(JAVA_FLOAT, i, random.nextFloat() * 2 - 1);
        return segment;
    }

    private static MemorySegment filled(Arena arena, int floats, float value) {
        MemorySegment segment = arena.allocate(JAVA_FLOAT, floats);
        for (int i = 0; i < floats; i++) segment.setAtIndex(JAVA_FLOAT, i, value);
        return segment;
    }
}
