package dev.gatun.ops.machine;

/**
 * How compressed weights lie: in columns of 16 features, a lane each. A column is a row of groups; a group is a vector of scales,
 * one of minima where there are, one of the codes' upper bits where they have more than four (but 8), and vectors of ints with the
 * codes in ascending order: four bits of each, code i at bit (8 + 4 i) mod 32 of int i / 8; or of eight bits, code i at bit
 * (4 + 8 i) mod 32 of int i / 4. The upper bits follow each other from bit 0. A weight is fma(code, scale, min). 16 bits: floats,
 * two to an int, the first below, and no scales.
 *
 * @param bits of a code: 4, 5, 6 or 8; or 16 for BF16
 * @param group codes that share a scale
 * @param min whether there are minima; without them a weight is (code - half of the codes) times scale, and
 *     scales have at most 11 significant bits, as half floats have
 */
public record BlockCodes(int bits, int group, boolean min) {
    /** Codes in an int. */
    int perInt() {
        return bits == 16 ? 2 : bits == 8 ? 4 : 8;
    }

    /** Bits of a code that lie apart. */
    int highBits() {
        return bits == 5 || bits == 6 ? bits - 4 : 0;
    }

    int groupVectors() {
        return (bits == 16 ? 0 : min ? 2 : 1) + bits * group / 32;
    }

    /** Bytes of a column of {@code steps} codes. */
    public long columnBytes(int steps) {
        return (steps + group - 1L) / group * groupVectors() * 64;
    }
}
