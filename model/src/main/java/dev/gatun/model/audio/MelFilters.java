package dev.gatun.model.audio;

/**
 * Triangles over the bins of a spectrum, evenly spaced on Slaney's mel scale, each of area one in Hz (Slaney 1998, Auditory Toolbox):
 * linear below 1000 Hz, logarithmic above.
 */
final class MelFilters {
    private static final double LINEAR_HZ = 200.0 / 3; // a mel below the corner
    private static final double CORNER_HZ = 1000;
    private static final double CORNER_MEL = CORNER_HZ / LINEAR_HZ;
    private static final double LOG_STEP = StrictMath.log(6.4) / 27; // a mel above it

    private final int[] first; // bin of each filter
    private final double[][] weights; // of bins from there on

    /**
     * Filters from 0 Hz to half of the rate.
     *
     * @param bins of a spectrum, the first at 0 Hz and the last at half of the rate
     */
    MelFilters(int filters, int bins, int rate) {
        double top = rate / 2.0;
        double[] edges = new double[filters + 2];
        for (int i = 0; i < edges.length; i++) {
            edges[i] = hz(mel(top) * i / (filters + 1));
        }
        first = new int[filters];
        weights = new double[filters][];
        for (int m = 0; m < filters; m++) {
            double[] all = new double[bins];
            int from = bins;
            int to = 0;
            for (int bin = 0; bin < bins; bin++) {
                double frequency = top * bin / (bins - 1);
                double up = (frequency - edges[m]) / (edges[m + 1] - edges[m]);
                double down = (edges[m + 2] - frequency) / (edges[m + 2] - edges[m + 1]);
                all[bin] = Math.max(0, Math.min(up, down)) * 2 / (edges[m + 2] - edges[m]);
                if (all[bin] > 0) {
                    from = Math.min(from, bin);
                    to = bin + 1;
                }
            }
            first[m] = Math.min(from, to);
            weights[m] = java.util.Arrays.copyOfRange(all, first[m], to);
        }
    }

    private static double mel(double hz) {
        return hz < CORNER_HZ ? hz / LINEAR_HZ : CORNER_MEL + StrictMath.log(hz / CORNER_HZ) / LOG_STEP;
    }

    private static double hz(double mel) {
        return mel < CORNER_MEL ? mel * LINEAR_HZ : CORNER_HZ * StrictMath.exp((mel - CORNER_MEL) * LOG_STEP);
    }

    int size() {
        return weights.length;
    }

    /** The energy of a power spectrum under filter {@code m}. */
    double energy(int m, double[] power) {
        double sum = 0;
        for (int i = 0; i < weights[m].length; i++) {
            sum += weights[m][i] * power[first[m] + i];
        }
        return sum;
    }
}
