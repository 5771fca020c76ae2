package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What is done to a product while it is warm gives the bits of the separate operators, on every backend that promises bits. */
@Tag("species")
class FusedLinearTest {
    private static final String SHAPES = """
        1,1,1
        1,97,64
        3,33,5
        8,48,513
        9,500,17
        130,35,40
        """;

    /** One backend's results for x, W and bias. */
    private record Bench(Arena arena, Backend backend, Ops ops, Tensor x, PackedWeight w, PackedWeight up) {
        static Bench open(Arena arena, Kind kind, int threads, int m, int n, int k) {
            Backend backend = Backend.open(new Backend.Options(kind, threads, null));
            PackedWeight w = backend.pack(random(arena, 2, n, k), arena);
            PackedWeight up = backend.pack(random(arena, 3, n, k), arena);
            return new Bench(arena, backend, backend.newOps(arena), random(arena, 1, m, k), w, up);
        }

        Tensor out() {
            return nan(arena, x.dim(0), w.n());
        }

        Tensor activated(Tensor bias, Activation activation) {
            Tensor out = out();
            ops.linear(x, w, bias, out);
            ops.activate(activation, out, out);
            return out;
        }
    }

    @ParameterizedTest
    @CsvSource(textBlock = SHAPES)
    void anActivationGivesTheBitsOfTwoPasses(int m, int n, int k) {
        try (Arena arena = Arena.ofShared()) {
            Tensor bias = random(arena, 4, n);
            Tensor expected = nan(arena, m, n);
            for (Kind kind : ExactKinds.andOpenBlas()) {
                for (int threads = 1; threads <= 3; threads++) {
                    var b = Bench.open(arena, kind, threads, m, n, k);
                    try (Backend _ = b.backend) {
                        Tensor fused = b.out();
                        b.ops.linear(b.x, b.w, bias, Activation.GELU, fused);
                        check(kind, threads, fused, b.activated(bias, Activation.GELU), expected, k);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource(textBlock = SHAPES)
    void aResidualGivesTheBitsOfTwoPasses(int m, int n, int k) {
        try (Arena arena = Arena.ofShared()) {
            Tensor residual = random(arena, 5, m, n);
            Tensor bias = random(arena, 4, n);
            for (Tensor added : new Tensor[] {null, bias}) {
                Tensor expected = nan(arena, m, n);
                for (Kind kind : ExactKinds.andOpenBlas()) {
                    for (int threads = 1; threads <= 3; threads++) {
                        var b = Bench.open(arena, kind, threads, m, n, k);
                        try (Backend _ = b.backend) {
                            Tensor apart = b.out();
                            b.ops.linear(b.x, b.w, added, apart);
                            b.ops.add(residual, apart, apart);
                            Tensor fused = b.out();
                            b.ops.linearAdd(b.x, b.w, added, residual, fused);
                            check(kind, threads, fused, apart, expected, k);
                            Tensor inPlace = random(arena, 5, m, n);
                            b.ops.linearAdd(b.x, b.w, added, inPlace, inPlace);
                            check(kind, threads, inPlace, apart, expected, k);
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource(textBlock = SHAPES)
    void aGateGivesTheBitsOfFourPasses(int m, int n, int k) {
        try (Arena arena = Arena.ofShared()) {
            Tensor bias = random(arena, 4, n);
            Tensor upBias = random(arena, 6, n);
            Tensor expected = nan(arena, m, n);
            for (Kind kind : ExactKinds.andOpenBlas()) {
                for (int threads = 1; threads <= 3; threads++) {
                    var b = Bench.open(arena, kind, threads, m, n, k);
                    try (Backend _ = b.backend) {
                        Tensor apart = b.activated(bias, Activation.SILU);
                        Tensor up = b.out();
                        b.ops.linear(b.x, b.up, upBias, up);
                        b.ops.multiply(apart, up, apart);
                        Tensor fused = b.out();
                        b.ops.linearGated(b.x, b.w, bias, Activation.SILU, b.up, upBias, fused);
                        check(kind, threads, fused, apart, expected, k);
                    }
                }
            }
        }
    }

    /** Scalar with one thread comes first and says what is expected of all. */
    private static void check(Kind kind, int threads, Tensor fused, Tensor apart, Tensor expected, int k) {
        String who = kind + ", " + threads + " threads";
        if (kind == Kind.OPENBLAS) {
            assertClose(who, fused, expected, 1e-4 * Math.sqrt(k) + 1e-5);
            return;
        }
        assertSameBits(who + ", fused and apart", fused, apart);
        if (kind == Kind.SCALAR && threads == 1) {
            expected.segment().copyFrom(fused.segment());
        }
        assertSameBits(who + ", against scalar", fused, expected);
    }

    @ParameterizedTest
    @EnumSource(Activation.class)
    void everyActivationCanBeFused(Activation activation) {
        try (Arena arena = Arena.ofShared()) {
            var b = Bench.open(arena, Kind.VECTOR, 1, 5, 40, 20);
            try (Backend _ = b.backend) {
                Tensor fused = b.out();
                b.ops.linear(b.x, b.w, null, activation, fused);
                Tensor apart = b.out();
                b.ops.linear(b.x, b.w, null, apart);
                b.ops.activate(activation, apart, apart);
                assertSameBits(activation.toString(), fused, apart);
            }
        }
    }

    @Test
    void operandsThatDoNotFitAreNamed() {
        try (Arena arena = Arena.ofShared()) {
            var b = Bench.open(arena, Kind.SCALAR, 1, 2, 3, 4);
            try (Backend backend = b.backend) {
                Tensor residual = random(arena, 7, 2, 4);
                assertThatThrownBy(() -> b.ops.linearAdd(b.x, b.w, null, residual, b.out()))
                        .isInstanceOf(ShapeException.class)
                        .hasMessageContaining("residual");
                PackedWeight other = backend.pack(random(arena, 8, 4, 4), arena);
                assertThatThrownBy(() -> b.ops.linearGated(b.x, b.w, null, Activation.SILU, other, null, b.out()))
                        .isInstanceOf(ShapeException.class)
                        .hasMessageContaining("[4,4]");
            }
        }
    }
}
