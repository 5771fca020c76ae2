package dev.gatun.bench;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Fills operands: numbers of the size that activations and weights have, the same in every run and every library. */
final class Operands {
    private int state = 7;

    /** The next number, in [-1, 1): xorshift32 (Marsaglia 2003), since a model's worth of numbers must not take seconds. */
    float next() {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return state * 0x1p-31f;
    }

    /** A tensor of F32, BF16 or F16. */
    Tensor tensor(Arena arena, DType type, int... dims) {
        Tensor tensor = Tensor.allocate(arena, type, Shape.of(dims));
        MemorySegment segment = tensor.segment();
        for (long i = 0; i < tensor.elements(); i++) {
            float value = next();
            switch (type) {
                case F32 -> segment.setAtIndex(JAVA_FLOAT, i, value);
                case BF16 -> segment.setAtIndex(JAVA_SHORT, i, (short) (Float.floatToRawIntBits(value) >>> 16));
                case F16 -> segment.setAtIndex(JAVA_SHORT, i, Float.floatToFloat16(value));
                default -> throw new IllegalArgumentException("no numbers of type " + type);
            }
        }
        return tensor;
    }

    float[] array(int length) {
        float[] array = new float[length];
        for (int i = 0; i < length; i++) {
            array[i] = next();
        }
        return array;
    }
}
