package dev.gatun.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Locale;

/**
 * How a row of floats is stored where many are kept and read often, as keys and values are. Each row is by itself: what it is stored as
 * depends on nothing beside it. Writing rounds each float once; reading is exact.
 */
public enum RowFormat {
    /** As they are. */
    F32(DType.F32),
    /** Rounded to binary16, to nearest, ties to even; beyond 65,519 in magnitude to infinity; NaN is 0x7E00. */
    F16(DType.F16),
    /** Rounded to the upper half of a binary32, to nearest, ties to even; a NaN stays one. */
    BF16(DType.BF16),
    /**
     * Blocks of 32 as {@link BlockFormat#Q8_0} has them, the last one filled up with zeros: signed bytes times a binary16 scale. A block
     * with a value that is not finite reads as NaN.
     */
    Q8_0(DType.U8);

    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final short NAN_16 = 0x7E00;

    private final DType dtype;

    RowFormat(DType dtype) {
        this.dtype = dtype;
    }

    /** The type of a tensor of such rows; bytes where a row is blocks. */
    public DType dtype() {
        return dtype;
    }

    /**
     * The format of a tensor's rows, from its type.
     *
     * @throws ShapeException if no format has that type
     */
    public static RowFormat of(Tensor tensor) {
        return switch (tensor.dtype()) {
            case F32 -> F32;
            case F16 -> F16;
            case BF16 -> BF16;
            case U8 -> Q8_0;
            case F64, I8, I16, I32, I64, BOOL ->
                throw new ShapeException("rows of " + tensor + ": must be F32, F16, BF16, or U8 for blocks of Q8_0");
        };
    }

    /** Elements of {@link #dtype} that a row of {@code d} floats takes. */
    public int columns(int d) {
        return this == Q8_0 ? Math.toIntExact(BlockFormat.Q8_0.rowByteSize(blocks(d) * 32)) : d;
    }

    /** Bytes that a row of {@code d} floats takes. */
    public long byteSize(int d) {
        return (long) columns(d) * dtype.byteSize();
    }

    private static int blocks(int d) {
        return Math.ceilDiv(d, BlockFormat.Q8_0.blockSize());
    }

    /**
     * Stores a row.
     *
     * @param from {@code d} adjacent floats from byte {@code fromAt} on
     * @param to {@link #byteSize} bytes from byte {@code toAt} on
     */
    public void write(MemorySegment from, long fromAt, int d, MemorySegment to, long toAt) {
        switch (this) {
            case F32 -> MemorySegment.copy(from, fromAt, to, toAt, d * (long) Float.BYTES);
            case F16 -> {
                for (int i = 0; i < d; i++) {
                    float value = from.get(FLOAT, fromAt + i * (long) Float.BYTES);
                    short bits = Float.isNaN(value) ? NAN_16 : Float.floatToFloat16(value);
                    to.set(SHORT, toAt + i * (long) Short.BYTES, bits);
                }
            }
            case BF16 -> {
                for (int i = 0; i < d; i++) {
                    float value = from.get(FLOAT, fromAt + i * (long) Float.BYTES);
                    to.set(SHORT, toAt + i * (long) Short.BYTES, Quantizer.bf16(value));
                }
            }
            case Q8_0 -> {
                long at = toAt;
                for (int first = 0; first < d; first += 32, at += BlockFormat.Q8_0.blockBytes()) {
                    Quantizer.eightBits(from, fromAt + first * (long) Float.BYTES, Math.min(32, d - first), to, at);
                }
            }
        }
    }

    /** Writes a stored row of {@code d} floats, from byte {@code fromAt} on, as adjacent floats from byte {@code toAt} on. */
    public void read(MemorySegment from, long fromAt, int d, MemorySegment to, long toAt) {
        if (this == F32) {
            MemorySegment.copy(from, fromAt, to, toAt, d * (long) Float.BYTES);
            return;
        }
        for (int i = 0; i < d; i++) {
            to.set(FLOAT, toAt + i * (long) Float.BYTES, get(from, fromAt, i));
        }
    }

    /** Float {@code i} of the row that is stored from byte {@code rowAt} on. */
    public float get(MemorySegment from, long rowAt, int i) {
        return switch (this) {
            case F32 -> from.get(FLOAT, rowAt + i * (long) Float.BYTES);
            case F16 -> Float.float16ToFloat(from.get(SHORT, rowAt + i * (long) Short.BYTES));
            case BF16 -> Float.intBitsToFloat(from.get(SHORT, rowAt + i * (long) Short.BYTES) << 16);
            case Q8_0 -> {
                long block = rowAt + i / 32 * (long) BlockFormat.Q8_0.blockBytes();
                yield from.get(ValueLayout.JAVA_BYTE, block + Short.BYTES + i % 32) * scale(from, block);
            }
        };
    }

    /** The scale of the block of Q8_0 at byte {@code at}: NaN if it is not finite. A code times it is exact. */
    public static float scale(MemorySegment from, long at) {
        float scale = Float.float16ToFloat(from.get(SHORT, at));
        return Float.isFinite(scale) ? scale : Float.NaN;
    }

    /** Its name as options have it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
