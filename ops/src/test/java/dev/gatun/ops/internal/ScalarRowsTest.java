package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Scalar rows against double arithmetic; vector rows have the same bits, see {@link RowsBitsTest}. */
class ScalarRowsTest {
    private static final float INF = Float.POSITIVE_INFINITY;

    private final Arena arena = Arena.ofConfined();
    private final Rows rows = new ScalarRows();

    @AfterEach
    void close() {
        arena.close();
    }

    private MemorySegment of(float... values) {
        return arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    }

    private static float[] floats(MemorySegment segment) {
        return segment.toArray(ValueLayout.JAVA_FLOAT);
    }

    private static float[] random(int n, float scale) {
        SplittableRandom random = new SplittableRandom(n);
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian() * scale;
        }
        return values;
    }

    private float[] softmax(float... x) {
        MemorySegment out = of(x);
        rows.softmax(of(x), 0, 0, out, 0, 0, 1, x.length);
        return floats(out);
    }

    private float[] logSoftmax(float... x) {
        MemorySegment out = of(x);
        rows.logSoftmax(of(x), 0, 0, out, 0, 0, 1, x.length);
        return floats(out);
    }

    @Test
    void softmaxAndItsLogAreCloseToDoubleArithmetic() {
        for (float scale : new float[] {1, 10, 1e4f}) {
            float[] x = random(2049, scale);
            double max = Double.NEGATIVE_INFINITY;
            for (float v : x) {
                max = Math.max(max, v);
            }
            double sum = 0;
            for (float v : x) {
                sum += StrictMath.exp(v - max);
            }
            float[] y = softmax(x);
            float[] log = logSoftmax(x);
            for (int i = 0; i < x.length; i++) {
                assertThat((double) y[i]).isCloseTo(StrictMath.exp(x[i] - max) / sum, within(2e-7));
                double expected = x[i] - max - StrictMath.log(sum);
                assertThat((double) log[i]).isCloseTo(expected, within(2e-7 * Math.max(1, Math.abs(expected))));
            }
        }
    }

    @Test
    void softmaxOfMaskedRows() {
        assertThat(softmax(-INF, -INF, -INF)).containsExactly(0f, 0f, 0f);
        assertThat(softmax(-INF, 7f, -INF)).containsExactly(0f, 1f, 0f);
        assertThat(softmax(3.4e38f, -3.4e38f, 0f)).containsExactly(1f, 0f, 0f);
        assertThat(softmax(-3.4e38f, -3.4e38f)).containsExactly(0.5f, 0.5f);
    }

    @Test
    void oneNaNMakesTheRowOfSoftmaxNaN() {
        for (float other : new float[] {1f, -INF, INF}) {
            assertThat(softmax(other, Float.NaN, other)).containsOnly(Float.NaN);
            assertThat(logSoftmax(other, Float.NaN, other)).containsOnly(Float.NaN);
        }
    }

    @Test
    void logSoftmaxKeepsWhatIsMasked() {
        assertThat(logSoftmax(-INF, -INF)).containsExactly(-INF, -INF);
        assertThat(logSoftmax(-INF, 5f)).containsExactly(-INF, 0f);
    }

    @Test
    void tilesOfOnlineSoftmaxMakeTheSoftmaxOfTheRow() {
        int cols = 100;
        float[] x = random(cols, 5);
        Arrays.fill(x, 0, 40, -INF);
        Arrays.fill(x, 70, 75, -INF);
        MemorySegment scores = of(x);
        MemorySegment state = of(-INF, 0f, 0f);
        double[] weights = new double[cols];
        for (int start = 0; start < cols; start += 20) {
            rows.softmaxTile(scores, start * 4L, 0, 1, 20, state, 0, 1);
            float correction = floats(state)[2];
            for (int i = 0; i < start; i++) {
                weights[i] *= correction;
            }
            for (int i = start; i < start + 20; i++) {
                weights[i] = scores.getAtIndex(ValueLayout.JAVA_FLOAT, i);
            }
            if (start < 40) {
                assertThat(floats(state)).containsExactly(-INF, 0f, 1f);
            }
        }
        float[] expected = softmax(x);
        for (int i = 0; i < cols; i++) {
            assertThat(weights[i] / floats(state)[1]).isCloseTo(expected[i], within(3e-7));
            if (x[i] == -INF) {
                assertThat(weights[i]).isZero();
            }
        }
    }

    @Test
    void aRowThatSawNoKeyIsDividedToZeros() {
        MemorySegment x = of(1f, 2f, -3f, Float.NaN);
        rows.divideRows(x, 0, 8, 2, 2, of(4f, 0f), 0);
        assertThat(floats(x)).containsExactly(0.25f, 0.5f, 0f, 0f);
    }

    @Test
    void layerNormIsCloseToDoubleArithmeticAlsoFarFromZero() {
        for (float shift : new float[] {0, -3e3f, 1e4f}) {
            float[] x = random(1025, 1);
            for (int i = 0; i < x.length; i++) {
                x[i] += shift;
            }
            float[] w = random(1025, 0.5f);
            float[] b = random(1025, 0.25f);
            double mean = 0;
            for (float v : x) {
                mean += v / (double) x.length;
            }
            double variance = 0;
            for (float v : x) {
                variance += (v - mean) * (v - mean) / x.length;
            }
            MemorySegment out = of(x);
            rows.layerNorm(of(x), 0, 0, of(w), 0, of(b), 0, 1e-5f, out, 0, 0, 1, x.length);
            double tolerance = 1e-6 + Math.ulp(shift);
            for (int i = 0; i < x.length; i++) {
                double expected = (x[i] - mean) / Math.sqrt(variance + 1e-5) * w[i] + b[i];
                assertThat((double) floats(out)[i])
                        .isCloseTo(expected, within(tolerance * Math.max(1, Math.abs(w[i]))));
            }
        }
    }

    @Test
    void rmsNormIsCloseToDoubleArithmeticAlsoWhereSquaresOverflow() {
        for (float scale : new float[] {1e-20f, 1, 1e17f, 1e30f, 3e37f}) {
            float[] x = random(48, scale);
            float[] w = random(48, 1);
            double squares = 0;
            for (float v : x) {
                squares += (double) v * v / x.length;
            }
            MemorySegment out = of(x);
            rows.rmsNorm(of(x), 0, 0, of(w), 0, 1e-6f, out, 0, 0, 1, x.length);
            for (int i = 0; i < x.length; i++) {
                double expected = x[i] / Math.sqrt(squares + 1e-6f) * w[i];
                assertThat((double) floats(out)[i]).isCloseTo(expected, within(2e-6));
            }
        }
    }

    @Test
    void rmsNormOfZerosIsZeros() {
        MemorySegment out = of(1f, 1f);
        rows.rmsNorm(of(0f, 0f), 0, 0, of(1f, 1f), 0, 1e-6f, out, 0, 0, 1, 2);
        assertThat(floats(out)).containsExactly(0f, 0f);
    }

    @Test
    void ropeTurnsPairsAndCopiesTheRest() {
        MemorySegment cos = of(0f, 0.5f);
        MemorySegment sin = of(1f, 0.25f);
        MemorySegment x = of(1f, 2f, 3f, 4f, 5f);
        MemorySegment out = of(0f, 0f, 0f, 0f, 0f);
        rows.rope(x, 0, 0, cos, 0, sin, 0, 0, 4, false, out, 0, 0, 1, 5);
        assertThat(floats(out)).containsExactly(-3f, 2 * 0.5f - 4 * 0.25f, 1f, 4 * 0.5f + 2 * 0.25f, 5f);
        rows.rope(x, 0, 0, cos, 0, sin, 0, 0, 4, true, out, 0, 0, 1, 5);
        assertThat(floats(out)).containsExactly(-2f, 1f, 3 * 0.5f - 4 * 0.25f, 4 * 0.5f + 3 * 0.25f, 5f);
    }

    @Test
    void softCapBoundsAndKeepsSmallValues() {
        MemorySegment x = of(1e-3f, -1e-3f, 1e6f, -INF);
        rows.softCap(30f, x, 0, 0, 1, 4);
        assertThat(floats(x)[0]).isCloseTo(1e-3f, within(1e-9f));
        assertThat(floats(x)[1]).isEqualTo(-floats(x)[0]);
        assertThat(floats(x)[2]).isEqualTo(30f);
        assertThat(floats(x)[3]).isEqualTo(-30f);
    }

    @Test
    void addAndMultiplyTakeOneRowForAllOrOneForEach() {
        MemorySegment a = of(1f, 2f, 3f, 4f);
        MemorySegment b = of(10f, 20f, 30f, 40f);
        MemorySegment out = of(0f, 0f, 0f, 0f);
        rows.add(a, 0, 8, b, 0, 0, out, 0, 8, 2, 2);
        assertThat(floats(out)).containsExactly(11f, 22f, 13f, 24f);
        rows.add(a, 0, 8, b, 0, 8, out, 0, 8, 2, 2);
        assertThat(floats(out)).containsExactly(11f, 22f, 33f, 44f);
        rows.multiply(a, 0, 8, b, 0, 0, out, 0, 8, 2, 2);
        assertThat(floats(out)).containsExactly(10f, 40f, 30f, 80f);
        rows.multiply(a, 0, 8, b, 0, 8, out, 0, 8, 2, 2);
        assertThat(floats(out)).containsExactly(10f, 40f, 90f, 160f);
    }
}
