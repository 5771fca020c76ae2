package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Sequences packed one after another give what each gives alone. Run again at each vector width. */
@Tag("species")
class PackedAttentionTest {
    private static final int HEADS = 6;
    private static final int[] STARTS = {0, 1, 18, 18, 147, 148, 404};
    private static final int SEQUENCES = STARTS.length - 1;
    private static final int TOKENS = 404;
    private static final float SCALE = 0.3f;

    private static final List<AttentionMask> MASKS = List.of(
            AttentionMask.full(),
            AttentionMask.causal(),
            AttentionMask.full().within(9, 0),
            AttentionMask.full().within(4, 200));

    /** Rows of a head as [1, heads, tokens, d]. */
    private static Tensor heads(Tensor t, int from, int to) {
        Tensor rows = t.slice(0, from, to);
        return rows.reshape(1, to - from, t.dim(1) * t.dim(2)).splitHeads(t.dim(1));
    }

    private static Tensor alone(Ops ops, Arena arena, Tensor q, Tensor k, Tensor v, AttentionMask mask, float cap) {
        Tensor out = nan(arena, TOKENS, HEADS, v.dim(2));
        for (int s = 0; s < SEQUENCES; s++) {
            int from = STARTS[s];
            int to = STARTS[s + 1];
            if (from < to) {
                Tensor of = heads(out, from, to);
                ops.attention(heads(q, from, to), heads(k, from, to), heads(v, from, to), mask, SCALE, cap, of);
            }
        }
        return out;
    }

    @ParameterizedTest
    @CsvSource({"6,64,64", "6,5,20", "2,31,16", "1,128,80"})
    void eachSequenceGivesTheBitsThatItGivesAlone(int kvHeads, int dK, int dV) {
        try (Arena arena = Arena.ofShared()) {
            Tensor q = random(arena, 1, TOKENS, HEADS, dK);
            Tensor k = random(arena, 2, TOKENS, kvHeads, dK);
            Tensor v = random(arena, 3, TOKENS, kvHeads, dV);
            for (AttentionMask mask : MASKS) {
                Tensor expected;
                try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
                    expected = alone(backend.newOps(arena), arena, q, k, v, mask, 2f);
                }
                for (int threads : new int[] {1, 2, 3}) {
                    for (Kind kind : ExactKinds.all()) {
                        try (Backend backend = Backend.open(new Backend.Options(kind, threads, null))) {
                            Tensor out = nan(arena, TOKENS, HEADS, dV);
                            backend.newOps(arena).attentionPacked(q, k, v, STARTS, SEQUENCES, mask, SCALE, 2f, out);
                            assertSameBits(kind + ", " + threads + " threads", out, expected);
                        }
                    }
                }
                try (Backend backend = Backend.open(new Backend.Options(Kind.OPENBLAS, 2, null))) {
                    Tensor out = nan(arena, TOKENS, HEADS, dV);
                    backend.newOps(arena).attentionPacked(q, k, v, STARTS, SEQUENCES, mask, SCALE, 2f, out);
                    assertClose("openblas", out, expected, 3e-5);
                }
            }
        }
    }

    /** What a projection to queries, keys and values at once leaves: three views of one matrix. */
    @Test
    void viewsOfOneMatrixAreOperands() {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null))) {
            Ops ops = backend.newOps(arena);
            Tensor all = random(arena, 1, TOKENS, 3 * HEADS, 16);
            Tensor q = all.slice(1, 0, HEADS);
            Tensor k = all.slice(1, HEADS, 2 * HEADS);
            Tensor v = all.slice(1, 2 * HEADS, 3 * HEADS);
            Tensor expected = nan(arena, TOKENS, HEADS, 16);
            Tensor out = nan(arena, TOKENS, HEADS, 16);
            ops.attentionPacked(
                    copy(arena, q),
                    copy(arena, k),
                    copy(arena, v),
                    STARTS,
                    SEQUENCES,
                    AttentionMask.full(),
                    SCALE,
                    0,
                    expected);
            ops.attentionPacked(q, k, v, STARTS, SEQUENCES, AttentionMask.full(), SCALE, 0, out);
            assertSameBits("views", out, expected);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void eachSequenceReadsItsCornerOfAMaskForTheLongest(Kind kind) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            Tensor q = random(arena, 1, TOKENS, HEADS, 8);
            Tensor bias = random(arena, 2, 1, HEADS, 256, 260);
            Tensor expected = nan(arena, TOKENS, HEADS, 8);
            for (int s = 0; s < SEQUENCES; s++) {
                int n = STARTS[s + 1] - STARTS[s];
                Tensor own = heads(q, STARTS[s], STARTS[s + 1]);
                AttentionMask mask =
                        AttentionMask.full().with(bias.slice(2, 0, n).slice(3, 0, n));
                ops.attention(own, own, own, mask, SCALE, 0, heads(expected, STARTS[s], STARTS[s + 1]));
            }
            Tensor out = nan(arena, TOKENS, HEADS, 8);
            AttentionMask mask = AttentionMask.full().with(bias);
            ops.attentionPacked(q, q, q, STARTS, SEQUENCES, mask, SCALE, 0, out);
            assertSameBits("bias", out, expected);
        }
    }

    private static Tensor copy(Arena arena, Tensor t) {
        return Tensor.copyOf(arena, t.toFloats(), t.dim(0), t.dim(1), t.dim(2));
    }

    @Test
    void rowsInNoSequenceStayAsTheyAre() {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null))) {
            Tensor x = random(arena, 1, 10, 1, 8);
            Tensor out = nan(arena, 10, 1, 8);
            int[] starts = {2, 5, 7, 99};
            backend.newOps(arena).attentionPacked(x, x, x, starts, 2, AttentionMask.full(), SCALE, 0, out);
            for (int token = 0; token < 10; token++) {
                assertThat(Float.isNaN(out.getFloat(token, 0, 0))).isEqualTo(token < 2 || token >= 7);
            }
        }
    }

    @Test
    void whatDoesNotFitIsAnErrorWithItsNumbers() {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            Ops ops = backend.newOps(arena);
            Tensor q = random(arena, 1, 10, 4, 8);
            Tensor k = random(arena, 2, 10, 2, 8);
            Tensor out = nan(arena, 10, 4, 8);
            AttentionMask full = AttentionMask.full();
            record Wrong(Tensor k, int[] starts, int sequences, AttentionMask mask, String message) {}
            for (Wrong wrong : List.of(
                    new Wrong(random(arena, 3, 9, 2, 8), new int[] {0, 9}, 1, full, "k F32[9,2,8]"),
                    new Wrong(random(arena, 3, 10, 3, 8), new int[] {0, 9}, 1, full, "k F32[10,3,8]"),
                    new Wrong(random(arena, 3, 10, 2, 7), new int[] {0, 9}, 1, full, "k F32[10,2,7]"),
                    new Wrong(
                            random(arena, 3, 10, 16),
                            new int[] {0, 9},
                            1,
                            full,
                            "k F32[10,16] must be [tokens,heads,d]"),
                    new Wrong(k, new int[] {0, 9}, 2, full, "2 starts for 2 sequences"),
                    new Wrong(k, new int[] {0, 5, 4}, 2, full, "start 2 is 4"),
                    new Wrong(k, new int[] {-1, 5}, 1, full, "start 0 is -1"),
                    new Wrong(k, new int[] {0, 11}, 1, full, "start 1 is 11"),
                    new Wrong(k, new int[] {0, 9}, 1, full.atPositions(new int[1]), "take a window and a tensor alone"),
                    new Wrong(
                            k,
                            new int[] {0, 9},
                            1,
                            full.with(random(arena, 4, 4, 9, 8)),
                            "at least 9 queries and keys"),
                    new Wrong(k, new int[] {0, 9}, 1, full.with(random(arena, 4, 3, 9, 9)), "mask F32[3,9,9]"))) {
                assertThatThrownBy(() -> ops.attentionPacked(
                                q, wrong.k, k, wrong.starts, wrong.sequences, wrong.mask, SCALE, 0, out))
                        .isInstanceOf(ShapeException.class)
                        .hasMessageStartingWith("attentionPacked: ")
                        .hasMessageContaining(wrong.message);
            }
        }
    }
}
