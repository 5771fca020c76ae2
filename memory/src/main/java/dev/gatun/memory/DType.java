package dev.gatun.memory;

/**
 * The type of a tensor's elements. Elements are little-endian, as in every model file there is and on every machine we run on.
 */
public enum DType {
    /** IEEE 754 binary32. */
    F32(4),
    /** IEEE 754 binary64. */
    F64(8),
    /** IEEE 754 binary16. */
    F16(2),
    /** The upper half of a binary32. */
    BF16(2),
    /** Signed 8-bit integer. */
    I8(1),
    /** Unsigned 8-bit integer. */
    U8(1),
    /** Signed 16-bit integer. */
    I16(2),
    /** Signed 32-bit integer. */
    I32(4),
    /** Signed 64-bit integer. */
    I64(8),
    /** One byte: 0 is false, all else true. */
    BOOL(1);

    private final int byteSize;

    DType(int byteSize) {
        this.byteSize = byteSize;
    }

    /** Bytes of one element, 1 to 8. */
    public int byteSize() {
        return byteSize;
    }

    /** Whether elements are floating-point numbers. */
    public boolean isFloat() {
        return this == F32 || this == F64 || this == F16 || this == BF16;
    }
}
