package dev.gatun.ops;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.internal.MatMul;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * What kernels see of a weight.
 *
 * @param type of a weight of floats; or null
 * @param format of a quantised weight; or null
 */
record WeightShape(@Nullable DType type, @Nullable BlockFormat format, int n, int k) {
    static WeightShape f32(int n, int k) {
        return new WeightShape(DType.F32, null, n, k);
    }

    static WeightShape of(Tensor weight) {
        return new WeightShape(weight.dtype(), null, weight.dim(0), weight.dim(1));
    }

    static WeightShape of(QuantizedMatrix weight) {
        return new WeightShape(null, weight.format(), weight.n(), weight.k());
    }

    /** The same kind of weight with other sizes, for whole blocks. */
    WeightShape resized(int newN, int newK) {
        int block = format == null ? 1 : format.blockSize();
        return new WeightShape(type, format, newN, Math.ceilDiv(newK, block) * block);
    }

    // Those of a record are linked when they are first called, which took a cold start 40 ms.

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof WeightShape s && s.type == type && s.format == format && s.n == n && s.k == k;
    }

    @Override
    public int hashCode() {
        int kind = type == null ? 0 : type.hashCode();
        return ((31 * kind + (format == null ? 0 : format.hashCode())) * 31 + n) * 31 + k;
    }

    /** A weight of zeros, packed. */
    PackedWeight zeros(MatMul matMul, Arena arena) {
        if (format != null) {
            MemorySegment zeros = arena.allocate(QuantizedMatrix.byteSize(format, n, k), Tensor.ALIGNMENT);
            return matMul.pack(new QuantizedMatrix(zeros, format, n, k), arena);
        }
        return matMul.pack(Tensor.allocate(arena, type == null ? DType.F32 : type, Shape.of(n, k)), arena);
    }
}
