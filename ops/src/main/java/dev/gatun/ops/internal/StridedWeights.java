package dev.gatun.ops.internal;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;

/** Packing for backends that read a weight as the checkpoint has it: F32 rows in place, all else as an F32 copy. */
final class StridedWeights {
    private StridedWeights() {}

    static long byteSize(Tensor weight) {
        return readInPlace(weight) ? 0 : weight.elements() * Float.BYTES;
    }

    static StridedWeight pack(Tensor weight, Arena arena) {
        int n = weight.dim(0);
        int k = weight.dim(1);
        Tensor source = weight;
        if (!readInPlace(weight)) {
            source = Tensor.allocate(arena, DType.F32, Shape.of(n, k));
            source.copyFrom(weight);
        }
        return new StridedWeight(source.segment(), source.stride(0) * Float.BYTES, n, k);
    }

    private static boolean readInPlace(Tensor weight) {
        return weight.dtype() == DType.F32 && weight.stride(1) == 1 && weight.stride(0) >= weight.dim(1);
    }
}
