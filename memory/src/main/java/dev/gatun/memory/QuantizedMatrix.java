package dev.gatun.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A matrix W[n, k] whose rows are blocks of a {@link BlockFormat}, byte for byte as GGUF stores them. A view, as a {@link Tensor}
 * is: it owns nothing, and using it after its arena has been closed throws {@link IllegalStateException}.
 *
 * <p>Each weight has one value: see {@link BlockFormat}. A block whose scale or minimum is not finite has weights of NaN.
 *
 * @param segment the rows, one after the other; no longer than they are
 * @param format of every row
 * @param n rows
 * @param k weights of a row, a multiple of the format's block size
 */
public record QuantizedMatrix(MemorySegment segment, BlockFormat format, int n, int k) {
    /**
     * The matrix that a segment's first bytes are.
     *
     * @throws ShapeException if n is negative, k not whole blocks, or the segment too short
     */
    public QuantizedMatrix {
        Objects.requireNonNull(format);
        if (n < 0) {
            throw new ShapeException(format + " matrix [" + n + "," + k + "]: no size may be negative");
        }
        long bytes = byteSize(format, n, k);
        if (segment.byteSize() < bytes) {
            throw new ShapeException(format + " matrix [" + n + "," + k + "] takes " + bytes
                    + " bytes, its segment has only " + segment.byteSize());
        }
        segment = segment.asSlice(0, bytes);
    }

    /** Bytes of a matrix; as {@link BlockFormat#rowByteSize} where k is not whole blocks. */
    public static long byteSize(BlockFormat format, int n, int k) {
        return n * format.rowByteSize(k);
    }

    /** Reads block {@code block} of row {@code row}. */
    public void read(int row, int block, QuantizedBlock into) {
        Objects.checkIndex(row, n);
        Objects.checkIndex(block, k / format.blockSize());
        into.read(segment, row * format.rowByteSize(k) + (long) block * format.blockBytes(), format);
    }

    /**
     * Writes row {@code row} as k adjacent floats.
     *
     * @param scratch overwritten; anything
     * @param out where to, from byte {@code outOffset}
     * @throws ShapeException if there is no such row
     */
    public void widenRow(int row, QuantizedBlock scratch, MemorySegment out, long outOffset) {
        if (row < 0 || row >= n) {
            throw new ShapeException("row " + row + " of " + this + ": there is none");
        }
        for (int block = 0; block < k / format.blockSize(); block++) {
            read(row, block, scratch);
            scratch.widen(out, outOffset + (long) block * format.blockSize() * Float.BYTES);
        }
    }

    /** All weights as a new F32 tensor [n, k]. */
    public Tensor toF32(Arena arena) {
        Tensor widened = Tensor.allocate(arena, DType.F32, Shape.of(n, k));
        QuantizedBlock scratch = new QuantizedBlock();
        for (int row = 0; row < n; row++) {
            widenRow(row, scratch, widened.segment(), row * (long) k * Float.BYTES);
        }
        return widened;
    }

    /** Format and shape, for example {@code Q4_K[576,1536]}. */
    @Override
    public String toString() {
        return format + "[" + n + "," + k + "]";
    }
}
