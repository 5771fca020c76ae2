package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;

/**
 * Sinusoidal positions (Vaswani et al. 2017, section 3.5): PE(pos, 2i) = sin(pos / 10000<sup>2i/D</sup>), PE(pos, 2i+1) = cos of
 * the same angle. Computed in double by {@link StrictMath}, so that every machine has the same bits.
 */
public final class SinusoidalPositions {
    /** Where sines and cosines of a position stand. */
    public enum Layout {
        /** sin, cos, sin, cos, ...: the paper's formula. */
        INTERLEAVED,
        /** All sines, then all cosines: Marian. */
        HALVES
    }

    private SinusoidalPositions() {}

    /** Bytes that {@link #create} takes. */
    public static long byteSize(int positions, int dModel) {
        return (long) positions * dModel * Float.BYTES;
    }

    /** The table for positions 0 to {@code positions} - 1, in {@code arena}. */
    public static PositionTable create(Arena arena, int positions, int dModel, Layout layout) {
        double[] wavelength = new double[(dModel + 1) / 2];
        for (int i = 0; i < wavelength.length; i++) {
            wavelength[i] = StrictMath.pow(10000, 2.0 * i / dModel);
        }
        float[] values = new float[Math.multiplyExact(positions, dModel)];
        for (int pos = 0; pos < positions; pos++) {
            for (int d = 0; d < dModel; d++) {
                double angle = pos / wavelength[d / 2];
                boolean sine = d % 2 == 0;
                int at = layout == Layout.INTERLEAVED ? d : sine ? d / 2 : wavelength.length + d / 2;
                values[pos * dModel + at] = (float) (sine ? StrictMath.sin(angle) : StrictMath.cos(angle));
            }
        }
        Tensor table = Tensor.copyOf(arena, values, positions, dModel);
        return new PositionTable(table, 0);
    }
}
