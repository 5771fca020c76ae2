package dev.gatun.ops;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/** Tensors for tests. */
public final class TestTensors {
    private TestTensors() {}

    /** Normally distributed elements; the same seed gives the same tensor. */
    public static Tensor random(Arena arena, long seed, int... dims) {
        Random random = new Random(seed);
        Tensor tensor = Tensor.allocate(arena, DType.F32, Shape.of(dims));
        float[] values = new float[Math.toIntExact(tensor.elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.copyOf(arena, values, dims);
    }

    /** A copy of an F32 tensor with another floating-point type; F16 and BF16 round to nearest even. */
    public static Tensor as(Arena arena, DType type, Tensor source) {
        Tensor copy = Tensor.allocate(arena, type, source.shape());
        float[] values = source.toFloats();
        for (int i = 0; i < values.length; i++) {
            long at = (long) i * type.byteSize();
            switch (type) {
                case F32 -> copy.segment().set(ValueLayout.JAVA_FLOAT, at, values[i]);
                case F64 -> copy.segment().set(ValueLayout.JAVA_DOUBLE, at, values[i]);
                case F16 -> copy.segment().set(ValueLayout.JAVA_SHORT, at, Float.floatToFloat16(values[i]));
                case BF16 -> {
                    int bits = Float.floatToRawIntBits(values[i]);
                    int rounded = bits + 0x7FFF + (bits >>> 16 & 1);
                    copy.segment().set(ValueLayout.JAVA_SHORT, at, (short) (rounded >>> 16));
                }
                default -> throw new IllegalArgumentException(type + " is not a floating-point type");
            }
        }
        return copy;
    }

    /** A tensor of NaN, so that what is not written shows. */
    public static Tensor nan(Arena arena, int... dims) {
        Tensor tensor = Tensor.allocate(arena, DType.F32, Shape.of(dims));
        tensor.segment().fill((byte) 0xFF);
        return tensor;
    }

    /** Asserts that two tensors have the same bits, naming the first element that differs. */
    public static void assertSameBits(String what, Tensor actual, Tensor expected) {
        assertThat(actual.shape()).as(what).isEqualTo(expected.shape());
        float[] a = actual.toFloats();
        float[] b = expected.toFloats();
        for (int i = 0; i < a.length; i++) {
            if (Float.floatToRawIntBits(a[i]) != Float.floatToRawIntBits(b[i])) {
                throw new AssertionError(what + ": element " + i + " of " + actual.shape() + " is " + a[i] + " ("
                        + Integer.toHexString(Float.floatToRawIntBits(a[i])) + "), expected " + b[i] + " ("
                        + Integer.toHexString(Float.floatToRawIntBits(b[i])) + ")");
            }
        }
    }

    /** Asserts that no element differs by more than {@code tolerance}. */
    public static void assertClose(String what, Tensor actual, Tensor expected, double tolerance) {
        assertThat(actual.shape()).as(what).isEqualTo(expected.shape());
        float[] a = actual.toFloats();
        float[] b = expected.toFloats();
        for (int i = 0; i < a.length; i++) {
            if (!(Math.abs((double) a[i] - b[i]) <= tolerance)) {
                throw new AssertionError(what + ": element " + i + " of " + actual.shape() + " is " + a[i]
                        + ", expected " + b[i] + " within " + tolerance);
            }
        }
    }
}
