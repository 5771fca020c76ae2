package dev.gatun.ops.machine;

/** Byte offsets of what a product kernel reads from its parameters: longs, one after another. */
final class Parameters {
    /** Offsets in bytes of the operands from the addresses that are passed. */
    static final int A_AT = 0;

    static final int B_AT = 8;
    static final int C_AT = 16;
    static final int BIAS_AT = 24;
    static final int ADDED_AT = 32;

    static final int ROWS = 40;
    static final int STEPS = 48;
    static final int PANELS = 56;

    /** Bytes from one row of a to the next, or, where a lies by columns, from one column to the next. */
    static final int A_STRIDE = 64;

    /** Bytes from one step of b to the next. */
    static final int B_STEP = 72;

    /** Bytes from one vector of b to the next of the same step. */
    static final int B_VECTOR = 80;

    /** Bytes from one panel of b to the next. */
    static final int B_PANEL = 88;

    static final int C_ROW = 96;
    static final int ADDED_ROW = 104;
    /** Bytes from one prefetched address to the next. */
    static final int PREFETCH = 112;

    /** Lanes of the last panel's last vector, a bit each. */
    static final int MASK = 120;

    /** A sum of {@link F32Product}'s constants. */
    static final int FLAGS = 128;

    /** Where kernels keep what they have no register for. */
    static final int A = 136;

    static final int B = 144;
    static final int C = 152;
    static final int BIAS = 160;
    static final int ADDED = 168;
    static final int ROWS_LEFT = 176;
    static final int NEXT_A = 184;
    static final int SUMS = 192;

    /** Bytes from one row of an earlier call's sums to the next; they lie behind the parameters. */
    static final int SUMS_ROW = 200;

    /** Bytes from a to the scales of its rows, and from those of one block to the next. */
    static final int SCALES_AT = 208;

    static final int SCALES_STEP = 216;

    /** Kept: where the scales of the next tile's rows are. */
    static final int NEXT_SCALES = 224;

    static final int BYTES = 256;

    private Parameters() {}
}
