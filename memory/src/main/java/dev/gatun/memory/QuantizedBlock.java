package dev.gatun.memory;

import static java.lang.Float.float16ToFloat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * One block taken apart: weight i is {@code fma(code(i), scale(i / groupSize), min(i / groupSize))}. Made once and read into many
 * times, by one thread at a time.
 */
public final class QuantizedBlock {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final byte[] bytes = new byte[210];
    private final byte[] codes = new byte[256];
    private final float[] scales = new float[16];
    private final float[] mins = new float[16];
    private final float[] weights = new float[256];
    private int size;
    private int groupSize = 1;

    /** Nothing yet: {@link QuantizedMatrix#read} fills it. */
    public QuantizedBlock() {}

    /** The whole number that weight {@code i} of the block is stored as. */
    public int code(int i) {
        return codes[i];
    }

    /** What codes of group {@code group} are multiplied by: NaN if it, or the minimum, is not finite. */
    public float scale(int group) {
        return scales[group];
    }

    /** What is added then. */
    public float min(int group) {
        return mins[group];
    }

    void read(MemorySegment segment, long offset, BlockFormat format) {
        MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, offset, bytes, 0, format.blockBytes());
        size = format.blockSize();
        groupSize = format.groupSize();
        switch (format) {
            case Q8_0 -> {
                System.arraycopy(bytes, 2, codes, 0, 32);
                group(0, half(0), 0f);
            }
            case Q4_0 -> {
                nibbles(2, 0, 16);
                group(0, half(0), -8f * half(0));
            }
            case Q4_1 -> {
                nibbles(4, 0, 16);
                group(0, half(0), half(2));
            }
            case Q5_0 -> {
                nibbles(6, 0, 16);
                fifthBits(2);
                group(0, half(0), -16f * half(0));
            }
            case Q5_1 -> {
                nibbles(8, 0, 16);
                fifthBits(4);
                group(0, half(0), half(2));
            }
            case Q4_K -> {
                for (int i = 0; i < 4; i++) {
                    nibbles(16 + 32 * i, 64 * i, 32);
                }
                sixBitScales();
            }
            case Q5_K -> {
                for (int i = 0; i < 4; i++) {
                    nibbles(48 + 32 * i, 64 * i, 32);
                }
                for (int i = 0; i < 256; i++) {
                    codes[i] |= (byte) ((bytes[16 + i % 32] >> i / 32 & 1) << 4);
                }
                sixBitScales();
            }
            case Q6_K -> {
                for (int i = 0; i < 2; i++) {
                    // Of 64 bytes the low nibbles are codes 0 to 63, the high ones 64 to 127.
                    nibbles(64 * i, 128 * i, 64);
                }
                for (int i = 0; i < 256; i++) {
                    int twoBits = bytes[128 + 32 * (i / 128) + i % 32] >> 2 * (i / 32 % 4) & 3;
                    codes[i] |= (byte) (twoBits << 4);
                }
                for (int i = 0; i < 16; i++) {
                    float scale = half(208) * bytes[192 + i];
                    group(i, scale, -32f * scale);
                }
            }
        }
    }

    private float half(int at) {
        return float16ToFloat((short) (bytes[at] & 0xFF | bytes[at + 1] << 8));
    }

    /** {@code count} bytes: their low nibbles, then their high ones, are 2 * count codes. */
    private void nibbles(int from, int to, int count) {
        for (int i = 0; i < count; i++) {
            codes[to + i] = (byte) (bytes[from + i] & 0xF);
        }
        for (int i = 0; i < count; i++) {
            codes[to + count + i] = (byte) (bytes[from + i] >> 4 & 0xF);
        }
    }

    private void fifthBits(int from) {
        for (int i = 0; i < 32; i++) {
            codes[i] |= (byte) ((bytes[from + i / 8] >> i % 8 & 1) << 4);
        }
    }

    /** Q4_K and Q5_K: eight scales and eight minima of 6 bits in 12 bytes; of the last four of each the upper 2 bits lie apart. */
    private void sixBitScales() {
        float d = half(0);
        float dMin = half(2);
        for (int i = 0; i < 8; i++) {
            int scale = i < 4 ? bytes[4 + i] & 63 : bytes[8 + i] & 0xF | (bytes[i] & 0xC0) >> 2;
            int min = i < 4 ? bytes[8 + i] & 63 : bytes[8 + i] >> 4 & 0xF | (bytes[4 + i] & 0xC0) >> 2;
            group(i, d * scale, -dMin * min);
        }
    }

    /** NaN has many bit patterns, and hardware keeps or makes one or another: with this one alone they are the same everywhere. */
    private void group(int group, float scale, float min) {
        boolean finite = Float.isFinite(scale) && Float.isFinite(min);
        scales[group] = finite ? scale : Float.NaN;
        mins[group] = finite ? min : Float.NaN;
    }

    void widen(MemorySegment out, long outOffset) {
        for (int first = 0, group = 0; first < size; first += groupSize, group++) {
            float scale = scales[group];
            float min = mins[group];
            for (int i = first; i < first + groupSize; i++) {
                weights[i] = Math.fma(codes[i], scale, min);
            }
        }
        MemorySegment.copy(weights, 0, out, FLOAT, outOffset, size);
    }
}
