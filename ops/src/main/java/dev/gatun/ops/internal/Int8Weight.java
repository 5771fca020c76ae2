package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Int8.BLOCK;
import static dev.gatun.ops.machine.Int8Product.BLOCK_BYTES;
import static dev.gatun.ops.machine.Int8Product.LANES;
import static dev.gatun.ops.machine.Int8Product.SCALE_BYTES;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;

/**
 * W as codes of 8 bits with a scale for each output feature, as {@link dev.gatun.ops.machine.Int8Product} reads it; zeros beyond n
 * and k.
 *
 * @param segment starts at the first column
 */
record Int8Weight(MemorySegment segment, int n, int k) implements PackedWeight {
    static long byteSize(int n, int k) {
        return (n + LANES - 1L) / LANES * columnBytes(k);
    }

    static long columnBytes(int k) {
        return (long) Int8.blocks(k) * BLOCK_BYTES + SCALE_BYTES;
    }

    @Override
    public long byteSize() {
        return segment.byteSize();
    }

    /** Where a feature's block begins: its correction. */
    private long blockAt(int row, int block) {
        return row / LANES * columnBytes(k) + (long) block * BLOCK_BYTES + row % LANES * (long) Integer.BYTES;
    }

    /** Where the code of a feature and an input is. */
    private long codeAt(int row, int i) {
        int dword = i % LANES;
        long first = blockAt(row, i / BLOCK) + LANES * (long) Integer.BYTES;
        return first + dword * (long) (LANES * Integer.BYTES) + i % BLOCK / LANES;
    }

    int code(int row, int i) {
        return segment.get(JAVA_BYTE, codeAt(row, i));
    }

    float scale(int row) {
        return segment.get(JAVA_FLOAT, blockAt(row, Int8.blocks(k)));
    }

    /** Quantises a feature's k floats at byte 0 of {@code from}. */
    void set(int row, MemorySegment from) {
        int most = Int8.most(from, 0, k);
        float inverse = Int8.inverse(most);
        for (int block = 0; block < Int8.blocks(k); block++) {
            int sum = 0;
            for (int i = block * BLOCK; i < Math.min(k, (block + 1) * BLOCK); i++) {
                int code = Int8.code(from.get(JAVA_FLOAT_UNALIGNED, i * (long) Float.BYTES), inverse);
                segment.set(JAVA_BYTE, codeAt(row, i), (byte) code);
                sum += code;
            }
            segment.set(JAVA_INT, blockAt(row, block), -128 * sum);
        }
        segment.set(JAVA_FLOAT, blockAt(row, Int8.blocks(k)), Int8.scale(most));
    }
}
