package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Quantizer;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Products in 8 bits: the same bits on every backend, near those of floats. Run again at each vector width by the build. */
@Tag("species")
class Int8Test {
    private static Backend open(Kind kind, int threads) {
        return Backend.open(new Backend.Options(kind, threads, null).with(ComputeType.INT8));
    }

    private static Tensor on(Kind kind, int threads, Arena arena, Tensor out, BiConsumer<Backend, Ops> work) {
        try (Backend backend = open(kind, threads)) {
            assertThat(backend.computeType()).isEqualTo(ComputeType.INT8);
            work.accept(backend, backend.newOps(arena));
        }
        return out;
    }

    /** Those that compute in 8 bits here; says so where machine code has no dot products of bytes. */
    private static List<Kind> kinds() {
        List<Kind> kinds = new ArrayList<>(List.of(Kind.VECTOR, Kind.AUTO));
        try (Backend _ = open(Kind.MACHINE, 1)) {
            kinds.add(Kind.MACHINE);
        } catch (BackendUnavailableException e) {
            System.err.println("tests run without machine code for 8 bits: " + e.getMessage());
        }
        return kinds;
    }

    private static void sameBits(Arena arena, int m, int n, BiConsumer<Backend, Call> work) {
        Tensor expected = random(arena, 9, m, n);
        on(Kind.SCALAR, 2, arena, expected, (backend, ops) -> work.accept(backend, new Call(ops, expected)));
        for (Kind kind : kinds()) {
            for (int threads : new int[] {1, 3}) {
                Tensor out = random(arena, 9, m, n);
                on(kind, threads, arena, out, (backend, ops) -> work.accept(backend, new Call(ops, out)));
                assertSameBits(kind + ", " + threads + " threads", out, expected);
            }
        }
    }

    private record Call(Ops ops, Tensor out) {}

    @ParameterizedTest
    @CsvSource({
        "1,1,1",
        "1,384,384",
        "2,5,7",
        "3,48,16",
        "5,47,65",
        "8,96,64",
        "9,97,127",
        "31,130,513",
        "64,200,31",
        "130,100,64",
        "1,1000,1537",
        "40,97,3100",
        "260,33,70"
    })
    void linearHasTheSameBits(int m, int n, int k) {
        try (Arena arena = Arena.ofShared()) {
            Tensor x = random(arena, 1, m, k);
            Tensor w = random(arena, 2, n, k);
            Tensor bias = random(arena, 3, n);
            sameBits(arena, m, n, (b, call) -> call.ops.linear(x, b.pack(w, arena), null, call.out));
            sameBits(arena, m, n, (b, call) -> call.ops.linear(x, b.pack(w, arena), bias, call.out));
            Tensor floats = nan(arena, m, n);
            try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
                backend.newOps(arena).linear(x, backend.pack(w, arena), bias, floats);
            }
            Tensor bytes = nan(arena, m, n);
            on(Kind.SCALAR, 1, arena, bytes, (b, ops) -> ops.linear(x, b.pack(w, arena), bias, bytes));
            // Numbers up to 4, rounded to a 32nd or so in both operands, and random signs.
            assertClose("floats", bytes, floats, 0.08 * Math.sqrt(k) + 1e-5);
        }
    }

    @ParameterizedTest
    @CsvSource({"1,70,100", "9,500,64", "140,97,130"})
    void whatIsFusedHasTheSameBits(int m, int n, int k) {
        try (Arena arena = Arena.ofShared()) {
            Tensor x = random(arena, 1, m, k);
            Tensor w = random(arena, 2, n, k);
            Tensor up = random(arena, 4, n, k);
            Tensor bias = random(arena, 3, n);
            sameBits(arena, m, n, (b, call) -> call.ops.linear(x, b.pack(w, arena), bias, Activation.GELU, call.out));
            sameBits(arena, m, n, (b, call) -> call.ops.linearAdd(x, b.pack(w, arena), bias, call.out, call.out));
            sameBits(
                    arena,
                    m,
                    n,
                    (b, call) -> call.ops.linearGated(
                            x, b.pack(w, arena), null, Activation.SILU, b.pack(up, arena), bias, call.out));
        }
    }

    @Test
    void aRowDoesNotDependOnItsBatch() {
        try (Arena arena = Arena.ofShared();
                Backend backend = open(kinds().getLast(), 2)) {
            Ops ops = backend.newOps(arena);
            Tensor x = random(arena, 1, 37, 70);
            PackedWeight w = backend.pack(random(arena, 2, 90, 70), arena);
            Tensor all = nan(arena, 37, 90);
            ops.linear(x, w, null, all);
            for (int from = 0; from < 37; from++) {
                for (int to = from + 1; to <= Math.min(37, from + 11); to += 3) {
                    Tensor some = nan(arena, to - from, 90);
                    ops.linear(x.slice(0, from, to), w, null, some);
                    assertSameBits("rows " + from + " to " + to, some, all.slice(0, from, to));
                }
            }
        }
    }

    /** A NaN or an infinity makes its row NaN and no other; denormals, zeros and the largest floats are numbers. */
    @Test
    void numbersAtTheEndsOfTheirRange() {
        try (Arena arena = Arena.ofShared()) {
            float[] ends = {
                Float.NaN,
                Float.POSITIVE_INFINITY,
                Float.NEGATIVE_INFINITY,
                Float.MAX_VALUE,
                Float.MIN_VALUE,
                1e-38f,
                -0f
            };
            Tensor x = random(arena, 1, ends.length + 1, 100);
            for (int i = 0; i < ends.length; i++) {
                x.segment().setAtIndex(ValueLayout.JAVA_FLOAT, i * 100L + 70 + i, ends[i]);
            }
            x.segment().asSlice(ends.length * 400L, 400).fill((byte) 0);
            Tensor w = random(arena, 2, 20, 100);
            sameBits(arena, ends.length + 1, 20, (b, call) -> call.ops.linear(x, b.pack(w, arena), null, call.out));
            Tensor out = nan(arena, ends.length + 1, 20);
            on(Kind.SCALAR, 1, arena, out, (b, ops) -> ops.linear(x, b.pack(w, arena), null, out));
            for (int i = 0; i <= ends.length; i++) {
                assertThat(Float.isNaN(out.getFloat(i, 7))).as("row " + i).isEqualTo(i < 3);
            }
            assertThat(out.getFloat(ends.length, 7)).isZero();
        }
    }

    @Test
    void weightsOfAnyTypeBecomeBytes() {
        try (Arena arena = Arena.ofShared()) {
            Tensor x = random(arena, 1, 5, 96);
            Tensor w = random(arena, 2, 33, 96);
            for (DType type : List.of(DType.BF16, DType.F16)) {
                Tensor half = TestTensors.as(arena, type, w);
                sameBits(arena, 5, 33, (b, call) -> call.ops.linear(x, b.pack(half, arena), null, call.out));
            }
            Tensor transposed = random(arena, 3, 96, 33).transpose(0, 1);
            sameBits(arena, 5, 33, (b, call) -> call.ops.linear(x, b.pack(transposed, arena), null, call.out));
            QuantizedMatrix blocks = Quantizer.quantize(w, BlockFormat.Q4_0, arena);
            sameBits(arena, 5, 33, (b, call) -> call.ops.linear(x, b.packInPlace(blocks, arena), null, call.out));
            try (Backend backend = open(Kind.VECTOR, 1)) {
                assertThat(backend.pack(w, arena).byteSize()).isEqualTo(backend.packedByteSize(w));
                assertThat(backend.readsInPlace(DType.F32)).isFalse();
            }
        }
    }

    @Test
    void openBlasHasNone() {
        assertThatThrownBy(() -> open(Kind.OPENBLAS, 1))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessage("compute type int8: OpenBLAS multiplies floats only; ask for auto, machine, vector or"
                        + " scalar");
    }
}
