package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Each rule of a mask against attention written out in double, one query at a time over the keys that it sees. */
class AttentionMaskTest {
    private static final int BATCH = 3;
    private static final int HEADS = 4;
    private static final int D_K = 9;
    private static final float SCALE = 0.4f;

    private final Arena arena = Arena.ofShared();

    @AfterEach
    void close() {
        arena.close();
    }

    /** What a key's score gets on top: -inf hides it. */
    @FunctionalInterface
    private interface Bias {
        double of(int b, int h, int i, int j);
    }

    private static double unless(boolean hidden) {
        return hidden ? Double.NEGATIVE_INFINITY : 0;
    }

    private record Case(String name, AttentionMask mask, Bias bias) {}

    private static float[] expected(Tensor q, Tensor k, Tensor v, Bias bias) {
        int heads = q.dim(1);
        int queries = q.dim(2);
        int keys = k.dim(2);
        int dK = k.dim(3);
        int dV = v.dim(3);
        float[] qs = q.toFloats();
        float[] ks = k.toFloats();
        float[] vs = v.toFloats();
        float[] out = new float[q.dim(0) * heads * queries * dV];
        for (int row = 0; row < out.length / dV; row++) {
            int b = row / queries / heads;
            int h = row / queries % heads;
            int i = row % queries;
            int firstKey = (b * k.dim(1) + h / (heads / k.dim(1))) * keys;
            double[] scores = new double[keys];
            double max = Double.NEGATIVE_INFINITY;
            for (int j = 0; j < keys; j++) {
                for (int c = 0; c < dK; c++) {
                    scores[j] += (double) qs[row * dK + c] * ks[(firstKey + j) * dK + c];
                }
                scores[j] = scores[j] * SCALE + bias.of(b, h, i, j);
                max = Math.max(max, scores[j]);
            }
            double sum = 0;
            double[] context = new double[dV];
            for (int j = 0; j < keys; j++) {
                if (scores[j] > Double.NEGATIVE_INFINITY) {
                    double e = Math.exp(scores[j] - max);
                    sum += e;
                    for (int c = 0; c < dV; c++) {
                        context[c] += e * vs[(firstKey + j) * dV + c];
                    }
                }
            }
            for (int c = 0; c < dV; c++) {
                out[row * dV + c] = sum == 0 ? 0f : (float) (context[c] / sum);
            }
        }
        return out;
    }

    private Tensor bools(long seed, int... dims) {
        Tensor mask = Tensor.allocate(arena, DType.BOOL, Shape.of(dims));
        Random random = new Random(seed);
        for (long i = 0; i < mask.elements(); i++) {
            mask.segment().set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt(3)); // any byte but 0 is true
        }
        return mask;
    }

    /** Element of a mask that has fewer dimensions than four, or dimensions of one. */
    private static double at(Tensor mask, int... index) {
        int[] own = new int[mask.rank()];
        for (int i = 0; i < own.length; i++) {
            own[i] = mask.dim(i) == 1 ? 0 : index[4 - own.length + i];
        }
        return mask.dtype() == DType.BOOL ? unless(mask.getLong(own) == 0) : mask.getFloat(own);
    }

    private List<Case> cases(int queries, int keys) {
        List<Case> cases = new ArrayList<>();
        cases.add(new Case("full", AttentionMask.full(), (b, h, i, j) -> 0));
        cases.add(new Case("causal", AttentionMask.causal(), (b, h, i, j) -> unless(j > i)));
        int[] first = {keys - queries, 0, -3};
        cases.add(new Case(
                "causal, each sequence at its position",
                AttentionMask.causal().atPositions(first),
                (b, h, i, j) -> unless(j > first[b] + i)));
        int[] far = {Integer.MAX_VALUE - queries, Integer.MIN_VALUE, -queries};
        cases.add(new Case(
                "causal, far positions",
                AttentionMask.causal().atPositions(far),
                (b, h, i, j) -> unless(j > (long) far[b] + i)));
        for (int[] w :
                new int[][] {{0, 0}, {2, 0}, {0, 3}, {5, 1}, {AttentionMask.UNLIMITED, 2}, {1, AttentionMask.UNLIMITED}
                }) {
            Bias window = (b, h, i, j) -> unless(j < (long) first[b] + i - w[0] || j > (long) first[b] + i + w[1]);
            cases.add(new Case(
                    "window " + w[0] + ", " + w[1],
                    AttentionMask.full().within(w[0], w[1]).atPositions(first),
                    window));
        }
        int[] from = {0, 2, keys};
        int[] to = {keys - 1, keys, keys};
        cases.add(
                new Case("keys from", AttentionMask.full().withKeys(from, null), (b, h, i, j) -> unless(j < from[b])));
        cases.add(new Case("keys to", AttentionMask.full().withKeys(null, to), (b, h, i, j) -> unless(j >= to[b])));
        int[] none = {0, -1, 1};
        cases.add(new Case(
                "no keys",
                AttentionMask.full().withKeys(from, none),
                (b, h, i, j) -> unless(j < from[b] || j >= none[b])));
        for (int shape = 0; shape < 16; shape++) {
            int[] dims = {
                (shape & 1) == 0 ? BATCH : 1,
                (shape & 2) == 0 ? HEADS : 1,
                (shape & 4) == 0 ? queries : 1,
                (shape & 8) == 0 ? keys : 1
            };
            for (Tensor mask : List.of(bools(shape, dims), random(arena, shape, dims))) {
                cases.add(new Case(
                        mask.toString(), AttentionMask.full().with(mask), (b, h, i, j) -> at(mask, b, h, i, j)));
            }
        }
        for (int[] dims :
                new int[][] {{keys}, {1}, {queries, keys}, {queries, 1}, {HEADS, queries, keys}, {HEADS, 1, keys}}) {
            for (Tensor mask : List.of(bools(3, dims), random(arena, 4, dims))) {
                cases.add(new Case(
                        mask.toString(), AttentionMask.full().with(mask), (b, h, i, j) -> at(mask, b, h, i, j)));
            }
        }
        Tensor transposed = random(arena, 5, keys, queries).transpose(0, 1);
        cases.add(new Case(
                transposed.toString(),
                AttentionMask.full().with(transposed),
                (b, h, i, j) -> at(transposed, b, h, i, j)));
        Tensor infinite = random(arena, 6, BATCH, 1, queries, keys);
        for (int i = 0; i < keys; i++) {
            infinite.setFloat(Float.NEGATIVE_INFINITY, 0, 0, 2, i); // a query that sees nothing
            infinite.setFloat(Float.NEGATIVE_INFINITY, 1, 0, i % queries, i);
        }
        cases.add(new Case("-inf", AttentionMask.full().with(infinite), (b, h, i, j) -> at(infinite, b, h, i, j)));
        Tensor some = bools(7, BATCH, 1, 1, keys);
        int[] begin = {1, 0, 3};
        cases.add(new Case(
                "all rules at once",
                AttentionMask.causal()
                        .within(6, 1)
                        .atPositions(first)
                        .withKeys(begin, to)
                        .with(some),
                (b, h, i, j) -> at(some, b, h, i, j)
                        + unless(j < begin[b] || j >= to[b] || j < first[b] + i - 6 || j > first[b] + i + 1)));
        return cases;
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void aQuerySeesWhatItsMaskLetsThrough(Kind kind) {
        compare(kind, cases(7, 7), 7, 7, HEADS, 2, 1);
        compare(kind, cases(7, 20), 7, 20, HEADS, 2, 1);
        compare(kind, cases(7, 270), 7, 270, HEADS, 2, 1); // keys pass by in tiles of 128
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void tilesOfQueriesAndKeysHaveNoSeams(Kind kind) {
        List<Case> cases = cases(70, 520); // queries in blocks of 64, keys in tiles of 128
        cases.removeIf(c -> c.mask.tensor() != null && !c.name.equals("all rules at once"));
        compare(kind, cases, 70, 520, HEADS, 1);
    }

    private void compare(Kind kind, List<Case> cases, int queries, int keys, int... keyHeads) {
        try (Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            for (int nKvHeads : keyHeads) {
                Tensor q = random(arena, 1, BATCH, queries, HEADS * D_K).splitHeads(HEADS);
                Tensor k = random(arena, 2, BATCH, keys, nKvHeads * D_K).splitHeads(nKvHeads);
                Tensor v = random(arena, 3, BATCH, keys, nKvHeads * 5).splitHeads(nKvHeads);
                for (Case c : cases) {
                    Tensor out = nan(arena, BATCH, queries, HEADS * 5).splitHeads(HEADS);
                    ops.attention(q, k, v, c.mask, SCALE, 0f, out);
                    Tensor expected = Tensor.copyOf(arena, expected(q, k, v, c.bias), BATCH, HEADS, queries, 5);
                    assertClose(keys + " keys, " + nKvHeads + " key heads, " + c.name, out, expected, 2e-6);
                }
            }
        }
    }

    /** Keys outside of the range are not even read: NaN, which spreads through any product, does not. */
    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void keysOutOfRangeAreNotRead(Kind kind) {
        try (Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            Tensor q = random(arena, 1, 1, 2, 3, 8);
            Tensor k = nan(arena, 1, 2, 40, 8);
            Tensor v = nan(arena, 1, 2, 40, 8);
            k.slice(2, 10, 25).copyFrom(random(arena, 2, 1, 2, 15, 8));
            v.slice(2, 10, 25).copyFrom(random(arena, 3, 1, 2, 15, 8));
            Tensor out = nan(arena, 1, 2, 3, 8);
            ops.attention(q, k, v, AttentionMask.full().withKeys(new int[] {10}, new int[] {25}), 1f, 0f, out);
            for (float value : out.toFloats()) {
                assertThat(value).isFinite();
            }
        }
    }

    @Test
    void aDecodingLoopMovesOnByWritingToTheArrays() {
        try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            Ops ops = backend.newOps(arena);
            Tensor q = random(arena, 1, 1, 1, 1, 8);
            Tensor k = random(arena, 2, 1, 1, 5, 8);
            int[] position = {0};
            int[] to = {1};
            AttentionMask mask = AttentionMask.causal().atPositions(position).withKeys(null, to);
            for (int step = 0; step < 5; step++) {
                position[0] = step;
                to[0] = step + 1;
                int last = step;
                Tensor out = nan(arena, 1, 1, 1, 8);
                ops.attention(q, k, k, mask, SCALE, 0f, out);
                float[] expected = expected(q, k, k, (b, h, i, j) -> unless(j > last));
                assertClose("step " + step, out, Tensor.copyOf(arena, expected, 1, 1, 1, 8), 2e-6);
            }
        }
    }

    @Test
    void whatDoesNotFitIsAnErrorWithItsNumbers() {
        try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            Ops ops = backend.newOps(arena);
            Tensor q = random(arena, 1, 2, 4, 3, 8);
            Tensor k = random(arena, 2, 2, 2, 5, 8);
            record Wrong(AttentionMask mask, String message) {}
            AttentionMask full = AttentionMask.full();
            for (Wrong wrong : List.of(
                    new Wrong(full.atPositions(new int[1]), "batch of 2"),
                    new Wrong(full.withKeys(new int[1], null), "batch of 2"),
                    new Wrong(full.withKeys(null, new int[1]), "batch of 2"),
                    new Wrong(
                            full.withKeys(new int[] {0, -1}, null),
                            "keys [-1,5) of sequence 1 are not within the 5 given"),
                    new Wrong(
                            full.withKeys(null, new int[] {5, 6}),
                            "keys [0,6) of sequence 1 are not within the 5 given"),
                    new Wrong(
                            full.with(random(arena, 3, 4)),
                            "mask F32[4] does not fit [batch,heads,queries,keys] = [2,4,3,5]"),
                    new Wrong(full.with(random(arena, 3, 2, 5)), "mask F32[2,5]"),
                    new Wrong(full.with(random(arena, 3, 2, 3, 5)), "mask F32[2,3,5]"),
                    new Wrong(full.with(bools(3, 3, 4, 3, 5)), "mask BOOL[3,4,3,5]"))) {
                assertThatThrownBy(() -> ops.attention(q, k, k, wrong.mask, 1f, 0f, nan(arena, 2, 4, 3, 8)))
                        .isInstanceOf(ShapeException.class)
                        .hasMessageStartingWith("attention: ")
                        .hasMessageContaining(wrong.message);
            }
        }
    }

    @Test
    void aMaskIsOfBooleansOrFloatsWithOneToFourDimensions() {
        for (Tensor wrong : List.of(
                Tensor.allocate(arena, DType.I32, Shape.of(3, 5)),
                Tensor.allocate(arena, DType.F16, Shape.of(3, 5)),
                Tensor.allocate(arena, DType.F32, Shape.of()),
                Tensor.allocate(arena, DType.F32, Shape.of(1, 1, 1, 3, 5)))) {
            assertThatThrownBy(() -> AttentionMask.full().with(wrong))
                    .isInstanceOf(ShapeException.class)
                    .hasMessage("attention mask " + wrong + ": must be BOOL or F32 with 1 to 4 dimensions");
        }
        assertThatThrownBy(() -> AttentionMask.full().within(-1, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("within -1, 0");
    }
}
