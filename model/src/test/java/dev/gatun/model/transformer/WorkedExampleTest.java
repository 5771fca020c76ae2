package dev.gatun.model.transformer;

import static dev.gatun.model.nn.Reference.add;
import static dev.gatun.model.nn.Reference.assertClose;
import static dev.gatun.model.nn.Reference.nan;
import static dev.gatun.model.nn.Reference.random;
import static dev.gatun.model.nn.Reference.rows;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Embedding;
import dev.gatun.model.nn.KvCache;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.MultiHeadAttention;
import dev.gatun.model.nn.MultiHeadAttention.AttentionBuffers;
import dev.gatun.model.nn.PositionTable;
import dev.gatun.model.nn.Reference.RefAttention;
import dev.gatun.model.nn.Reference.RefFeedForward;
import dev.gatun.model.nn.Reference.RefLayerNorm;
import dev.gatun.model.nn.SinusoidalPositions;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.Ops;
import java.lang.foreign.Arena;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The worked example of docs/TRANSFORMER.md: its shapes at each stage, and its numbers against plain double arithmetic. */
class WorkedExampleTest {
    private static final int BATCH = 4;
    private static final int HEADS = 4;
    private static final int CTX = 16;
    private static final int D_K = 128;
    private static final int D_MODEL = HEADS * D_K;
    private static final int D_FF = 2048;
    private static final int VOCAB = 1000;

    /** Float against double over sums of 512 and 2048 products; outputs are around 1. */
    private static final double TOLERANCE = 2e-5;

    private static void assertShape(Tensor tensor, int... dims) {
        assertThat(tensor.shape().toArray()).containsExactly(dims);
    }

    private static double[][] sequence(Tensor x, int b) {
        return rows(x.slice(0, b, b + 1));
    }

    private static AttentionBuffers buffers(Arena arena, int tokens) {
        return AttentionBuffers.of(
                nan(arena, BATCH, tokens, D_MODEL),
                nan(arena, BATCH, tokens, D_MODEL),
                nan(arena, BATCH, tokens, D_MODEL),
                nan(arena, BATCH, tokens, D_MODEL),
                HEADS);
    }

    /** What {@code ops.attention} does in one go and without a [ctx, ctx] matrix, done step by step and with one. */
    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void attentionStepByStep(Kind kind) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            RefAttention reference = RefAttention.random(backend, arena, 1, D_MODEL, HEADS);
            MultiHeadAttention attention = reference.layer();
            Tensor x = random(arena, 10, 1, BATCH, CTX, D_MODEL);
            AttentionBuffers a = buffers(arena, CTX);

            attention.qProj().forward(ops, x, a.q());
            attention.kProj().forward(ops, x, a.k());
            attention.vProj().forward(ops, x, a.v());
            assertShape(a.q(), 4, 16, 512);

            Tensor q = a.qHeads();
            Tensor k = a.kHeads();
            Tensor v = a.vHeads();
            for (Tensor heads : new Tensor[] {q, k, v}) {
                assertShape(heads, 4, 4, 16, 128);
            }
            assertThat(q.segment().address())
                    .as("no byte moved")
                    .isEqualTo(a.q().segment().address());
            assertThat(q.getFloat(3, 2, 15, 7)).isEqualTo(a.q().getFloat(3, 15, 2 * D_K + 7));

            Tensor scores = nan(arena, BATCH, HEADS, CTX, CTX);
            ops.matmul(q, k.transpose(2, 3), scores);
            ops.scale(attention.scale(), scores, scores);
            assertShape(scores, 4, 4, 16, 16);
            assertThat(attention.scale()).isEqualTo((float) (1 / Math.sqrt(128)));

            ops.softmax(scores, scores);
            for (double[] row : rows(scores)) {
                double sum = 0;
                for (double weight : row) {
                    assertThat(weight).isBetween(0.0, 1.0);
                    sum += weight;
                }
                assertThat(sum).isCloseTo(1, within(1e-6));
            }

            ops.matmul(scores, v, a.contextHeads());
            assertShape(a.contextHeads(), 4, 4, 16, 128);
            assertShape(a.context(), 4, 16, 512);
            double[][] stepByStep = rows(a.context());

            Tensor out = nan(arena, BATCH, CTX, D_MODEL);
            attention.oProj().forward(ops, a.context(), out);
            assertShape(out, 4, 16, 512);

            double[][][] expected = new double[BATCH][][];
            for (int b = 0; b < BATCH; b++) {
                double[][] sequence = sequence(x, b);
                expected[b] = reference.apply(sequence, sequence, (i, j) -> true);
                assertClose("step by step, sequence " + b, out.slice(0, b, b + 1), expected[b], TOLERANCE);
            }

            Tensor inOneGo = nan(arena, BATCH, CTX, D_MODEL);
            attention.forward(ops, x, AttentionMask.full(), a, inOneGo);
            assertClose("context", a.context(), stepByStep, TOLERANCE);
            for (int b = 0; b < BATCH; b++) {
                assertClose("in one go, sequence " + b, inOneGo.slice(0, b, b + 1), expected[b], TOLERANCE);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void aMaskHidesTheFutureAndThePadding(Kind kind) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            RefAttention reference = RefAttention.random(backend, arena, 1, D_MODEL, HEADS);
            Tensor x = random(arena, 10, 1, BATCH, CTX, D_MODEL);
            int[] lengths = {16, 9, 1, 12};
            Tensor out = nan(arena, BATCH, CTX, D_MODEL);
            AttentionMask mask = AttentionMask.causal().withKeys(null, lengths);
            reference.layer().forward(ops, x, mask, buffers(arena, CTX), out);
            for (int b = 0; b < BATCH; b++) {
                double[][] sequence = sequence(x, b);
                int length = lengths[b];
                double[][] expected = reference.apply(sequence, sequence, (i, j) -> j <= i && j < length);
                assertClose("sequence " + b, out.slice(0, b, b + 1), expected, TOLERANCE);
            }
        }
    }

    /** Sixteen steps of one token over a cache give what one pass over sixteen tokens gives. */
    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void aCacheComputesEachKeyAndValueOnce(Kind kind) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            MultiHeadAttention attention =
                    RefAttention.random(backend, arena, 1, D_MODEL, HEADS).layer();
            Tensor x = random(arena, 10, 1, BATCH, CTX, D_MODEL);
            Tensor all = nan(arena, BATCH, CTX, D_MODEL);
            attention.forward(ops, x, AttentionMask.causal(), buffers(arena, CTX), all);

            try (KvCache cache = new KvCache(1, BATCH, HEADS, CTX, D_K)) {
                assertShape(cache.keys(0), 16 * 4, 4, 1, 128);
                cache.reset(BATCH);
                int[] position = new int[BATCH];
                int[] written = new int[BATCH];
                AttentionMask mask =
                        AttentionMask.causal().atPositions(position).withKeys(null, written);
                AttentionBuffers a = buffers(arena, 1);
                assertShape(a.qHeads(), 4, 4, 1, 128);
                Tensor token = nan(arena, BATCH, 1, D_MODEL);
                Tensor out = nan(arena, BATCH, 1, D_MODEL);
                for (int t = 0; t < CTX; t++) {
                    token.copyFrom(x.slice(1, t, t + 1));
                    Arrays.fill(position, t);
                    Arrays.fill(written, t + 1);
                    cache.begin(1);
                    attention.forward(ops, token, mask, cache, 0, a, out);
                    cache.commit();
                    assertThat(cache.length()).isEqualTo(t + 1);
                    Tensor expected = all.slice(1, t, t + 1);
                    if (kind == Kind.OPENBLAS) {
                        assertClose("token " + t, out, rows(expected), TOLERANCE);
                    } else {
                        assertThat(out.toFloats()).as("token " + t).containsExactly(expected.toFloats());
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void fromIdsToLogits(Kind kind) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            Tensor table = random(arena, 1, 1 / Math.sqrt(D_MODEL), VOCAB, D_MODEL);
            Embedding embedding = new Embedding(table, (float) Math.sqrt(D_MODEL));
            PositionTable positions =
                    SinusoidalPositions.create(arena, CTX, D_MODEL, SinusoidalPositions.Layout.INTERLEAVED);
            RefAttention attention = RefAttention.random(backend, arena, 10, D_MODEL, HEADS);
            RefLayerNorm norm1 = RefLayerNorm.random(arena, 20, D_MODEL);
            RefFeedForward feedForward = RefFeedForward.random(backend, arena, 30, D_MODEL, D_FF);
            RefLayerNorm norm2 = RefLayerNorm.random(arena, 40, D_MODEL);
            EncoderLayer layer =
                    new EncoderLayer(attention.layer(), norm1.layer(), feedForward.layer(), norm2.layer(), false);
            Linear lmHead = new Linear(backend.pack(table, arena), null);

            Activations a = Activations.of(
                    Activations.layout(BATCH * CTX, D_MODEL, D_MODEL, D_FF).allocate(arena),
                    BATCH,
                    CTX,
                    D_FF,
                    D_MODEL,
                    HEADS,
                    1);
            int[] ids = new int[BATCH * CTX];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = i * 37 % VOCAB;
            }
            Tensor x = a.x();
            embedding.forward(ops, ids, 0, x);
            assertShape(x, 4, 16, 512);
            positions.add(ops, a.tokens(), 0);
            double[][] embedded = new double[BATCH * CTX][D_MODEL];
            for (int i = 0; i < ids.length; i++) {
                for (int d = 0; d < D_MODEL; d++) {
                    double angle = i % CTX / Math.pow(10000, d / 2 * 2.0 / D_MODEL);
                    embedded[i][d] = table.getFloat(ids[i], d) * Math.sqrt(D_MODEL)
                            + (d % 2 == 0 ? Math.sin(angle) : Math.cos(angle));
                }
            }
            assertClose("embedded", x, embedded, 1e-6);

            layer.forward(ops, x, AttentionMask.full(), a);
            assertShape(a.mlp().hidden(), 4, 16, 2048);
            assertShape(x, 4, 16, 512);
            Tensor logits = nan(arena, BATCH, CTX, VOCAB);
            lmHead.forward(ops, x, logits);
            assertShape(logits, 4, 16, 1000);

            double[][] weight = rows(table);
            for (int b = 0; b < BATCH; b++) {
                double[][] in = Arrays.copyOfRange(embedded, b * CTX, (b + 1) * CTX);
                double[][] attended = norm1.apply(add(in, attention.apply(in, in, (i, j) -> true)));
                double[][] encoded = norm2.apply(add(attended, feedForward.apply(attended)));
                assertClose("encoded, sequence " + b, x.slice(0, b, b + 1), encoded, TOLERANCE);
                double[][] scores = new double[CTX][VOCAB];
                for (int t = 0; t < CTX; t++) {
                    for (int id = 0; id < VOCAB; id++) {
                        for (int d = 0; d < D_MODEL; d++) {
                            scores[t][id] += encoded[t][d] * weight[id][d];
                        }
                    }
                }
                assertClose("logits, sequence " + b, logits.slice(0, b, b + 1), scores, TOLERANCE);
            }
        }
    }
}
