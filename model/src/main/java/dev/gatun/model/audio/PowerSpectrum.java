package dev.gatun.model.audio;

/**
 * |DFT|&sup2; of real frames of any length by decimation in time (Cooley &amp; Tukey 1965): a length is taken apart into its prime
 * factors, 400 into 2 2 2 2 5 5. In double, so that what is far below a frame's loudest tone is still true. For one caller at a time.
 */
final class PowerSpectrum {
    private final int n;
    private final double[] cos; // of 2 pi i / n
    private final double[] sin;
    private double[] re; // the input and the output of a stage in turn
    private double[] im;
    private double[] nextRe;
    private double[] nextIm;

    PowerSpectrum(int n) {
        this.n = n;
        cos = new double[n];
        sin = new double[n];
        for (int i = 0; i < n; i++) {
            cos[i] = StrictMath.cos(2 * Math.PI * i / n);
            sin[i] = StrictMath.sin(2 * Math.PI * i / n);
        }
        re = new double[n];
        im = new double[n];
        nextRe = new double[n];
        nextIm = new double[n];
    }

    /** Numbers of a spectrum. */
    int size() {
        return n / 2 + 1;
    }

    /**
     * Transforms two frames at once, one as real parts and one as imaginary ones.
     *
     * @param first [n]
     * @param second [n]
     * @param firstOut [size]
     * @param secondOut [size]
     */
    void of(double[] first, double[] second, double[] firstOut, double[] secondOut) {
        System.arraycopy(first, 0, re, 0, n);
        System.arraycopy(second, 0, im, 0, n);
        int groups = n; // sequences that are still apart
        int length = 1; // of what each of them has been transformed to
        while (groups > 1) {
            int radix = smallestFactor(groups);
            groups /= radix;
            stage(radix, groups, length);
            length *= radix;
        }
        for (int k = 0; k < size(); k++) {
            int mirrored = (n - k) % n; // of a real frame the conjugate
            double evenRe = (re[k] + re[mirrored]) / 2;
            double evenIm = (im[k] - im[mirrored]) / 2;
            double oddRe = (im[k] + im[mirrored]) / 2;
            double oddIm = (re[mirrored] - re[k]) / 2;
            firstOut[k] = evenRe * evenRe + evenIm * evenIm;
            secondOut[k] = oddRe * oddRe + oddIm * oddIm;
        }
    }

    /**
     * Joins {@code radix} transforms into one, {@code groups} times. Transform g of length L lies at index k &middot; (transforms) + g,
     * and the samples of transform g are those g, g + transforms, ... (Stockham's order: nothing has to be sorted).
     */
    private void stage(int radix, int groups, int length) {
        int step = n / (length * radix); // of the table for one turn of the longer transform
        for (int k = 0; k < length; k++) {
            for (int q = 0; q < radix; q++) {
                int bin = k + q * length;
                for (int g = 0; g < groups; g++) {
                    double sumRe = 0;
                    double sumIm = 0;
                    for (int r = 0; r < radix; r++) {
                        int from = k * radix * groups + r * groups + g;
                        int turn = (int) ((long) r * bin % ((long) length * radix)) * step;
                        sumRe += re[from] * cos[turn] + im[from] * sin[turn];
                        sumIm += im[from] * cos[turn] - re[from] * sin[turn];
                    }
                    nextRe[bin * groups + g] = sumRe;
                    nextIm[bin * groups + g] = sumIm;
                }
            }
        }
        double[] spareRe = re;
        double[] spareIm = im;
        re = nextRe;
        im = nextIm;
        nextRe = spareRe;
        nextIm = spareIm;
    }

    private static int smallestFactor(int n) {
        for (int factor = 2; factor * factor <= n; factor++) {
            if (n % factor == 0) {
                return factor;
            }
        }
        return n;
    }
}
