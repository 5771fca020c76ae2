package dev.gatun.model.encoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;

/**
 * Cosines and sines of rotary positions (Su et al. 2021): in a model for each position, in a batch for each token.
 *
 * @param cos [1, n, dK / 2]
 * @param sin [1, n, dK / 2]
 */
record RotaryRows(Tensor cos, Tensor sin) {
    /** The table of the angles position / theta<sup>2i / dK</sup>, computed in float32 as transformers does. */
    static RotaryRows table(Arena arena, int nPositions, int headDim, double theta) {
        RotaryRows table = allocate(arena, nPositions, headDim);
        for (int i = 0; i < headDim / 2; i++) {
            float inverse = 1 / (float) Math.pow(theta, 2.0 * i / headDim);
            for (int position = 0; position < nPositions; position++) {
                float angle = position * inverse;
                table.cos.setFloat((float) Math.cos(angle), 0, position, i);
                table.sin.setFloat((float) Math.sin(angle), 0, position, i);
            }
        }
        return table;
    }

    static RotaryRows allocate(Arena arena, int n, int headDim) {
        Shape shape = Shape.of(1, n, headDim / 2);
        return new RotaryRows(Tensor.allocate(arena, DType.F32, shape), Tensor.allocate(arena, DType.F32, shape));
    }

    static long byteSize(int n, int headDim) {
        return 2L * n * (headDim / 2) * Float.BYTES;
    }

    /** Rows {@code from} (inclusive) to {@code to} (exclusive). */
    RotaryRows slice(int from, int to) {
        return new RotaryRows(cos.slice(1, from, to), sin.slice(1, from, to));
    }
}
