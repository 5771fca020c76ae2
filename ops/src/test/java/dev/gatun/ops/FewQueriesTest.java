package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

/** Attention of as few queries as decoding has: every kernel against plain Java, bit for bit. */
class FewQueriesTest {
    private static void check(
            Arena arena, int group, int queries, int keys, int dK, int dV, AttentionMask mask, float softCap) {
        int heads = 2;
        Tensor q = random(arena, 1, 1, heads * group, queries, dK);
        Tensor k = random(arena, 2, 1, heads, keys, dK);
        Tensor v = random(arena, 3, 1, heads, keys, dV);
        Tensor expected = nan(arena, 1, heads * group, queries, dV);
        try (Backend scalar = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            scalar.newOps(arena).attention(q, k, v, mask, 0.3f, softCap, expected);
        }
        for (Kind kind : ExactKinds.kernels()) {
            try (Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
                Tensor out = nan(arena, 1, heads * group, queries, dV);
                backend.newOps(arena).attention(q, k, v, mask, 0.3f, softCap, out);
                String what =
                        kind + ": " + group + " heads, " + queries + " queries, " + keys + " keys, " + dK + ", " + dV;
                assertSameBits(what, out, expected);
            }
        }
    }

    @Test
    void dimensionsOfAnyNumber() {
        try (Arena arena = Arena.ofShared()) {
            int[][] dimensions = {
                {1, 3},
                {15, 16},
                {16, 1},
                {17, 17},
                {20, 24},
                {31, 64},
                {33, 65},
                {64, 64},
                {80, 80},
                {96, 127},
                {128, 128}
            };
            for (int[] d : dimensions) {
                check(arena, 3, 1, 70, d[0], d[1], AttentionMask.full(), 0f);
            }
            check(arena, 1, 1, 130, 512, 512, AttentionMask.full(), 0f);
        }
    }

    @Test
    void anyNumberOfQueriesAndKeys() {
        try (Arena arena = Arena.ofShared()) {
            for (int group = 1; group <= 8; group++) {
                check(arena, group, 1, 150 + group, 32, 48, AttentionMask.full(), 0f);
            }
            for (int keys : new int[] {1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 127, 128, 129, 256, 300}) {
                check(arena, 2, 1, keys, 20, 20, AttentionMask.full(), 0f);
            }
        }
    }

    @Test
    void queriesThatSeeSomeKeysOnly() {
        try (Arena arena = Arena.ofShared()) {
            for (int at : new int[] {0, 5, 126, 127, 128, 200}) {
                AttentionMask causal = AttentionMask.causal().atPositions(new int[] {at});
                check(arena, 2, 4, at + 4, 32, 32, causal, 0f);
                check(arena, 2, 4, at + 4, 32, 32, causal.within(3, 0), 0f);
                check(arena, 1, 4, at + 4, 32, 32, causal.withKeys(new int[] {at / 2}, new int[] {at + 2}), 0f);
            }
            check(arena, 1, 2, 40, 16, 16, AttentionMask.full().withKeys(new int[] {7}, new int[] {7}), 0f);
        }
    }

    @Test
    void capsAndMasks() {
        try (Arena arena = Arena.ofShared()) {
            check(arena, 2, 2, 150, 24, 24, AttentionMask.full(), 5f);
            Tensor mask = random(arena, 4, 1, 4, 2, 150);
            for (int i = 0; i < 150; i += 3) {
                mask.setFloat(Float.NEGATIVE_INFINITY, 0, 1, 1, i);
            }
            check(arena, 2, 2, 150, 24, 24, AttentionMask.full().with(mask), 5f);
            Tensor all = Tensor.allocate(arena, DType.F32, Shape.of(1, 1, 1, 150));
            for (int i = 0; i < 150; i++) {
                all.setFloat(Float.NEGATIVE_INFINITY, 0, 0, 0, i);
            }
            check(arena, 2, 1, 150, 24, 24, AttentionMask.full().with(all), 0f);
        }
    }
}
