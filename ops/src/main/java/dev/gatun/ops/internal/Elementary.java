package dev.gatun.ops.internal;

/**
 * exp, tanh and the activations made of them, on one float. {@link VectorElementary} and {@link VectorSoftmax} perform the same
 * operations in the same order on a vector of floats, so their lanes are these results to the bit.
 *
 * <p>All polynomials are minimax (Remez, Lawson), their coefficients rounded to floats. Each function has the exp that it needs
 * and no more, as the operations are what a row costs: 14 for a score, 24 for GELU.
 */
final class Elementary {
    static final float LOG2_E = 1.442695f;
    /** ln 2 in two floats. */
    static final float LN2_HIGH = 0.6931472f;

    static final float LN2_LOW = -1.9046542e-9f;

    /**
     * Adding 1.5 &middot; 2<sup>23</sup> rounds to an integer n and leaves it in the lowest bits; 127 more, the bias of the
     * exponent, makes those bits &lt;&lt; 23 the float 2<sup>n</sup>.
     */
    static final float ROUND = 0x1.8p23f + 127;
    /** Likewise without the bias: the bits &lt;&lt; 23 added to those of a float multiply it by 2<sup>n</sup>. */
    static final float ROUND_UNBIASED = 0x1.8p23f;

    /** e<sup>x</sup> of anything less is below the least normal float, 2<sup>-126</sup>. */
    static final float EXP_MIN = -87.33654f;

    /** e<sup>r</sup> = 1 + r + r&sup2;q(r) for r within &plusmn;ln2/2; degree 4, relative error of e<sup>r</sup> - 1 1.3e-8. */
    static final float Q0 = 0.49999997f;

    static final float Q1 = 0.16666543f;
    static final float Q2 = 0.0416672f;
    static final float Q3 = 0.008366527f;
    static final float Q4 = 0.001388252f;

    /** Likewise of degree 3, for scores: relative error of e<sup>r</sup> 1.0e-7. */
    static final float S0 = 0.4999923f;

    static final float S1 = 0.16667116f;
    static final float S2 = 0.041890327f;
    static final float S3 = 0.008312504f;

    /** tanh of anything more rounds to 1. */
    static final float TANH_MAX = 10f;

    /**
     * -1 + a g(a) is the binary logarithm of &Phi;(-a), the normal distribution's tail, on [0, 5.6], g being weighted for the
     * absolute error of a &Phi;(-a), 2.3e-8. Beyond, a &Phi;(-a) is less than 6.1e-8: x and 0 are the floats.
     */
    static final float GELU_MAX = 5.6f;

    static final float G0 = -1.1511178f;
    static final float G1 = -0.45911127f;
    static final float G2 = -0.052766465f;
    static final float G3 = 0.0074299267f;
    static final float G4 = -0.00040376626f;
    static final float G5 = -8.0207654e-05f;
    static final float G6 = 1.7863716e-05f;
    static final float G7 = -1.0966492e-06f;

    /** -2<sup>f</sup> for f within &plusmn;1/2, relative error 7.5e-8. */
    static final float P0 = -1f;

    static final float P1 = -0.69314694f;
    static final float P2 = -0.24022119f;
    static final float P3 = -0.055507135f;
    static final float P4 = -0.009675564f;
    static final float P5 = -0.0013276434f;

    /** 1 / (1 + e<sup>z</sup>) of anything more is taken for 0: it is below 6.1e-39, a denormal. */
    static final float GATE_MAX = 88f;

    /** -2 &radic;(2/&pi;), and that times 0.044715: the tanh of GELU's approximation written as a sigmoid of twice its argument. */
    static final float GELU_TANH_1 = -1.5957692f;

    static final float GELU_TANH_3 = -0.071354814f;
    static final float QUICK_GELU = -1.702f;

    private Elementary() {}

    /**
     * e<sup>z</sup> for a score below its row's maximum: z is never positive. Exactly 1 at 0 and 0 below {@link #EXP_MIN};
     * relative error 1.8e-7, and 2.8e-9 |z| more as one float of ln 2 serves. A NaN stays NaN.
     */
    static float expOfScore(float z) {
        float shifted = Math.fma(z, LOG2_E, ROUND);
        float r = Math.fma(shifted - ROUND, -LN2_HIGH, z);
        float q = Math.fma(Math.fma(Math.fma(S3, r, S2), r, S1), r, S0);
        float e = Math.fma(Math.fma(q, r, 1f), r, 1f);
        float power = Float.intBitsToFloat(Float.floatToRawIntBits(shifted) << 23);
        return z < EXP_MIN ? 0f : e * power;
    }

    private static float q(float r) {
        return Math.fma(Math.fma(Math.fma(Math.fma(Q4, r, Q3), r, Q2), r, Q1), r, Q0);
    }

    /** x / (1 + e<sup>z</sup>). */
    private static float gate(float x, float z) {
        float c = z < EXP_MIN ? EXP_MIN : z;
        float shifted = Math.fma(c, LOG2_E, ROUND);
        float n = shifted - ROUND;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, c));
        float e = Math.fma(Math.fma(q(r), r, 1f), r, 1f);
        float power = Float.intBitsToFloat(Float.floatToRawIntBits(shifted) << 23);
        return z > GATE_MAX ? 0f : x / Math.fma(e, power, 1f);
    }

    /** {@code x} or {@code -x}: the magnitude of one float with the sign of another. */
    private static float withSign(float magnitude, float sign) {
        return Float.intBitsToFloat(
                (Float.floatToRawIntBits(magnitude) & 0x7fffffff) | (Float.floatToRawIntBits(sign) & 0x80000000));
    }

    /** tanh |x| = e / (e + 2) with e = e<sup>2|x|</sup> - 1; odd to the bit, exactly &plusmn;1 far out; 2.4 ulp. */
    static float tanh(float x) {
        float a = Math.abs(x);
        a = a > TANH_MAX ? TANH_MAX : a;
        float z = a + a;
        float shifted = Math.fma(z, LOG2_E, ROUND);
        float n = shifted - ROUND;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, z));
        float power = Float.intBitsToFloat(Float.floatToRawIntBits(shifted) << 23);
        float e = Math.fma(power, Math.fma(r * r, q(r), r), power - 1f);
        return withSign(e / (e + 2f), x);
    }

    static float relu(float x) {
        return x <= 0f ? 0f : x;
    }

    /** x &Phi;(x) = relu(x) - |x| &Phi;(-|x|): no cancellation, so that far negative values keep their digits too. */
    static float gelu(float x) {
        float a = Math.abs(x);
        float g = Math.fma(Math.fma(Math.fma(Math.fma(G7, a, G6), a, G5), a, G4), a, G3);
        g = Math.fma(Math.fma(Math.fma(g, a, G2), a, G1), a, G0);
        float t = Math.fma(g, a, -1f);
        float shifted = t + ROUND_UNBIASED;
        float f = t - (shifted - ROUND_UNBIASED);
        float p = Math.fma(Math.fma(Math.fma(Math.fma(Math.fma(P5, f, P4), f, P3), f, P2), f, P1), f, P0);
        int tail = Float.floatToRawIntBits(p) + (Float.floatToRawIntBits(shifted) << 23);
        return a > GELU_MAX ? relu(x) : Math.fma(a, Float.intBitsToFloat(tail), relu(x));
    }

    /** x/2 &middot; (1 + tanh u) is x &middot; sigmoid(2u). */
    static float geluTanh(float x) {
        return gate(x, x * Math.fma(x * x, GELU_TANH_3, GELU_TANH_1));
    }

    static float quickGelu(float x) {
        return gate(x, x * QUICK_GELU);
    }

    static float silu(float x) {
        return gate(x, -x);
    }

    static float sigmoid(float x) {
        return gate(1f, -x);
    }
}
