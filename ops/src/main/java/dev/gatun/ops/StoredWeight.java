package dev.gatun.ops;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A weight in a file, as the vector kernels read it and as others do: {@link Backend#adopt} makes a {@link PackedWeight} of it that
 * copies neither. Either plain or blocks.
 *
 * @param layout of kernels, {@link Backend#layoutOf}
 * @param kernels the bytes that vector kernels of {@link Backend#layoutVectorBits} read
 * @param plain [n, k] of any floating-point type, row-major; or null
 * @param blocks [n, k]; or null
 */
public record StoredWeight(
        String layout,
        MemorySegment kernels,
        @Nullable Tensor plain,
        @Nullable QuantizedMatrix blocks) {
    /** Checks that there is one of two. */
    public StoredWeight {
        if ((plain == null) == (blocks == null)) {
            throw new IllegalArgumentException("a stored weight is plain or in blocks");
        }
    }

    /** Output features. */
    public int n() {
        return plain != null ? plain.dim(0) : blocks == null ? 0 : blocks.n();
    }

    /** Input features. */
    public int k() {
        return plain != null ? plain.dim(1) : blocks == null ? 0 : blocks.k();
    }
}
