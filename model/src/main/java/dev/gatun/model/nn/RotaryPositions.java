package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import java.util.stream.IntStream;

/**
 * Rotary positions (Su et al. 2021): pair i of a query or key turns by position &middot; frequency i. This is the one place where
 * angles are made; how a family bends the frequencies for long contexts is one of the factories. Computed in double by {@link
 * StrictMath}, so that every machine has the same bits.
 */
public final class RotaryPositions {
    private final double[] frequencies;
    private final float magnitude;
    private final boolean interleaved;

    private RotaryPositions(double[] frequencies, float magnitude, boolean interleaved) {
        this.frequencies = frequencies;
        this.magnitude = magnitude;
        this.interleaved = interleaved;
    }

    /**
     * Frequency i is theta<sup>-2i/rotaryDim</sup>; pairs are (i, i + rotaryDim / 2).
     *
     * @param rotaryDim elements of a head that turn, an even number
     */
    public static RotaryPositions of(double theta, int rotaryDim) {
        if (rotaryDim < 2 || rotaryDim % 2 != 0) {
            throw new IllegalArgumentException("rotary positions turn pairs: " + rotaryDim + " elements are not even");
        }
        double[] frequencies = IntStream.range(0, rotaryDim / 2)
                .mapToDouble(i -> 1 / StrictMath.pow(theta, 2.0 * i / rotaryDim))
                .toArray();
        return new RotaryPositions(frequencies, 1, false);
    }

    private interface Bend {
        double frequency(double frequency);
    }

    private RotaryPositions bent(Bend bend) {
        double[] bent = new double[frequencies.length];
        for (int i = 0; i < bent.length; i++) {
            bent[i] = bend.frequency(frequencies[i]);
        }
        return new RotaryPositions(bent, magnitude, interleaved);
    }

    /** These with pairs (2i, 2i + 1), as GGUF files of llama have them. */
    public RotaryPositions asInterleaved() {
        return new RotaryPositions(frequencies, magnitude, true);
    }

    /** These with positions divided by {@code factor} (Chen et al. 2023). */
    public RotaryPositions linear(double factor) {
        return bent(frequency -> frequency / factor);
    }

    /** These with frequency i divided by factor i, as long-context checkpoints list them. */
    public RotaryPositions divided(double[] factors) {
        if (factors.length != frequencies.length) {
            throw new IllegalArgumentException(
                    factors.length + " factors for " + frequencies.length + " rotary frequencies");
        }
        double[] divided = new double[frequencies.length];
        for (int i = 0; i < divided.length; i++) {
            divided[i] = frequencies[i] / factors[i];
        }
        return new RotaryPositions(divided, magnitude, interleaved);
    }

    /**
     * Llama 3.1: wavelengths beyond original / low are stretched by factor, those below original / high stay, those between are
     * blended.
     *
     * @param original positions of the training before the stretch
     */
    public RotaryPositions llama3(double factor, double low, double high, int original) {
        if (!(high > low)) {
            throw new IllegalArgumentException("high_freq_factor " + high + " is not above low_freq_factor " + low);
        }
        return bent(frequency -> {
            double wavelength = 2 * Math.PI / frequency;
            if (wavelength > original / low) {
                return frequency / factor;
            }
            if (wavelength < original / high) {
                return frequency;
            }
            double smooth = (original / wavelength - low) / (high - low);
            return (1 - smooth) * frequency / factor + smooth * frequency;
        });
    }

    /**
     * YaRN (Peng et al. 2023): pairs that turn more than {@code betaFast} times within the original context stay, those that turn
     * less than {@code betaSlow} times are stretched by factor, with a ramp between.
     *
     * @param truncate whether the ramp's ends are whole numbers of pairs
     * @param attention what cosines and sines are multiplied by, so that queries and keys grow
     */
    public RotaryPositions yarn(
            double theta,
            double factor,
            double betaFast,
            double betaSlow,
            int original,
            boolean truncate,
            double attention) {
        int dim = frequencies.length * 2;
        double low = pairThatTurns(betaFast, dim, theta, original);
        double high = pairThatTurns(betaSlow, dim, theta, original);
        double from = Math.max(truncate ? Math.floor(low) : low, 0);
        double to = Math.min(truncate ? Math.ceil(high) : high, dim - 1);
        double width = from == to ? 0.001 : to - from;
        double[] bent = new double[frequencies.length];
        for (int i = 0; i < bent.length; i++) {
            double ramp = Math.clamp((i - from) / width, 0.0, 1.0);
            bent[i] = frequencies[i] / factor * ramp + frequencies[i] * (1 - ramp);
        }
        return new RotaryPositions(bent, (float) attention, interleaved);
    }

    private static double pairThatTurns(double times, int dim, double theta, int original) {
        return dim * StrictMath.log(original / (times * 2 * Math.PI)) / (2 * StrictMath.log(theta));
    }

    /** These with cosines and sines multiplied by {@code factor}. */
    public RotaryPositions magnified(double factor) {
        return new RotaryPositions(frequencies, (float) factor, interleaved);
    }

    /** Pairs that turn: half of the elements that do. */
    public int pairs() {
        return frequencies.length;
    }

    /** Whether pairs are (2i, 2i + 1), else (i, i + pairs). */
    public boolean interleaved() {
        return interleaved;
    }

    /**
     * Writes the cosines and sines of position {@code position}, and allocates nothing.
     *
     * @param cos [positions, pairs], contiguous; row {@code position} is written
     * @param sin likewise
     */
    public void fill(int position, Tensor cos, Tensor sin) {
        for (int i = 0; i < frequencies.length; i++) {
            double angle = position * frequencies[i];
            long at = (long) position * frequencies.length + i;
            cos.setFloatAt(at, (float) StrictMath.cos(angle) * magnitude);
            sin.setFloatAt(at, (float) StrictMath.sin(angle) * magnitude);
        }
    }
}
