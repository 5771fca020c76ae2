package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Quantizer;
import dev.gatun.memory.Tensor;
import dev.gatun.openblas.OpenBlasLibrary;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.Backend.Options;
import dev.gatun.ops.Pick.Timing;
import dev.gatun.ops.PickTable.Shape;
import dev.gatun.ops.internal.OpenBlasMatMul;
import dev.gatun.ops.internal.Rows;
import dev.gatun.ops.internal.RowsKernel;
import dev.gatun.ops.internal.SwitchingRows;
import dev.gatun.ops.internal.TileScratches;
import dev.gatun.ops.internal.VectorRows;
import dev.gatun.ops.internal.WorkerPool;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Choices are put in by hand or by a table: which kernel is faster on the machine that runs the tests must not matter. */
class AutoTest {
    private static final int M = 9;
    private static final int N = 70;
    private static final int K = 40;

    @TempDir
    Path folder;

    private PickTable table() {
        return PickTable.in(folder, "this machine");
    }

    private Auto open(int threads) {
        return new Auto(
                new OpenBlasMatMul(OpenBlasLibrary::load, true), null, this::table, (stopped, rest) -> new AtOnce());
    }

    /** Says that kernels are compiled without a look at them: how long C2 takes must not matter here. */
    private static final class AtOnce implements Kernels {
        private final Rows rows = new VectorRows();

        @Override
        public boolean linear(int m, WeightShape weight) {
            return true;
        }

        @Override
        public boolean attention(int group, int queries, int keys, int dK, int dV) {
            return true;
        }

        @Override
        public boolean rows(RowsKernel kernel) {
            return true;
        }

        @Override
        public Rows rows() {
            return rows;
        }

        @Override
        public void close() {}
    }

    private static Ops ops(Auto auto, WorkerPool pool, Arena arena) {
        var tiles = new TileScratches();
        return new Ops(
                auto.vector(), auto.vector(), auto.rows(), pool, tiles, arena, new AutoOps(auto, pool, tiles, arena));
    }

    private static Tensor vectorLinear(Arena arena, Tensor x, Tensor weight, @Nullable Tensor bias) {
        Tensor out = nan(arena, x.dim(0), weight.dim(0));
        try (Backend vector = Backend.open(new Options(Kind.VECTOR, 1, null))) {
            vector.newOps(arena).linear(x, vector.pack(weight, arena), bias, out);
        }
        return out;
    }

    /** Calls until the background has done its part. */
    private static void until(Runnable call, BooleanSupplier done) {
        long end = System.nanoTime() + 60_000_000_000L;
        call.run();
        while (!done.getAsBoolean()) {
            call.run();
            if (System.nanoTime() - end > 0) {
                throw new AssertionError("not within a minute");
            }
        }
    }

    @Test
    void aShapeThatTheTableGivesToVectorGoesThereOnceItsKernelsAreCompiledAndItsPanelsFilled() throws IOException {
        table().write(Map.of(new Shape("linear", AutoShapes.ofRows(M), N, K), new Timing(true, 2, 1)));
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(2);
                Auto auto = open(2)) {
            assertThat(auto.decisions())
                    .containsExactly(
                            new Decision("linear", M, 16, N, K, auto.vector().name(), 2.0, 1.0, true));
            Ops ops = ops(auto, pool, arena);
            Tensor x = random(arena, 1, M, K);
            Tensor weight = random(arena, 2, N, K);
            Tensor bias = random(arena, 3, N);
            var packed = (AutoWeight) auto.pack(weight, arena);
            Tensor first = nan(arena, M, N);
            ops.linear(x, packed, bias, first);
            Tensor vector = vectorLinear(arena, x, weight, bias);
            assertClose("first call", first, vector, 1e-4);
            Tensor later = nan(arena, M, N);
            until(
                    () -> ops.linear(x, packed, bias, later),
                    () -> packed.panels() != null && packed.pick(M).isDecided());
            ops.linear(x, packed, bias, later);
            assertSameBits("later call", later, vector);
        }
    }

    @Test
    void kernelsThatComeFirstNeedNoLibraryUntilOneIsTried() throws Exception {
        var asked = new AtomicInteger();
        var openBlas = new OpenBlasMatMul(
                () -> {
                    asked.incrementAndGet();
                    return OpenBlasLibrary.load();
                },
                true);
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(2);
                var auto = new Auto(openBlas, new VectorRows(), this::table, (stopped, rest) -> new AtOnce())) {
            Ops ops = ops(auto, pool, arena);
            Tensor x = random(arena, 1, M, K);
            Tensor weight = random(arena, 2, N, K);
            var packed = (AutoWeight) auto.pack(weight, arena);
            Tensor out = nan(arena, M, N);
            ops.linear(x, packed, null, out);
            Tensor expected = vectorLinear(arena, x, weight, null);
            assertSameBits("first call", out, expected);
            ops.matmul(x, weight.transpose(0, 1), out);
            assertClose("of activations", out, expected, 1e-4);
            assertThat(asked).hasValue(0);
            until(() -> ops.linear(x, packed, null, out), () -> packed.pick(M).isDecided());
            assertThat(asked).hasPositiveValue();
            assertClose("decided", out, expected, 1e-4);
        }
        assertThat(table().read()).hasSize(1);
    }

    @Test
    void whereThereIsNoLibraryKernelsThatComeFirstGoOn() {
        var openBlas = new OpenBlasMatMul(
                () -> {
                    throw new BackendUnavailableException("none");
                },
                true);
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(1);
                var auto = new Auto(openBlas, new VectorRows(), this::table, (stopped, rest) -> new AtOnce())) {
            Ops ops = ops(auto, pool, arena);
            Tensor x = random(arena, 1, M, K);
            Tensor weight = random(arena, 2, N, K);
            var packed = (AutoWeight) auto.pack(weight, arena);
            Tensor out = nan(arena, M, N);
            until(() -> ops.linear(x, packed, null, out), () -> packed.pick(M).isDecided());
            ops.linear(x, packed, null, out);
            assertSameBits("without", out, vectorLinear(arena, x, weight, null));
        }
    }

    @Test
    void aShapeThatTheTableGivesToOpenBlasStaysThere() throws IOException {
        table().write(Map.of(new Shape("linear", AutoShapes.ofRows(M), N, K), new Timing(false, 1, 2)));
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(1);
                Auto auto = open(1)) {
            auto.decisions(); // waits for the table
            var packed = (AutoWeight) auto.pack(random(arena, 2, N, K), arena);
            Ops ops = ops(auto, pool, arena);
            Tensor x = random(arena, 1, M, K);
            Tensor first = nan(arena, M, N);
            ops.linear(x, packed, null, first);
            for (int i = 0; i < 100; i++) {
                Tensor again = nan(arena, M, N);
                ops.linear(x, packed, null, again);
                assertSameBits("call " + i, again, first);
                assertThat(packed.pick(M).next()).isZero();
            }
        }
    }

    @Test
    void anUnknownShapeIsTriedDecidedAndWrittenForTheNextProcess() throws IOException {
        Shape shape = new Shape("linear", AutoShapes.ofRows(M), N, K);
        String chosen;
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(2);
                Auto auto = open(2)) {
            assertThat(auto.decisions()).isEmpty();
            Ops ops = ops(auto, pool, arena);
            Tensor x = random(arena, 1, M, K);
            Tensor weight = random(arena, 2, N, K);
            Tensor expected = vectorLinear(arena, x, weight, random(arena, 3, N));
            var packed = (AutoWeight) auto.pack(weight, arena);
            Tensor bias = random(arena, 3, N);
            Tensor out = nan(arena, M, N);
            ops.linear(x, packed, bias, out);
            assertThat(auto.decisions())
                    .containsExactly(new Decision("linear", M, 16, N, K, "undecided", 0.0, 0.0, false));
            until(
                    () -> {
                        ops.linear(x, packed, bias, out);
                        assertClose("any call", out, expected, 1e-4);
                    },
                    () -> packed.pick(M).isDecided());
            chosen = auto.decisions().getFirst().chosen();
        }
        Timing written = table().read().get(shape);
        assertThat(written).isNotNull();
        assertThat(written.vector()).isEqualTo(!chosen.equals("openblas"));
        assertThat(written.openBlasNanos()).isPositive();
        assertThat(written.vectorNanos()).isPositive();
    }

    @Test
    void attentionIsPickedByItsOwnShape() throws IOException {
        Map<Shape, Timing> all = new HashMap<>();
        all.put(new Shape("attention/2", AutoShapes.ofRows(5), AutoShapes.ofKeys(33), 24), new Timing(true, 2, 1));
        table().write(all);
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(2);
                Auto auto = open(2)) {
            auto.decisions();
            Ops ops = ops(auto, pool, arena);
            Tensor q = random(arena, 1, 1, 4, 5, 24);
            Tensor k = random(arena, 2, 1, 2, 33, 24);
            Tensor v = random(arena, 3, 1, 2, 33, 24);
            Tensor expected = nan(arena, 1, 4, 5, 24);
            try (Backend scalar = Backend.open(new Options(Kind.SCALAR, 1, null))) {
                scalar.newOps(arena).attention(q, k, v, AttentionMask.full(), 0.2f, 0, expected);
            }
            Tensor out = nan(arena, 1, 4, 5, 24);
            Pick pick = auto.attention(2, 5, 33, 24, 24);
            assertThat(auto.attention(2, 6, 40, 24, 24)).as("the same class").isSameAs(pick);
            assertThat(auto.attention(1, 5, 33, 24, 24)).as("other heads").isNotSameAs(pick);
            until(
                    () -> {
                        ops.attention(q, k, v, AttentionMask.full(), 0.2f, 0, out);
                        assertClose("any call", out, expected, 3e-5);
                    },
                    pick::isDecided);
            ops.attention(q, k, v, AttentionMask.full(), 0.2f, 0, out);
            assertSameBits("by vector", out, expected);
        }
    }

    @Test
    void rowsChangeOverWithoutAnyoneSeeingIt() {
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(1);
                Auto auto = open(1)) {
            Ops ops = ops(auto, pool, arena);
            Tensor x = random(arena, 1, 7, 100);
            Tensor first = nan(arena, 7, 100);
            ops.softmax(x, first);
            Tensor later = nan(arena, 7, 100);
            until(
                    () -> ops.softmax(x, later),
                    () -> ((SwitchingRows) auto.rows())
                            .chosen(RowsKernel.SOFTMAX)
                            .name()
                            .equals("vector"));
            ops.softmax(x, later);
            assertSameBits("by vector", later, first);
            assertThat(((SwitchingRows) auto.rows()).chosen(RowsKernel.ROPE).name())
                    .as("never called")
                    .isEqualTo("scalar");
        }
    }

    @Test
    void everyRowsKernelCanBeCalledOnInventedData() {
        try (Arena arena = Arena.ofShared();
                Auto auto = open(1)) {
            var data = new RowsKernel.Data(arena);
            for (RowsKernel kernel : RowsKernel.values()) {
                kernel.run(auto.rows(), data);
            }
        }
    }

    @Test
    void aDamagedTableIsIgnoredAndReplaced() throws IOException {
        Files.createDirectories(table().file().getParent());
        Files.writeString(table().file(), "gatun picks 1\nkey this machine\nlinear 4 70 40 vec");
        try (Auto auto = open(1)) {
            assertThat(auto.decisions()).isEmpty();
            decide(auto);
        }
        assertThat(table().read()).hasSize(1);
    }

    @Test
    void aCacheFolderThatCannotBeWrittenIsNoError() throws IOException {
        Files.writeString(folder.resolve("auto"), "a file where the folder should be");
        try (Auto auto = open(1)) {
            assertThat(auto.decisions()).isEmpty();
            decide(auto);
            assertThat(auto.decisions()).hasSize(1);
        }
    }

    /** Reports invented times until a shape is decided. */
    private static void decide(Auto auto) {
        Pick pick = auto.attention(1, 1, 1, 8, 8);
        pick.ready();
        while (auto.timings().isEmpty()) {
            pick.report(pick.next(), 1);
        }
    }

    @Test
    void aTableThatCannotEvenBeLookedForIsNoError() {
        var openBlas = new OpenBlasMatMul(OpenBlasLibrary::load, true);
        AutoThread.TableSource nowhere = () -> {
            throw new IOException("no CPU");
        };
        try (Auto auto = new Auto(openBlas, null, nowhere, KernelCompiler::new)) {
            assertThat(auto.decisions()).isEmpty();
        }
    }

    @Test
    void closingEndsTheThreadWhateverItDoes() throws InterruptedException {
        for (int pause : new int[] {0, 1, 50, 300}) { // until the Vector API, the table, the grace, C2
            var auto =
                    new Auto(new OpenBlasMatMul(OpenBlasLibrary::load, true), null, this::table, KernelCompiler::new);
            try (Arena arena = Arena.ofShared();
                    var pool = new WorkerPool(2)) {
                Ops ops = ops(auto, pool, arena);
                Tensor x = random(arena, 1, M, K);
                PackedWeight packed = auto.pack(random(arena, 2, N, K), arena);
                Tensor out = nan(arena, M, N);
                Tensor expected = nan(arena, M, N);
                ops.linear(x, packed, null, expected);
                Thread.sleep(pause);
                auto.close();
                assertThat(threads()).isZero();
                ops.linear(x, packed, null, out);
                assertClose("after closing", out, expected, 1e-4);
            }
        }
    }

    @Test
    void kernelsOfAnyKindAreCalledUntilTheyAreStopped() {
        for (WeightShape weight : List.of(
                WeightShape.f32(70, 600),
                new WeightShape(DType.BF16, null, 50, 41),
                new WeightShape(null, BlockFormat.Q4_K, 50, 512))) {
            var calls = new AtomicInteger();
            try (var compiler = new KernelCompiler(() -> calls.incrementAndGet() > 20, () -> {})) {
                assertThat(compiler.linear(3, weight))
                        .as("%s, stopped after 20 looks", weight)
                        .isFalse();
            }
        }
    }

    @Test
    void warmingUpSaysHowFarItIs() {
        List<Integer> steps = new ArrayList<>();
        for (Kind kind : List.of(Kind.SCALAR, Kind.OPENBLAS)) {
            try (Backend backend = Backend.open(new Options(kind, 1, null))) {
                backend.warmUp((done, of) -> steps.add(done));
                assertThat(steps).as("%s needs none", kind).isEmpty();
            }
        }
    }

    private static long threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("gatun-auto"))
                .count();
    }

    @Test
    void aModelMayBeClosedWhileItsPanelsAreFilled() {
        try (var pool = new WorkerPool(1);
                Auto auto = open(1)) {
            for (int i = 0; i < 20; i++) {
                try (Arena arena = Arena.ofShared()) {
                    var packed = (AutoWeight) auto.pack(random(arena, 2, 500, 300), arena);
                    ops(auto, pool, arena).linear(random(arena, 1, M, 300), packed, null, nan(arena, M, 500));
                }
            }
            assertThat(auto.decisions()).hasSize(1);
            try (Arena arena = Arena.ofShared()) { // the thread has survived it
                var packed = (AutoWeight) auto.pack(random(arena, 2, N, K), arena);
                until(packed::panels, () -> packed.panels() != null);
            }
        }
    }

    @Test
    void weightsThatOnlyThisThreadMayReadArePackedAtOnce() {
        try (Arena arena = Arena.ofConfined();
                Auto auto = open(1)) {
            var packed = (AutoWeight) auto.pack(random(arena, 2, N, K), arena);
            assertThat(packed.panels()).isNotNull();
        }
    }

    @Test
    void aTransposedWeightIsForVectorAlone() {
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(2);
                Auto auto = open(2)) {
            Tensor x = random(arena, 1, M, K);
            Tensor weight = random(arena, 3, K, N).transpose(0, 1);
            PackedWeight packed = auto.pack(weight, arena);
            assertThat(packed).isNotInstanceOf(AutoWeight.class);
            Tensor out = nan(arena, M, N);
            ops(auto, pool, arena).linear(x, packed, null, out);
            assertSameBits("transposed", out, vectorLinear(arena, x, weight, null));
        }
    }

    @Test
    void aWeightThatOpenBlasHasToWidenGoesOverToVector() {
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(2);
                Auto auto = open(2);
                Backend vector = Backend.open(new Options(Kind.VECTOR, 1, null))) {
            Tensor floats = random(arena, 2, 300, 64);
            QuantizedMatrix blocks = Quantizer.quantize(floats, BlockFormat.Q4_0, arena);
            Tensor halves = Quantizer.toBf16(floats, arena);
            Tensor x = random(arena, 1, M, 64);
            check(auto, pool, arena, x, auto.packInPlace(blocks, arena), vector.pack(blocks, arena), vector);
            PackedWeight widened = auto.pack(halves, arena);
            assertThat(widened).isInstanceOf(AutoWeight.class);
            check(auto, pool, arena, x, widened, vector.pack(halves, arena), vector);
        }
    }

    /** Linear, gated and added to a residual: near the vector kernels' result at first, and their bits at last. */
    private static void check(
            Auto auto, WorkerPool pool, Arena arena, Tensor x, PackedWeight packed, PackedWeight own, Backend vector) {
        Ops ops = ops(auto, pool, arena);
        Tensor expected = nan(arena, M, 300);
        vector.newOps(arena).linearGated(x, own, null, Activation.SILU, own, null, expected);
        vector.newOps(arena).linearAdd(x, own, null, expected, expected);
        Tensor out = nan(arena, M, 300);
        Runnable call = () -> {
            ops.linearGated(x, packed, null, Activation.SILU, packed, null, out);
            ops.linearAdd(x, packed, null, out, out);
        };
        call.run();
        float[] first = out.toFloats();
        float[] wanted = expected.toFloats();
        for (int i = 0; i < first.length; i++) {
            assertThat(first[i]).isCloseTo(wanted[i], within(1e-3f));
        }
        if (packed instanceof AutoWeight weight) { // blocks that machine code packs go to it from the first call
            until(call, () -> weight.isCompiled(M) && weight.panels() != null);
            call.run();
        }
        assertSameBits(packed.toString(), out, expected);
    }

    @Test
    void sessionsMayTryOneShapeAtOnce() throws InterruptedException {
        try (Arena arena = Arena.ofShared();
                var pool = new WorkerPool(2);
                Auto auto = open(2)) {
            var packed = (AutoWeight) auto.pack(random(arena, 2, N, K), arena);
            for (int i = 0; i < AutoShapes.ROWS; i++) {
                packed.pick(1 << i).ready();
            }
            Tensor x = random(arena, 1, M, K);
            Tensor expected = nan(arena, M, N);
            ops(auto, pool, arena).linear(x, packed, null, expected);
            var failures = new AtomicInteger();
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                Ops ops = ops(auto, pool, arena);
                Tensor out = nan(arena, M, N);
                threads.add(Thread.ofVirtual().start(() -> {
                    for (int j = 0; j < 50; j++) {
                        ops.linear(x, packed, null, out);
                        for (int at = 0; at < M; at++) {
                            if (Math.abs(out.getFloat(at, 0) - expected.getFloat(at, 0)) > 1e-4) {
                                failures.incrementAndGet();
                            }
                        }
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(failures).hasValue(0);
        }
    }
}
