package dev.gatun.model.audio;

import java.util.Arrays;

/**
 * Sound at another rate, by band-limited interpolation (Smith &amp; Gossett 1984): each new sample is the old ones under a sinc that
 * cuts off a little below half of the lower rate, under a Kaiser window. What lies in the new band comes out as it was, with an error
 * below 1e-6; what lies above is gone. Samples come in pieces; for one caller at a time.
 */
final class Resampler {
    private static final int CROSSINGS = 48; // zeros of the sinc on either side
    private static final int STEPS = 2048; // numbers of the table from one zero to the next, linear between
    private static final double ROLLOFF = 0.95; // of half of the lower rate
    private static final double BETA = 12; // of the Kaiser window: side lobes below -110 dB
    private static final double[] TABLE = table();

    private final int from;
    private final int to;
    private final double scale; // zeros of the sinc in an old sample
    private float[] input = new float[1 << 14];
    private long inputStart; // of input[0] among all old samples
    private int inputSize;
    private long position; // of the next new sample
    private float[] output;
    private int size;

    /**
     * Makes {@code to} samples a second of {@code from}.
     *
     * @param expected new samples, as far as that is known; more are taken too
     */
    Resampler(int from, int to, int expected) {
        this.from = from;
        this.to = to;
        this.scale = Math.min(1, (double) to / from) * ROLLOFF;
        this.output = new float[Math.max(16, expected)];
    }

    private static double[] table() {
        double[] table = new double[CROSSINGS * STEPS + 2];
        double norm = bessel(BETA);
        for (int i = 0; i < table.length; i++) {
            double x = (double) i / STEPS;
            double part = x / CROSSINGS;
            double window = part >= 1 ? 0 : bessel(BETA * Math.sqrt(1 - part * part)) / norm;
            table[i] = window * (i == 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
        }
        return table;
    }

    /** The modified Bessel function I0, by its series. */
    private static double bessel(double x) {
        double sum = 1;
        double term = 1;
        for (int k = 1; term > sum * 1e-17; k++) {
            term *= x / 2 / k * (x / 2 / k);
            sum += term;
        }
        return sum;
    }

    /** Takes the next old samples. */
    void add(float[] samples, int count) {
        if (from == to) {
            reserve(count);
            System.arraycopy(samples, 0, output, size, count);
            size += count;
            return;
        }
        if (inputSize + count > input.length) {
            dropRead();
            if (inputSize + count > input.length) {
                input = Arrays.copyOf(input, Math.max(2 * input.length, inputSize + count));
            }
        }
        System.arraycopy(samples, 0, input, inputSize, count);
        inputSize += count;
        run(inputStart + inputSize - reach());
    }

    /** All new samples, as long as the old ones were; silence goes before and after those. */
    float[] finish() {
        if (from != to) {
            run(inputStart + inputSize);
        }
        return Arrays.copyOf(output, size);
    }

    /** New samples so far. */
    int size() {
        return size;
    }

    /** Old samples on either side that a new one is made of. */
    private long reach() {
        return (long) (CROSSINGS / scale) + 1;
    }

    /** Forgets old samples that no new one needs any more. */
    private void dropRead() {
        int drop = Math.clamp(position * from / to - reach() - inputStart, 0, inputSize);
        System.arraycopy(input, drop, input, 0, inputSize - drop);
        inputStart += drop;
        inputSize -= drop;
    }

    /** Makes the new samples that lie before an old one. */
    private void run(long end) {
        for (; position * from < end * to; position++) {
            reserve(1);
            output[size++] = (float) at((double) (position * from % to) / to, position * from / to);
        }
    }

    /** The sound {@code part} of an old sample after old sample {@code whole}. */
    private double at(double part, long whole) {
        long least = Math.max(inputStart, whole - reach());
        long most = Math.min(inputStart + inputSize - 1, whole + reach());
        double sum = 0;
        for (long i = least; i <= most; i++) {
            double x = Math.abs(part + (whole - i)) * scale * STEPS;
            int step = (int) x;
            if (step < CROSSINGS * STEPS) {
                sum += input[(int) (i - inputStart)] * (TABLE[step] + (x - step) * (TABLE[step + 1] - TABLE[step]));
            }
        }
        return sum * scale;
    }

    private void reserve(int count) {
        if (size + count > output.length) {
            output = Arrays.copyOf(output, Math.max(size + count, output.length + output.length / 2));
        }
    }
}
