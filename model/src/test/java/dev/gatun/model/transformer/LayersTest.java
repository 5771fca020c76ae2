package dev.gatun.model.transformer;

import static dev.gatun.model.nn.Reference.add;
import static dev.gatun.model.nn.Reference.assertClose;
import static dev.gatun.model.nn.Reference.nan;
import static dev.gatun.model.nn.Reference.random;
import static dev.gatun.model.nn.Reference.rows;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.KvCache;
import dev.gatun.model.nn.Reference.RefAttention;
import dev.gatun.model.nn.Reference.RefFeedForward;
import dev.gatun.model.nn.Reference.RefLayerNorm;
import dev.gatun.model.transformer.DecoderLayer.Source;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.Ops;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A layer of the encoder and one of the decoder, post-norm and pre-norm, against the same layer written out in double. */
class LayersTest {
    private static final int B = 2;
    private static final int T = 5;
    private static final int D = 24;
    private static final int D_FF = 70;
    private static final int HEADS = 3;
    private static final double TOLERANCE = 1e-5;

    /** norm(x + f(x)), or x + f(norm(x)). */
    private static double[][] residual(
            double[][] x, RefLayerNorm norm, boolean normFirst, UnaryOperator<double[][]> f) {
        return normFirst ? add(x, f.apply(norm.apply(x))) : norm.apply(add(x, f.apply(x)));
    }

    private static double[][] sequence(Tensor x, int b, int length) {
        return rows(x.slice(0, b, b + 1).slice(1, 0, length));
    }

    private static Activations activations(Arena arena, int batch, int tokens, int beams) {
        var workspace = Activations.layout(batch * tokens, D, D, D_FF).allocate(arena);
        return Activations.of(workspace, batch, tokens, D_FF, D, HEADS, beams);
    }

    @ParameterizedTest
    @CsvSource({"SCALAR,false", "SCALAR,true", "VECTOR,false", "VECTOR,true", "OPENBLAS,false", "OPENBLAS,true"})
    void anEncoderLayerIsSelfAttentionAndFeedForward(Kind kind, boolean normFirst) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            RefAttention attention = RefAttention.random(backend, arena, 1, D, HEADS);
            RefLayerNorm norm1 = RefLayerNorm.random(arena, 20, D);
            RefFeedForward feedForward = RefFeedForward.random(backend, arena, 30, D, D_FF);
            RefLayerNorm norm2 = RefLayerNorm.random(arena, 40, D);
            EncoderLayer layer =
                    new EncoderLayer(attention.layer(), norm1.layer(), feedForward.layer(), norm2.layer(), normFirst);

            int[] lengths = {5, 2};
            Activations a = activations(arena, B, T, 1);
            a.x().copyFrom(random(arena, 50, 1, B, T, D));
            double[][][] expected = new double[B][][];
            for (int b = 0; b < B; b++) {
                double[][] x = sequence(a.x(), b, lengths[b]);
                x = residual(x, norm1, normFirst, y -> attention.apply(y, y, (i, j) -> true));
                expected[b] = residual(x, norm2, normFirst, feedForward::apply);
            }
            layer.forward(backend.newOps(arena), a.x(), AttentionMask.full().withKeys(null, lengths), a);
            for (int b = 0; b < B; b++) {
                Tensor actual = a.x().slice(0, b, b + 1).slice(1, 0, lengths[b]);
                assertClose("sequence " + b, actual, expected[b], TOLERANCE);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "SCALAR,false,1",
        "SCALAR,true,3",
        "VECTOR,false,3",
        "VECTOR,true,1",
        "OPENBLAS,false,3",
        "OPENBLAS,true,3"
    })
    void aDecoderLayerAddsAttentionToTheSource(Kind kind, boolean normFirst, int beams) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            Ops ops = backend.newOps(arena);
            RefAttention self = RefAttention.random(backend, arena, 1, D, HEADS);
            RefAttention cross = RefAttention.random(backend, arena, 10, D, HEADS);
            RefLayerNorm norm1 = RefLayerNorm.random(arena, 20, D);
            RefLayerNorm norm2 = RefLayerNorm.random(arena, 22, D);
            RefLayerNorm norm3 = RefLayerNorm.random(arena, 24, D);
            RefFeedForward feedForward = RefFeedForward.random(backend, arena, 30, D, D_FF);
            DecoderLayer layer = new DecoderLayer(
                    self.layer(),
                    norm1.layer(),
                    cross.layer(),
                    norm2.layer(),
                    feedForward.layer(),
                    norm3.layer(),
                    normFirst);

            int nSource = 6;
            int[] lengths = {6, 3};
            Tensor encoded = random(arena, 50, 1, B, nSource, D);
            Source source = Source.of(nan(arena, B, nSource, D), nan(arena, B, nSource, D), HEADS);
            cross.layer().projectSource(ops, encoded, source.keys(), source.values());
            AttentionMask sourceMask = AttentionMask.full().withKeys(null, lengths);

            int hypotheses = B * beams;
            int[] first = new int[hypotheses];
            int[] to = new int[hypotheses];
            AttentionMask selfMask = AttentionMask.causal().atPositions(first).withKeys(null, to);
            try (KvCache cache = new KvCache(1, hypotheses, HEADS, T, D / HEADS)) {
                Tensor target = random(arena, 51, 1, hypotheses, T, D);
                for (int[] chunks : new int[][] {{1, 1, 1, 1, 1}, {5}, {3, 2}}) {
                    cache.reset(hypotheses);
                    for (int chunk : chunks) {
                        int from = cache.length();
                        Arrays.fill(first, from);
                        Arrays.fill(to, from + chunk);
                        Activations a = activations(arena, hypotheses, chunk, beams);
                        a.x().copyFrom(target.slice(1, from, from + chunk));
                        cache.begin(chunk);
                        layer.forward(ops, a.x(), selfMask, cache, 0, source, new int[][] {{0}, {1}}, sourceMask, a);
                        cache.commit();
                        for (int row = 0; row < hypotheses; row++) {
                            double[][] memory = sequence(encoded, row / beams, lengths[row / beams]);
                            double[][] x = sequence(target, row, T);
                            x = residual(x, norm1, normFirst, y -> self.apply(y, y, (i, j) -> j <= i));
                            x = residual(x, norm2, normFirst, y -> cross.apply(y, memory, (i, j) -> true));
                            x = residual(x, norm3, normFirst, feedForward::apply);
                            assertClose(
                                    Arrays.toString(chunks) + ", hypothesis " + row + " from " + from,
                                    a.x().slice(0, row, row + 1),
                                    Arrays.copyOfRange(x, from, from + chunk),
                                    TOLERANCE);
                        }
                    }
                }
            }
        }
    }
}
