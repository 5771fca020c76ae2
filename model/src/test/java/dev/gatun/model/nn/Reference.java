package dev.gatun.model.nn;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Backend;
import java.lang.foreign.Arena;
import java.util.Random;

/**
 * The parts of the Transformer written out in double, one sequence at a time, beside the parts under test that have the same
 * random weights. A sequence is an array of rows.
 */
public final class Reference {
    private Reference() {}

    /** Whether a query may look at a key. */
    @FunctionalInterface
    public interface Visible {
        /** True where query {@code i} sees key {@code j}. */
        boolean at(int i, int j);
    }

    /** y = x W^T + b, and its layer. */
    public record RefLinear(Linear layer, double[][] weight, double[] bias) {
        /** A layer whose outputs are about as large as its inputs. */
        public static RefLinear random(Backend backend, Arena arena, long seed, int n, int k) {
            Tensor weight = Reference.random(arena, seed, 1 / Math.sqrt(k), n, k);
            Tensor bias = Reference.random(arena, seed + 1, 0.1, n);
            return new RefLinear(new Linear(backend.pack(weight, arena), bias), rows(weight), rows(bias)[0]);
        }

        /** The layer of each row. */
        public double[][] apply(double[][] x) {
            double[][] y = new double[x.length][weight.length];
            for (int t = 0; t < x.length; t++) {
                for (int n = 0; n < weight.length; n++) {
                    double sum = bias[n];
                    for (int k = 0; k < x[t].length; k++) {
                        sum += x[t][k] * weight[n][k];
                    }
                    y[t][n] = sum;
                }
            }
            return y;
        }
    }

    /** (x - mean) / sqrt(variance + epsilon) g + b, and its layer. */
    public record RefLayerNorm(LayerNorm layer, double[] weight, double[] bias) {
        /** Gains and biases around 0. */
        public static RefLayerNorm random(Arena arena, long seed, int d) {
            Tensor weight = Reference.random(arena, seed, 1, d);
            Tensor bias = Reference.random(arena, seed + 1, 0.1, d);
            return new RefLayerNorm(new LayerNorm(weight, bias, 1e-5f), rows(weight)[0], rows(bias)[0]);
        }

        /** The norm of each row. */
        public double[][] apply(double[][] x) {
            double[][] y = new double[x.length][];
            for (int t = 0; t < x.length; t++) {
                int d = x[t].length;
                double mean = 0;
                for (double value : x[t]) {
                    mean += value / d;
                }
                double variance = 0;
                for (double value : x[t]) {
                    variance += (value - mean) * (value - mean) / d;
                }
                y[t] = new double[d];
                for (int i = 0; i < d; i++) {
                    y[t][i] = (x[t][i] - mean) / Math.sqrt(variance + 1e-5) * weight[i] + bias[i];
                }
            }
            return y;
        }
    }

    /** max(x W1 + b1, 0) W2 + b2, and its layer. */
    public record RefFeedForward(FeedForward layer, RefLinear fc1, RefLinear fc2) {
        /** A network with the paper's activation. */
        public static RefFeedForward random(Backend backend, Arena arena, long seed, int d, int dFf) {
            RefLinear fc1 = RefLinear.random(backend, arena, seed, dFf, d);
            RefLinear fc2 = RefLinear.random(backend, arena, seed + 2, d, dFf);
            return new RefFeedForward(new FeedForward(fc1.layer, Activation.RELU, fc2.layer), fc1, fc2);
        }

        /** The network of each row. */
        public double[][] apply(double[][] x) {
            double[][] hidden = fc1.apply(x);
            for (double[] row : hidden) {
                for (int i = 0; i < row.length; i++) {
                    row[i] = Math.max(row[i], 0);
                }
            }
            return fc2.apply(hidden);
        }
    }

    /** Concat(softmax(Q_i K_i^T / sqrt(dK)) V_i) W^O, and its layer. */
    public record RefAttention(
            MultiHeadAttention layer, RefLinear q, RefLinear k, RefLinear v, RefLinear o, int nHeads) {
        /** Attention of the paper. */
        public static RefAttention random(Backend backend, Arena arena, long seed, int d, int nHeads) {
            RefLinear q = RefLinear.random(backend, arena, seed, d, d);
            RefLinear k = RefLinear.random(backend, arena, seed + 2, d, d);
            RefLinear v = RefLinear.random(backend, arena, seed + 4, d, d);
            RefLinear o = RefLinear.random(backend, arena, seed + 6, d, d);
            return new RefAttention(
                    MultiHeadAttention.of(q.layer, k.layer, v.layer, o.layer, nHeads), q, k, v, o, nHeads);
        }

        /** Queries from x, keys and values from source, which is x for self-attention. */
        public double[][] apply(double[][] x, double[][] source, Visible visible) {
            double[][] queries = q.apply(x);
            double[][] keys = k.apply(source);
            double[][] values = v.apply(source);
            int d = q.weight.length;
            int dK = d / nHeads;
            double[][] context = new double[x.length][d];
            for (int h = 0; h < nHeads; h++) {
                for (int i = 0; i < x.length; i++) {
                    double[] weights = new double[source.length];
                    double sum = 0;
                    for (int j = 0; j < source.length; j++) {
                        if (visible.at(i, j)) {
                            double score = 0;
                            for (int c = h * dK; c < (h + 1) * dK; c++) {
                                score += queries[i][c] * keys[j][c];
                            }
                            weights[j] = Math.exp(score / Math.sqrt(dK));
                            sum += weights[j];
                        }
                    }
                    for (int j = 0; j < source.length; j++) {
                        for (int c = h * dK; c < (h + 1) * dK; c++) {
                            context[i][c] += weights[j] / sum * values[j][c];
                        }
                    }
                }
            }
            return o.apply(context);
        }
    }

    /** a + b. */
    public static double[][] add(double[][] a, double[][] b) {
        double[][] sum = new double[a.length][];
        for (int t = 0; t < a.length; t++) {
            sum[t] = new double[a[t].length];
            for (int i = 0; i < a[t].length; i++) {
                sum[t][i] = a[t][i] + b[t][i];
            }
        }
        return sum;
    }

    /** Normally distributed elements; the same seed gives the same tensor. */
    public static Tensor random(Arena arena, long seed, double deviation, int... dims) {
        Random random = new Random(seed);
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
        return Tensor.copyOf(arena, values, dims);
    }

    /** A tensor of NaN, so that what is not written shows. */
    public static Tensor nan(Arena arena, int... dims) {
        Tensor tensor = Tensor.allocate(arena, DType.F32, Shape.of(dims));
        tensor.segment().fill((byte) 0xFF);
        return tensor;
    }

    /** The rows of a tensor [..., D]. */
    public static double[][] rows(Tensor tensor) {
        float[] values = tensor.toFloats();
        int d = tensor.dim(-1);
        double[][] rows = new double[values.length / d][d];
        for (int i = 0; i < values.length; i++) {
            rows[i / d][i % d] = values[i];
        }
        return rows;
    }

    /** Asserts that no element of [..., D] differs by more than {@code tolerance}. */
    public static void assertClose(String what, Tensor actual, double[][] expected, double tolerance) {
        double[][] rows = rows(actual);
        if (rows.length != expected.length || rows[0].length != expected[0].length) {
            throw new AssertionError(
                    what + ": " + actual + " is not " + expected.length + " rows of " + expected[0].length);
        }
        for (int t = 0; t < rows.length; t++) {
            for (int i = 0; i < rows[t].length; i++) {
                if (!(Math.abs(rows[t][i] - expected[t][i]) <= tolerance)) {
                    throw new AssertionError(what + ": row " + t + ", element " + i + " of " + actual.shape() + " is "
                            + rows[t][i] + ", expected " + expected[t][i] + " within " + tolerance);
                }
            }
        }
    }
}
