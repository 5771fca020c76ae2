package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.BlasInfo;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.Backend.Options;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class BackendTest {
    @TempDir
    Path folder;

    /** An arena that adds up what is taken from it. */
    private static final class CountingArena implements Arena {
        private final Arena arena = Arena.ofShared();
        private long bytes;

        @Override
        public MemorySegment allocate(long byteSize, long byteAlignment) {
            bytes += byteSize;
            return arena.allocate(byteSize, byteAlignment);
        }

        @Override
        public MemorySegment.Scope scope() {
            return arena.scope();
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "SCALAR,scalar,scalar,2",
        "VECTOR,vector,vector,1",
        "OPENBLAS,openblas,vector,2",
        "AUTO,auto,auto|machine,3" // where there is machine code for rows
    })
    void aBackendSaysWhoComputes(Kind kind, String matMul, String rowsPattern, int threads) {
        try (Backend backend = Backend.open(Options.defaults().with(kind).withThreads(threads))) {
            String rows = backend.rowsName();
            assertThat(backend.matMulName()).isEqualTo(matMul);
            assertThat(rows).matches(rowsPattern);
            assertThat(backend.threads()).isEqualTo(threads);
            assertThat(backend.reason()).isNotBlank();
            assertThat(backend).hasToString(matMul + " products, " + rows + " rows, " + threads + " threads");
            if (kind == Kind.OPENBLAS || kind == Kind.AUTO) {
                BlasInfo info = Objects.requireNonNull(backend.blasInfo());
                assertThat(info.origin()).contains("openblas");
                assertThat(info.file()).isRegularFile();
                assertThat(info.config()).contains("OpenBLAS");
                // Of auto, our own threads share the work, each with a BLAS of one thread.
                assertThat(info.threads()).isEqualTo(kind == Kind.AUTO ? 1 : threads);
            } else {
                assertThat(backend.blasInfo()).isNull();
            }
        }
    }

    @Test
    void defaultsAreAutoOnAllProcessors() {
        assertThat(Options.defaults())
                .isEqualTo(new Options(Kind.AUTO, Runtime.getRuntime().availableProcessors(), null));
        assertThat(Kind.OPENBLAS).hasToString("openblas");
    }

    @ParameterizedTest
    @EnumSource
    void thereAreOneTo1024Threads(Kind kind) {
        for (int threads : new int[] {Integer.MIN_VALUE, -1, 0, 1025}) {
            assertThatThrownBy(() -> Backend.open(new Options(kind, threads, null)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("threads " + threads + ": must be 1 to 1024");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"OPENBLAS", "AUTO"})
    void aBlasThatWasAskedForAndIsNotThereIsAnErrorThatSaysWhatToDo(Kind kind) throws IOException {
        Path missing = folder.resolve("libmissing.so");
        Path noLibrary = Files.writeString(folder.resolve("libtext.so"), "not a library");
        for (Path path : List.of(missing, noLibrary)) {
            assertThatThrownBy(() -> Backend.open(new Options(kind, 1, path)))
                    .isInstanceOf(BackendUnavailableException.class)
                    .hasMessageContaining(path.getFileName().toString())
                    .hasMessageMatching("(?s).*(--blas|choose|name|check|give|use|install).*")
                    .hasCauseInstanceOf(RuntimeException.class);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aWeightOfAnyFloatTypeIsComputedAsItsWidenedCopy(Kind kind) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            Tensor x = random(arena, 1, 3, 37);
            for (DType type : List.of(DType.F16, DType.BF16, DType.F64)) {
                Tensor weight = TestTensors.as(arena, type, random(arena, 2, 51, 37));
                Tensor widened = Tensor.allocate(arena, DType.F32, weight.shape());
                widened.copyFrom(weight);
                Tensor actual = nan(arena, 3, 51);
                Tensor expected = nan(arena, 3, 51);
                ops.linear(x, backend.pack(weight, arena), null, actual);
                ops.linear(x, backend.pack(widened, arena), null, expected);
                if (kind == Kind.OPENBLAS || kind == Kind.AUTO) {
                    assertClose(type.toString(), actual, expected, 1e-5);
                } else {
                    assertSameBits(type.toString(), actual, expected);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aWeightMayBeAnyView(Kind kind) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            Tensor x = random(arena, 1, 3, 37);
            for (Tensor weight : List.of(
                    random(arena, 2, 37, 51).transpose(0, 1), // as GPT-2's checkpoint has it
                    random(arena, 3, 51, 40).slice(1, 2, 39),
                    TestTensors.as(arena, DType.F16, random(arena, 4, 37, 51)).transpose(0, 1),
                    random(arena, 5, 37, 60).slice(1, 9, 60).transpose(0, 1))) {
                Tensor copy = Tensor.allocate(arena, DType.F32, Shape.of(51, 37));
                copy.copyFrom(weight);
                Tensor actual = nan(arena, 3, 51);
                Tensor expected = nan(arena, 3, 51);
                ops.linear(x, backend.pack(weight, arena), null, actual);
                ops.linear(x, backend.pack(copy, arena), null, expected);
                assertClose(weight.toString(), actual, expected, kind == Kind.OPENBLAS || kind == Kind.AUTO ? 1e-5 : 0);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void memoryIsWhatWasAnnounced(Kind kind) {
        try (Backend backend = Backend.open(new Options(kind, 3, null))) {
            try (CountingArena arena = new CountingArena()) {
                assertThat(backend.newOps(arena)).isNotNull();
                assertThat(arena.bytes).isEqualTo(backend.opsByteSize());
            }
            for (DType type : List.of(DType.F32, DType.F16)) {
                for (int n : new int[] {1, 16, 47, 48, 49, 200}) {
                    try (CountingArena arena = new CountingArena();
                            Arena source = Arena.ofConfined()) {
                        Tensor weight = Tensor.allocate(source, type, Shape.of(n, 33));
                        PackedWeight packed = backend.pack(weight, arena);
                        assertThat(arena.bytes).isEqualTo(backend.packedByteSize(weight));
                        assertThat(packed.n()).isEqualTo(n);
                        assertThat(packed.k()).isEqualTo(33);
                    }
                }
            }
        }
    }

    @Test
    void onlyMatricesOfFloatsArePacked() {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Options(Kind.SCALAR, 1, null))) {
            for (Tensor wrong : List.of(
                    Tensor.allocate(arena, DType.F32, Shape.of(4)),
                    Tensor.allocate(arena, DType.F32, Shape.of(1, 4, 4)),
                    Tensor.allocate(arena, DType.I8, Shape.of(4, 4)))) {
                assertThatThrownBy(() -> backend.pack(wrong, arena))
                        .isInstanceOf(ShapeException.class)
                        .hasMessage("pack: weight " + wrong + " must be [N,K] of a floating-point type");
                assertThatThrownBy(() -> backend.packedByteSize(wrong)).isInstanceOf(ShapeException.class);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aClosedBackendStillComputesOnTheCallersThread(Kind kind) {
        try (Arena arena = Arena.ofShared()) {
            Backend backend = Backend.open(new Options(kind, 3, null));
            Ops ops = backend.newOps(arena);
            Tensor x = random(arena, 1, 40, 64);
            PackedWeight weight = backend.pack(random(arena, 2, 300, 64), arena);
            Tensor before = nan(arena, 40, 300);
            ops.linear(x, weight, null, before);
            backend.close();
            Tensor after = nan(arena, 40, 300);
            ops.linear(x, weight, null, after);
            assertClose("after", after, before, kind == Kind.OPENBLAS || kind == Kind.AUTO ? 1e-5 : 0);
        }
    }
}
