package dev.gatun.ops.internal;

import dev.gatun.memory.BlockFormat;
import dev.gatun.ops.machine.BlockCodes;

/**
 * How a weight is kept compressed for the vector kernels: in columns of one vector of output features, as F32 weights are (see
 * {@link PanelWeight}), each lane the codes of its own feature. A column is a row of groups, each some vectors of scales, minima,
 * the upper bits of codes of 5 and 6 bits, and of ints that hold the codes, ascending k.
 *
 * <p>Codes of 4 bits lie eight to an int, code i at bit (8 + 4 i) mod 32; of 5 and 6 bits the lower four do. Codes of 8 bits lie
 * four to an int, code i at bit (4 + 8 i) mod 32. The upper bits of codes follow each other from bit 0. So kernels can turn codes
 * into floats in place, and rotate an int once or twice for the rest.
 */
enum CompressedLayout {
    /** Two to an int, the first below. */
    BF16(16, 2, false),
    /** Two to an int, the first below. */
    F16(16, 2, false),
    /** Codes are 128 more than in Q8_0. */
    BITS_8(8, 32, false),
    BITS_4(4, 32, false),
    BITS_4_MIN(4, 32, true),
    BITS_5(5, 32, false),
    BITS_5_MIN(5, 32, true),
    BITS_6(6, 16, false);

    private final int bits;

    @SuppressWarnings("ImmutableEnumChecker") // a record of numbers
    private final BlockCodes codes;

    private final int group;
    private final boolean min;

    CompressedLayout(int bits, int group, boolean min) {
        this.bits = bits;
        this.group = group;
        this.min = min;
        this.codes = new BlockCodes(bits, group, min);
    }

    /** The same for machine code; which knows no F16. */
    BlockCodes codes() {
        return codes;
    }

    static CompressedLayout of(BlockFormat format) {
        return switch (format) {
            case Q8_0 -> BITS_8;
            case Q4_0 -> BITS_4;
            case Q4_1, Q4_K -> BITS_4_MIN;
            case Q5_0 -> BITS_5;
            case Q5_1, Q5_K -> BITS_5_MIN;
            case Q6_K -> BITS_6;
        };
    }

    /** Steps of k that share a scale; 2 for 16-bit floats, which have none. */
    int group() {
        return group;
    }

    /** Bits of a code that lie apart from the others. */
    int highBits() {
        return bits > 4 && bits < 8 ? bits - 4 : 0;
    }

    /** Vectors of columns that a product of one row takes at a time, for which there are kernels. */
    int rowVectors() {
        return highBits() > 0 ? 2 : 4;
    }

    /** Whether groups have minima. */
    boolean hasMin() {
        return min;
    }

    /** Vectors of ints of a group. */
    int groupVectors() {
        int scales = bits == 16 ? 0 : min ? 2 : 1;
        return scales + bits * group / 32;
    }

    /** Bytes of a column up to step k, or to the end of k's group. */
    long columnBytes(int k) {
        return (k + group - 1L) / group * groupVectors() * VectorWidth.BYTES;
    }
}
