package dev.gatun.model.nn;

import static dev.gatun.model.nn.Reference.assertClose;
import static dev.gatun.model.nn.Reference.nan;
import static dev.gatun.model.nn.Reference.random;
import static dev.gatun.model.nn.Reference.rows;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.MultiHeadAttention.AttentionBuffers;
import dev.gatun.model.nn.MultiHeadAttention.CrossBuffers;
import dev.gatun.model.nn.Reference.RefAttention;
import dev.gatun.model.nn.Reference.RefFeedForward;
import dev.gatun.model.nn.Reference.RefLayerNorm;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.Ops;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Each part against the same part written out in double. */
class PartsTest {
    private static final int B = 3;
    private static final int T = 5;
    private static final int D = 24;
    private static final int HEADS = 3;
    private static final double TOLERANCE = 1e-5;

    /** A test body with a backend and memory. */
    @FunctionalInterface
    private interface Body {
        void run(Backend backend, Ops ops, Arena arena);
    }

    private static void on(Kind kind, Body body) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            body.run(backend, backend.newOps(arena), arena);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void anEmbeddingIsARowTimesTheFactor(Kind kind) {
        on(kind, (backend, ops, arena) -> {
            Tensor table = random(arena, 1, 1, 11, D);
            int[] ids = {99, 10, 0, 3, 3, 7, 1};
            for (float factor : new float[] {1f, (float) Math.sqrt(D)}) {
                Tensor out = nan(arena, 2, 3, D);
                new Embedding(table, factor).forward(ops, ids, 1, out);
                double[][] expected = new double[6][D];
                for (int i = 0; i < 6; i++) {
                    for (int d = 0; d < D; d++) {
                        expected[i][d] = (double) table.getFloat(ids[i + 1], d) * factor;
                    }
                }
                assertClose("factor " + factor, out, expected, 1e-6);
            }
            assertThatThrownBy(() -> new Embedding(table, 1f).forward(ops, ids, 0, nan(arena, 1, D)))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessageContaining("99");
        });
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR"})
    void aTableOfHalfFloatsIsWidened(Kind kind) {
        on(kind, (backend, ops, arena) -> {
            Tensor table = Tensor.allocate(arena, DType.F16, Shape.of(2, 3));
            for (int i = 0; i < 6; i++) {
                table.segment().set(ValueLayout.JAVA_SHORT, 2L * i, Float.floatToFloat16(i - 2.5f));
            }
            Tensor out = nan(arena, 1, 3);
            new Embedding(table, 2f).forward(ops, new int[] {1}, 0, out);
            assertThat(out.toFloats()).containsExactly(1f, 3f, 5f);
        });
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void aFeedForwardNetworkIsTwoLayersAroundAnActivation(Kind kind) {
        on(kind, (backend, ops, arena) -> {
            RefFeedForward ffn = RefFeedForward.random(backend, arena, 1, D, 70);
            Tensor x = random(arena, 9, 1, B, T, D);
            Tensor out = nan(arena, B, T, D);
            ffn.layer().forward(ops, x, nan(arena, B, T, 70), out);
            assertClose("feed-forward", out, ffn.apply(rows(x)), TOLERANCE);
        });
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void aLayerNormMayBeInPlace(Kind kind) {
        on(kind, (backend, ops, arena) -> {
            RefLayerNorm norm = RefLayerNorm.random(arena, 1, D);
            Tensor x = random(arena, 9, 3, B, T, D);
            double[][] expected = norm.apply(rows(x));
            Tensor out = nan(arena, B, T, D);
            norm.layer().forward(ops, x, out);
            assertClose("norm", out, expected, TOLERANCE);
            norm.layer().forward(ops, x, x);
            assertClose("norm in place", x, expected, TOLERANCE);
        });
    }

    private static double[][] sequence(Tensor x, int b, int length) {
        return rows(x.slice(0, b, b + 1).slice(1, 0, length));
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void selfAttentionLooksAtTheWholeSequenceButNotAtItsPadding(Kind kind) {
        on(kind, (backend, ops, arena) -> {
            RefAttention attention = RefAttention.random(backend, arena, 1, D, HEADS);
            Tensor x = random(arena, 9, 1, B, T, D);
            int[] lengths = {5, 1, 3};
            Tensor out = nan(arena, B, T, D);
            attention.layer().forward(ops, x, AttentionMask.full().withKeys(null, lengths), buffers(arena, B, T), out);
            for (int b = 0; b < B; b++) {
                double[][] alone = sequence(x, b, lengths[b]);
                assertClose(
                        "sequence " + b,
                        out.slice(0, b, b + 1).slice(1, 0, lengths[b]),
                        attention.apply(alone, alone, (i, j) -> true),
                        TOLERANCE);
            }
        });
    }

    private static AttentionBuffers buffers(Arena arena, int batch, int tokens) {
        return AttentionBuffers.of(
                nan(arena, batch, tokens, D),
                nan(arena, batch, tokens, D),
                nan(arena, batch, tokens, D),
                nan(arena, batch, tokens, D),
                HEADS);
    }

    /** Token by token, in chunks, or all at once: the cache makes no difference. */
    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void attentionWithACacheIsCausalAttentionOverAllTokens(Kind kind) {
        on(kind, (backend, ops, arena) -> {
            RefAttention attention = RefAttention.random(backend, arena, 1, D, HEADS);
            Tensor x = random(arena, 9, 1, B, T, D);
            try (KvCache cache = new KvCache(1, B, HEADS, T + 2, D / HEADS)) {
                int[] first = new int[B];
                int[] to = new int[B];
                AttentionMask mask = AttentionMask.causal().atPositions(first).withKeys(null, to);
                for (int[] chunks : new int[][] {{1, 1, 1, 1, 1}, {5}, {2, 3}, {4, 1}}) {
                    cache.reset(B);
                    for (int chunk : chunks) {
                        int from = cache.length();
                        Tensor in = nan(arena, B, chunk, D);
                        in.copyFrom(x.slice(1, from, from + chunk));
                        Arrays.fill(first, from);
                        Arrays.fill(to, from + chunk);
                        Tensor out = nan(arena, B, chunk, D);
                        cache.begin(chunk);
                        attention.layer().forward(ops, in, mask, cache, 0, buffers(arena, B, chunk), out);
                        cache.commit();
                        for (int b = 0; b < B; b++) {
                            double[][] all = sequence(x, b, T);
                            double[][] expected = attention.apply(all, all, (i, j) -> j <= i);
                            assertClose(
                                    Arrays.toString(chunks) + ", sequence " + b + " from " + from,
                                    out.slice(0, b, b + 1),
                                    Arrays.copyOfRange(expected, from, from + chunk),
                                    TOLERANCE);
                        }
                    }
                }
            }
        });
    }

    /** The beams of one source attend to the same keys and values, which are stored once. */
    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void crossAttentionLooksAtTheSource(Kind kind) {
        on(kind, (backend, ops, arena) -> {
            RefAttention attention = RefAttention.random(backend, arena, 1, D, HEADS);
            int nSource = 7;
            int[] lengths = {7, 2, 4};
            Tensor source = random(arena, 9, 1, B, nSource, D);
            Tensor keys = nan(arena, B, nSource, D);
            Tensor values = nan(arena, B, nSource, D);
            attention.layer().projectSource(ops, source, keys, values);
            for (int beams : new int[] {1, 4}) {
                for (int tokens : new int[] {1, 3}) {
                    Tensor x = random(arena, 10, 1, B * beams, tokens, D);
                    Tensor out = nan(arena, B * beams, tokens, D);
                    attention
                            .layer()
                            .forwardCross(
                                    ops,
                                    x,
                                    keys.splitHeads(HEADS),
                                    values.splitHeads(HEADS),
                                    new int[][] {{0}, {1}, {2}},
                                    AttentionMask.full().withKeys(null, lengths),
                                    CrossBuffers.of(
                                            nan(arena, B * beams, tokens, D),
                                            nan(arena, B * beams, tokens, D),
                                            beams,
                                            HEADS),
                                    out);
                    for (int row = 0; row < B * beams; row++) {
                        int b = row / beams;
                        assertClose(
                                beams + " beams, hypothesis " + row,
                                out.slice(0, row, row + 1),
                                attention.apply(
                                        sequence(x, row, tokens), sequence(source, b, lengths[b]), (i, j) -> true),
                                TOLERANCE);
                    }
                }
            }
        });
    }
}
