package dev.gatun.bench;

import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;

/**
 * Samples in short.
 *
 * @param median half of them are below
 * @param p10 a tenth of them is below
 * @param p90 a tenth of them is above
 * @param samples how many there were
 */
record Stats(double median, double p10, double p90, int samples) {
    static Stats of(List<Double> samples) {
        return of(samples, value -> value);
    }

    /** Of what the samples become by a function. */
    static Stats of(List<Double> samples, DoubleUnaryOperator function) {
        double[] sorted = samples.stream()
                .mapToDouble(sample -> function.applyAsDouble(sample))
                .sorted()
                .toArray();
        if (sorted.length == 0) {
            throw new IllegalArgumentException("no samples");
        }
        return new Stats(quantile(sorted, 0.5), quantile(sorted, 0.1), quantile(sorted, 0.9), sorted.length);
    }

    /** Between the two samples that are nearest, as far as it lies. */
    static double quantile(double[] sorted, double q) {
        double at = q * (sorted.length - 1);
        int below = (int) at;
        double above = sorted[Math.min(below + 1, sorted.length - 1)];
        return sorted[below] + (at - below) * (above - sorted[below]);
    }

    /** The median of numbers. */
    static double median(double... values) {
        return of(Arrays.stream(values).boxed().toList()).median;
    }
}
