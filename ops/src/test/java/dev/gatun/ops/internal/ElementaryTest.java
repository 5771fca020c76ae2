package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

class ElementaryTest {
    private interface FloatFunction {
        float apply(float x);
    }

    /** The largest errors of a function over a sweep. */
    private record Errors(double ulp, double absolute, double absoluteOrRelative) {}

    /** Every 10007th of all finite floats, of both signs: 426,000 points. */
    private static Errors sweep(FloatFunction function, DoubleUnaryOperator reference) {
        double ulp = 0;
        double absolute = 0;
        double absoluteOrRelative = 0;
        for (int bits = 0; bits < 0x7f800000; bits += 10007) {
            for (int sign : new int[] {0, 0x80000000}) {
                float x = Float.intBitsToFloat(bits | sign);
                double expected = reference.applyAsDouble(x);
                float actual = function.apply(x);
                if (Float.isInfinite((float) expected)) {
                    assertThat(actual).as("at %s", x).isEqualTo((float) expected);
                } else {
                    double error = Math.abs(actual - expected);
                    assertThat(error).as("error at %s", x).isNotNaN();
                    absolute = Math.max(absolute, error);
                    absoluteOrRelative = Math.max(absoluteOrRelative, error / Math.max(1, Math.abs(expected)));
                    ulp = Math.max(ulp, error / Math.ulp((float) expected));
                }
            }
        }
        return new Errors(ulp, absolute, absoluteOrRelative);
    }

    /** erf as 2/&radic;&pi; e<sup>-x&sup2;</sup> &sum; 2<sup>n</sup> x<sup>2n+1</sup> / (2n+1)!!, whose terms have one sign. */
    private static double erf(double x) {
        double a = Math.abs(x);
        if (a > 6) {
            return Math.signum(x);
        }
        double term = a;
        double sum = a;
        for (int n = 1; term > sum * 1e-18; n++) {
            term *= 2 * a * a / (2 * n + 1);
            sum += term;
        }
        return Math.signum(x) * sum * StrictMath.exp(-a * a) * 2 / Math.sqrt(Math.PI);
    }

    private static double sigmoid(double x) {
        return 1 / (1 + StrictMath.exp(-x));
    }

    @Test
    void expOfAScoreHasASmallRelativeErrorDownToTheLeastNormalFloat() {
        for (float z = 0f; z >= -87.33f; z -= 0.0007f) {
            double expected = StrictMath.exp(z);
            double error = Math.abs(Elementary.expOfScore(z) - expected) / expected;
            assertThat(error).as("relative error of exp(%s)", z).isLessThan(1.8e-7 + 2.8e-9 * -z);
        }
    }

    @Test
    void expOfAScoreIsExactAtTheMaximumAndZeroFarBelowIt() {
        assertThat(Elementary.expOfScore(0f)).isEqualTo(1f);
        assertThat(Elementary.expOfScore(-0f)).isEqualTo(1f);
        for (float z : new float[] {-87.34f, -104f, -1e10f, -Float.MAX_VALUE, Float.NEGATIVE_INFINITY}) {
            assertThat(Elementary.expOfScore(z)).as("exp(%s)", z).isEqualTo(0f);
        }
        assertThat(Elementary.expOfScore(Float.NaN)).isNaN();
    }

    @Test
    void tanhIsCloseEverywhereAndRelativelyCloseNearZero() {
        Errors errors = sweep(Elementary::tanh, StrictMath::tanh);
        assertThat(errors.absolute()).isLessThan(1e-7);
        assertThat(errors.ulp()).isLessThan(2.5);
    }

    @Test
    void tanhIsOddNeverBeyondOneAndExactlyOneFarOut() {
        for (int bits = 0; bits <= 0x7f800000; bits += 5003) {
            float x = Float.intBitsToFloat(bits);
            float y = Elementary.tanh(x);
            assertThat(y).isBetween(0f, 1f);
            assertThat(Float.floatToRawIntBits(Elementary.tanh(-x))).isEqualTo(Float.floatToRawIntBits(-y));
        }
        for (float x : new float[] {9.1f, 10f, 10.1f, 1e6f, Float.MAX_VALUE, Float.POSITIVE_INFINITY}) {
            assertThat(Elementary.tanh(x)).isEqualTo(1f);
        }
        assertThat(Elementary.tanh(Float.NaN)).isNaN();
    }

    @Test
    void geluIsCloseEverywhereAndKeepsTheDigitsOfItsNegativeSide() {
        assertThat(sweep(Elementary::gelu, x -> x < -14 ? -0.0 : 0.5 * x * (1 + erf(x / Math.sqrt(2))))
                        .absoluteOrRelative())
                .isLessThan(1e-7);
        for (float x = -5f; x < -0.01f; x += 0.001f) {
            // erfc(a) = 1 - erf(a) in double keeps 8 digits here
            double expected = 0.5 * x * (1 - erf(-x / Math.sqrt(2)));
            assertThat(Math.abs(Elementary.gelu(x) / expected - 1))
                    .as("gelu(%s)", x)
                    .isLessThan(1e-3);
        }
    }

    @Test
    void sigmoidIsCloseEverywhere() {
        assertThat(sweep(Elementary::sigmoid, ElementaryTest::sigmoid).absolute())
                .isLessThan(1e-7);
    }

    @Test
    void activationsAreCloseToTheirFormulas() {
        double c = Math.sqrt(2 / Math.PI);
        for (float x = -20; x < 20; x += 0.001f) {
            double tolerance = 3e-7 * Math.max(1, Math.abs(x));
            double d = x;
            double u = c * (d + 0.044715 * d * d * d);
            assertThat((double) Elementary.gelu(x)).isCloseTo(d * 0.5 * (1 + erf(d / Math.sqrt(2))), within(tolerance));
            assertThat((double) Elementary.geluTanh(x))
                    .isCloseTo(d * 0.5 * (1 + StrictMath.tanh(u)), within(tolerance));
            assertThat((double) Elementary.quickGelu(x)).isCloseTo(d * sigmoid(1.702 * d), within(tolerance));
            assertThat((double) Elementary.silu(x)).isCloseTo(d * sigmoid(d), within(tolerance));
            assertThat(Elementary.relu(x)).isEqualTo(Math.max(x, 0));
        }
    }

    @Test
    void activationsOfLargeValuesAreTheValueOrZero() {
        FloatFunction[] functions = {
            Elementary::relu, Elementary::gelu, Elementary::geluTanh, Elementary::quickGelu, Elementary::silu
        };
        for (FloatFunction function : functions) {
            for (float x : new float[] {1e3f, 1e6f, 1e20f, Float.MAX_VALUE}) {
                assertThat(function.apply(x)).isEqualTo(x);
                assertThat(function.apply(-x)).isZero();
            }
            assertThat(function.apply(Float.NaN)).isNaN();
        }
    }
}
