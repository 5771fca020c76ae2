package dev.gatun.ops.internal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** What the row operators compute once a row, the same for every implementation. */
final class RowMath {
    /** Rows whose squares overflow are multiplied by this: then 2<sup>31</sup> squares of the largest float do not. */
    static final float SHRINK = 0x1p-80f;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    /** Added to a scaled element to leave it as it is, the sign of a zero too. */
    static final float AS_IT_IS = -0f;

    /**
     * Added to a scaled element to make a zero positive: a hidden key adds 0 &middot; v to a context, which can turn a -0 to 0,
     * and the result must not tell whether there was one.
     */
    static final float NO_NEGATIVE_ZERO = 0f;

    private RowMath() {}

    /** What softmax subtracts: the maximum; 0 from a row of only -inf, where -inf - -inf would be NaN instead of -inf. */
    static float softmaxShift(float max) {
        return max == Float.NEGATIVE_INFINITY ? 0f : max;
    }

    /** Factor to what was summed with an earlier maximum. */
    static float softmaxCorrection(float before, float max) {
        return max == before ? 1f : Elementary.expOfScore(before - max);
    }

    /** Writes maximum, sum and correction of row r to the three arrays of {@link Rows#softmaxTile}. */
    static void updateState(
            MemorySegment state, long stateOffset, int stateRows, int r, float max, float correction, float sum) {
        long maxAt = stateOffset + (long) r * Float.BYTES;
        long sumAt = maxAt + (long) stateRows * Float.BYTES;
        state.set(FLOAT, maxAt, max);
        state.set(FLOAT, sumAt, Math.fma(state.get(FLOAT, sumAt), correction, sum));
        state.set(FLOAT, sumAt + (long) stateRows * Float.BYTES, correction);
    }

    /** Two floats as one long, as a method returns only one value and must not make an object. */
    static long pair(float first, float second) {
        return Float.floatToRawIntBits(first) & 0xffffffffL | (long) Float.floatToRawIntBits(second) << 32;
    }

    static float first(long pair) {
        return Float.intBitsToFloat((int) pair);
    }

    static float second(long pair) {
        return Float.intBitsToFloat((int) (pair >>> 32));
    }

    /** The largest, +0 for -0. */
    static float max(float a, float b, float c, float d) {
        float ab = a > b ? a : b;
        float cd = c > d ? c : d;
        return (ab > cd ? ab : cd) + 0f;
    }

    static float inverseOrZero(float sum) {
        return sum == 0f ? 0f : 1f / sum;
    }

    /** log(sum); 0 for the empty sum of a row of only -inf, which so stays -inf. */
    static float logOrZero(float sum) {
        return sum == 0f ? 0f : (float) StrictMath.log(sum);
    }

    static float inverseRoot(float squares, int cols, float epsilon) {
        return 1f / (float) Math.sqrt(squares / cols + epsilon);
    }
}
