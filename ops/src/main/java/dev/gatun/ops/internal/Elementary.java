package dev.gatun.ops.internal;

/**
 * exp, erf, tanh and the activations made of them, on one float. {@link VectorElementary} performs the same operations in the
 * same order on a vector of floats, so its lanes are these results to the bit.
 *
 * <p>Everything rests on e<sup>r</sup> = 1 + r + r&sup2;q(r) for r within &plusmn;ln2/2, where q is the minimax polynomial (Remez)
 * of degree 4 for the relative error of e<sup>r</sup> - 1, 1.3e-8 (5.5e-9 of e<sup>r</sup>); its coefficients and those of g below
 * are rounded to floats. Largest errors of the functions, sweeping the floats: exp 0.90 ulp; tanh 2.4 ulp, 8.9e-8; erf 3.0 ulp, 8.7e-8.
 */
final class Elementary {
    /** e<sup>x</sup> of anything less rounds to 0: half of the least denormal is e<sup>-103.97</sup>. */
    static final float EXP_MIN = -104f;
    /** e<sup>x</sup> of anything more overflows: the largest float is e<sup>88.72</sup>. */
    static final float EXP_MAX = 89f;

    static final float LOG2_E = 1.442695f;
    /** ln 2 in two floats. */
    static final float LN2_HIGH = 0.6931472f;

    static final float LN2_LOW = -1.9046542e-9f;

    static final float Q0 = 0.49999997f;
    static final float Q1 = 0.16666543f;
    static final float Q2 = 0.0416672f;
    static final float Q3 = 0.008366527f;
    static final float Q4 = 0.001388252f;

    /**
     * Adding 1.5 &middot; 2<sup>23</sup> rounds to an integer n and leaves it in the lowest bits; 127 more, the bias of the
     * exponent, makes those bits &lt;&lt; 23 the float 2<sup>n</sup>.
     */
    static final float ROUND = 0x1.8p23f + 127;
    /** Likewise with n + 254 in the lowest bits, which halved make two biased exponents that sum to n. */
    static final float ROUND_TWO = 0x1.8p23f + 254;

    /** Attention weights of less than this, 2<sup>-127</sup>, are 0. */
    static final float WEIGHT_MIN = -88f;

    // e^r = 1 + r (w1 + w2 r + ... + w5 r^4) within a relative error of 9.2e-8: minimax, rounded to floats.
    static final float WEIGHT_1 = 0.9999997f;
    static final float WEIGHT_2 = 0.49999148f;
    static final float WEIGHT_3 = 0.16667639f;
    static final float WEIGHT_4 = 0.04189816f;
    static final float WEIGHT_5 = 0.008290272f;

    /** tanh of anything more rounds to 1. */
    static final float TANH_MAX = 10f;

    /**
     * erf x = 1 - e<sup>x g(x)</sup> on [0, 4] with g the minimax polynomial of degree 8 for the relative error of erf, 4.0e-9;
     * beyond 3.92 erf rounds to 1.
     */
    static final float ERF_MAX = 4f;

    static final float G0 = -1.1283792f;
    static final float G1 = -0.6366194f;
    static final float G2 = -0.10277783f;
    static final float G3 = 0.019153064f;
    static final float G4 = 0.0001603959f;
    static final float G5 = -0.0016670272f;
    static final float G6 = 0.0006328367f;
    static final float G7 = -0.00011764122f;
    static final float G8 = 9.256259e-6f;

    static final float SQRT_HALF = 0.70710677f;
    /** -2 &radic;(2/&pi;), and that times 0.044715: the tanh of GELU's approximation written as a sigmoid of twice its argument. */
    static final float GELU_TANH_1 = -1.5957692f;

    static final float GELU_TANH_3 = -0.071354814f;
    static final float QUICK_GELU = -1.702f;

    private Elementary() {}

    private static float q(float r) {
        return Math.fma(Math.fma(Math.fma(Math.fma(Q4, r, Q3), r, Q2), r, Q1), r, Q0);
    }

    /** e<sup>x</sup> over all floats: underflow goes through the denormals to 0, overflow to infinity, NaN stays NaN. */
    static float exp(float x) {
        float z = x < EXP_MIN ? EXP_MIN : x;
        z = z > EXP_MAX ? EXP_MAX : z;
        float shifted = Math.fma(z, LOG2_E, ROUND_TWO);
        float n = shifted - ROUND_TWO;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, z));
        float e = Math.fma(Math.fma(q(r), r, 1f), r, 1f);
        int bits = Float.floatToRawIntBits(shifted);
        int half = bits >>> 1;
        return e * Float.intBitsToFloat(half << 23) * Float.intBitsToFloat((bits - half) << 23);
    }

    /**
     * e<sup>x</sup> for a score less its maximum, x &le; 0, with a relative error up to 1.6e-7; e<sup>0</sup> is 1 and
     * e<sup>-inf</sup> is 0. Attention computes one for every 4 dK FLOP of product, so it has a polynomial one degree shorter than
     * {@link #exp} and no denormal numbers.
     */
    static float weight(float x) {
        float z = x < WEIGHT_MIN ? WEIGHT_MIN : x;
        float shifted = Math.fma(z, LOG2_E, ROUND);
        float r = Math.fma(shifted - ROUND, -LN2_HIGH, z);
        float q = Math.fma(Math.fma(Math.fma(Math.fma(WEIGHT_5, r, WEIGHT_4), r, WEIGHT_3), r, WEIGHT_2), r, WEIGHT_1);
        return Math.fma(q, r, 1f) * Float.intBitsToFloat(Float.floatToRawIntBits(shifted) << 23);
    }

    /** e<sup>z</sup> - 1 with small relative error near 0 too; |z| at most 87. */
    private static float expMinus1(float z) {
        float shifted = Math.fma(z, LOG2_E, ROUND);
        float n = shifted - ROUND;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, z));
        float e = Math.fma(r * r, q(r), r);
        float power = Float.intBitsToFloat(Float.floatToRawIntBits(shifted) << 23);
        return Math.fma(power, e, power - 1f);
    }

    /** {@code x} or {@code -x}: the magnitude of one float with the sign of another. */
    private static float withSign(float magnitude, float sign) {
        return Float.intBitsToFloat(
                (Float.floatToRawIntBits(magnitude) & 0x7fffffff) | (Float.floatToRawIntBits(sign) & 0x80000000));
    }

    /** tanh |x| = e / (e + 2) with e = e<sup>2|x|</sup> - 1; odd to the bit, exactly &plusmn;1 far out. */
    static float tanh(float x) {
        float a = Math.abs(x);
        a = a > TANH_MAX ? TANH_MAX : a;
        float e = expMinus1(a + a);
        return withSign(e / (e + 2f), x);
    }

    /** Odd to the bit, exactly &plusmn;1 far out. */
    static float erf(float x) {
        float a = Math.abs(x);
        a = a > ERF_MAX ? ERF_MAX : a;
        float g = Math.fma(Math.fma(Math.fma(Math.fma(G8, a, G7), a, G6), a, G5), a, G4);
        g = Math.fma(Math.fma(Math.fma(Math.fma(g, a, G3), a, G2), a, G1), a, G0);
        return withSign(expMinus1(a * g), x);
    }

    static float relu(float x) {
        return x <= 0f ? 0f : x;
    }

    static float gelu(float x) {
        float half = x * 0.5f;
        return Math.fma(half, erf(x * SQRT_HALF), half);
    }

    /** x/2 &middot; (1 + tanh u) is x &middot; sigmoid(2u). */
    static float geluTanh(float x) {
        return x / (1f + exp(x * Math.fma(x * x, GELU_TANH_3, GELU_TANH_1)));
    }

    static float quickGelu(float x) {
        return x / (1f + exp(x * QUICK_GELU));
    }

    static float silu(float x) {
        return x / (1f + exp(-x));
    }

    static float sigmoid(float x) {
        return 1f / (1f + exp(-x));
    }
}
