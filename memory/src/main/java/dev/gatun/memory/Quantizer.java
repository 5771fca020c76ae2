package dev.gatun.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Makes smaller weights of larger ones, by the rules of ggml's reference quantisation, to the bit. */
public final class Quantizer {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Quantizer() {}

    /**
     * A matrix in blocks of Q8_0 or Q4_0. A block with a weight that is not finite, or too large for a binary16 scale, gets an
     * infinite or NaN scale, and so weights of NaN.
     *
     * @param matrix [n, k] of any floating-point type
     * @throws ShapeException unless it is a matrix of floats with k a multiple of 32
     * @throws IllegalArgumentException if the format is another
     */
    public static QuantizedMatrix quantize(Tensor matrix, BlockFormat format, Arena arena) {
        if (format != BlockFormat.Q8_0 && format != BlockFormat.Q4_0) {
            throw new IllegalArgumentException("quantize to " + format + ": only to Q8_0 and Q4_0");
        }
        if (matrix.rank() != 2 || !matrix.dtype().isFloat() || matrix.dim(1) % 32 != 0) {
            throw new ShapeException("quantize: " + matrix + " to " + format
                    + ": needs a matrix of floats with rows of a multiple of 32");
        }
        int n = matrix.dim(0);
        int k = matrix.dim(1);
        MemorySegment to = arena.allocate(QuantizedMatrix.byteSize(format, n, k), Tensor.ALIGNMENT);
        MemorySegment row = MemorySegment.ofArray(new float[k]);
        float[] block = new float[32];
        long at = 0;
        for (int i = 0; i < n; i++) {
            matrix.widenRow(i, row, 0);
            for (int first = 0; first < k; first += 32, at += format.blockBytes()) {
                if (format == BlockFormat.Q8_0) {
                    eightBits(row, first * (long) Float.BYTES, 32, to, at);
                } else {
                    MemorySegment.copy(row, ValueLayout.JAVA_FLOAT, first * (long) Float.BYTES, block, 0, 32);
                    fourBits(block, to, at);
                }
            }
        }
        return new QuantizedMatrix(to, format, n, k);
    }

    /**
     * A block of {@link BlockFormat#Q8_0}: scale = the largest magnitude / 127; codes are rounded half away from zero.
     *
     * @param count floats that there are, from byte {@code fromAt} on, 1 to 32; the rest of the block are zeros
     */
    static void eightBits(MemorySegment from, long fromAt, int count, MemorySegment to, long at) {
        float largest = 0f;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, Math.abs(from.get(FLOAT, fromAt + i * (long) Float.BYTES)));
        }
        float scale = largest / 127f;
        float inverse = scale == 0f ? 0f : 1f / scale;
        to.set(SHORT, at, Float.floatToFloat16(scale));
        for (int i = 0; i < 32; i++) {
            float code = i < count ? from.get(FLOAT, fromAt + i * (long) Float.BYTES) * inverse : 0f;
            float magnitude = Math.abs(code);
            int whole = (int) magnitude;
            if (magnitude - whole >= 0.5f) { // exact, where adding a half to the largest float below it is not
                whole++;
            }
            to.set(ValueLayout.JAVA_BYTE, at + 2 + i, (byte) (code < 0f ? -whole : whole));
        }
    }

    /** scale = the weight of largest magnitude / -8, so that it gets code 0 and no weight a code beyond 16, which 15 serves for. */
    private static void fourBits(float[] block, MemorySegment to, long at) {
        float largest = 0f;
        for (float value : block) {
            if (Math.abs(value) > Math.abs(largest) || Float.isNaN(value)) {
                largest = value; // the first of equals; a NaN, once met, stays
            }
        }
        float scale = largest / -8f;
        float inverse = scale == 0f ? 0f : 1f / scale;
        to.set(SHORT, at, Float.floatToFloat16(scale));
        for (int i = 0; i < 16; i++) {
            int low = Math.min(15, (int) (block[i] * inverse + 8.5f));
            int high = Math.min(15, (int) (block[i + 16] * inverse + 8.5f));
            to.set(ValueLayout.JAVA_BYTE, at + 2 + i, (byte) (low | high << 4));
        }
    }

    /**
     * A tensor rounded to BF16, to nearest, ties to even; a NaN stays one.
     *
     * @param tensor of any floating-point type
     */
    public static Tensor toBf16(Tensor tensor, Arena arena) {
        if (!tensor.dtype().isFloat()) {
            throw new ShapeException("toBf16: " + tensor + " is not of a floating-point type");
        }
        Tensor rounded = Tensor.allocate(arena, DType.BF16, tensor.shape());
        try (Arena temporary = Arena.ofConfined()) {
            Tensor source = tensor;
            if (tensor.dtype() != DType.F32 || !tensor.isContiguous()) {
                source = Tensor.allocate(temporary, DType.F32, tensor.shape());
                source.copyFrom(tensor);
            }
            for (long i = 0; i < source.elements(); i++) {
                float value = source.segment().get(ValueLayout.JAVA_FLOAT_UNALIGNED, i * Float.BYTES);
                rounded.segment().set(SHORT, i * Short.BYTES, bf16(value));
            }
        }
        return rounded;
    }

    /** The upper half of a float, rounded to nearest, ties to even; a NaN stays one. */
    static short bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40); // a NaN of low bits only would round to infinity
        }
        return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
    }
}
