package dev.gatun.memory;

/**
 * The block formats of GGUF: a few bits a weight, and a scale, often a minimum, for each group of them. Layouts as in ggml's
 * {@code ggml-common.h}; a block is a run of weights of one row.
 *
 * <p>Whatever the format, a weight is one float: {@code fma(code, scale, min)}, rounded once. Of scale and min, both derived
 * from the block's binary16 numbers, nothing is rounded: 11 significant bits times at most 7 fit in a float.
 */
public enum BlockFormat {
    /** 32 signed bytes and a scale. */
    Q8_0(32, 34, 32, 8, 0),
    /** 32 codes of 4 bits, less 8, and a scale. */
    Q4_0(32, 18, 32, 4, -8),
    /** 32 codes of 4 bits, a scale and a minimum. */
    Q4_1(32, 20, 32, 4, 0),
    /** 32 codes of 5 bits, less 16, and a scale. */
    Q5_0(32, 22, 32, 5, -16),
    /** 32 codes of 5 bits, a scale and a minimum. */
    Q5_1(32, 24, 32, 5, 0),
    /** 256 codes of 4 bits in 8 groups; scales and minima are 6 bits times one number each a block. */
    Q4_K(256, 144, 32, 4, 0),
    /** As Q4_K, with codes of 5 bits. */
    Q5_K(256, 176, 32, 5, 0),
    /** 256 codes of 6 bits, less 32, in 16 groups; scales are signed bytes times one number a block. */
    Q6_K(256, 210, 16, 6, -32);

    private final int blockSize;
    private final int blockBytes;
    private final int groupSize;
    private final int codeBits;
    private final int zeroCode;

    BlockFormat(int blockSize, int blockBytes, int groupSize, int codeBits, int offset) {
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
        this.groupSize = groupSize;
        this.codeBits = codeBits;
        this.zeroCode = -offset;
    }

    /** Weights in a block: 32 or 256. */
    public int blockSize() {
        return blockSize;
    }

    /** Bytes of a block. */
    public int blockBytes() {
        return blockBytes;
    }

    /** Weights that share a scale: 32 or 16. */
    public int groupSize() {
        return groupSize;
    }

    /** Bits of a code, 4 to 8. Codes are unsigned, but for Q8_0. */
    public int codeBits() {
        return codeBits;
    }

    /** The code of weight zero where min is {@code -zeroCode * scale}; 0 for Q8_0 and the formats that have minima. */
    public int zeroCode() {
        return zeroCode;
    }

    /** Whether each group has a minimum of its own. */
    public boolean hasMin() {
        return this == Q4_1 || this == Q5_1 || this == Q4_K || this == Q5_K;
    }

    /**
     * Bytes of a row of {@code k} weights.
     *
     * @throws ShapeException unless k is at least 0 and a multiple of the block size
     */
    public long rowByteSize(int k) {
        if (k < 0 || k % blockSize != 0) {
            throw new ShapeException(
                    this + " row of " + k + " weights: must be a multiple of its block's " + blockSize);
        }
        return (long) (k / blockSize) * blockBytes;
    }
}
