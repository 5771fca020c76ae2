package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.ops.machine.Int8Product;
import java.lang.foreign.MemorySegment;

/**
 * How floats become 8-bit codes, to the bit. Of a group (64 floats of a row of activations; a whole row of a weight) the largest
 * absolute value is {@code most}; then
 *
 * <pre>
 * scale = most * (1/127), inverse = 127 / most, each rounded once
 * code  = x * inverse to the nearest integer, ties to even: -127 to 127
 * </pre>
 *
 * With {@code most} below 2<sup>-100</sup> scale and codes are 0. With a NaN or an infinity in the group the scale is NaN, and so
 * is all that is computed of it.
 */
final class Int8 {
    /** Floats of a row of activations that share a scale, and products that are summed as integers. */
    static final int BLOCK = Int8Product.BLOCK;

    /** Of code 127 a float's part. */
    private static final float PER_CODE = 1 / 127f;

    private static final float MOST_CODE = 127;

    /** The unit of floats near 1.5 &middot; 2<sup>23</sup> is 1; with 128 the lowest byte is a code above 128. */
    static final float OFFSET = 0x1.8p23f + 128;

    private static final float LEAST = 0x1p-100f;
    private static final int LEAST_BITS = Float.floatToRawIntBits(LEAST);
    private static final int INFINITY_BITS = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);
    private static final int ABSOLUTE = Integer.MAX_VALUE;

    /** The same for machine code. */
    static final Int8Product.Rounding ROUNDING = new Int8Product.Rounding(OFFSET, MOST_CODE, PER_CODE, LEAST);

    private Int8() {}

    static int blocks(int k) {
        return Math.max(1, (k + BLOCK - 1) / BLOCK);
    }

    /** The bits of the largest absolute value: of floats that aren't negative they are in the order of the numbers, NaN last. */
    static int most(MemorySegment x, long at, int count) {
        int most = 0;
        for (int i = 0; i < count; i++) {
            int bits = Float.floatToRawIntBits(x.get(JAVA_FLOAT_UNALIGNED, at + i * (long) Float.BYTES));
            most = Math.max(most, bits & ABSOLUTE);
        }
        return most;
    }

    /** What a code is multiplied by, of the bits of the largest absolute value. */
    static float scale(int most) {
        return most >= INFINITY_BITS ? Float.NaN : most < LEAST_BITS ? 0f : Float.intBitsToFloat(most) * PER_CODE;
    }

    /** What a float is multiplied by to become a code. */
    static float inverse(int most) {
        return most < LEAST_BITS ? 0f : MOST_CODE / Float.intBitsToFloat(most);
    }

    static int code(float x, float inverse) {
        return (Float.floatToRawIntBits(Math.fma(x, inverse, OFFSET)) & 0xFF) - 128;
    }
}
