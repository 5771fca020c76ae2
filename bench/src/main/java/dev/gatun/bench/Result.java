package dev.gatun.bench;

import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * A case as all engines did it, in turn.
 *
 * @param limit what bounds it, measured between their turns; null if nothing does
 * @param values what each engine reached, in {@link Case#unit}; engines that cannot do it are missing
 * @param calls how long single calls took, where that was asked for
 * @param weight how often a model does it; 1 where there is no model
 */
record Result(
        Case benchmark,
        @Nullable Stats limit,
        SequencedMap<EngineKind, Stats> values,
        Map<EngineKind, Calls> calls,
        int weight) {
    /**
     * Single calls, in milliseconds.
     *
     * @param median half of them are shorter
     * @param p99 a hundredth of them is longer; NaN where there are too few to say
     * @param count how many there were
     */
    record Calls(double median, double p99, int count) {
        private static final int ENOUGH = 100;

        static Calls of(List<Double> nanos) {
            double[] sorted = nanos.stream().mapToDouble(n -> n / 1e6).sorted().toArray();
            double p99 = sorted.length < ENOUGH ? Double.NaN : Stats.quantile(sorted, 0.99);
            return new Calls(Stats.quantile(sorted, 0.5), p99, sorted.length);
        }

        /** For tables. */
        @Override
        public String toString() {
            String text = TextReport.number(median) + " ms";
            return Double.isNaN(p99) ? text : text + ", p99 " + TextReport.number(p99);
        }
    }

    /** The share of the limit that a value is; NaN if there is no limit. */
    double share(Stats value) {
        return limit == null ? Double.NaN : value.median() / limit.median();
    }

    /** The best of those that compute themselves; null if there are none. */
    @Nullable
    EngineKind winner() {
        EngineKind best = null;
        double most = Double.NEGATIVE_INFINITY;
        for (Map.Entry<EngineKind, Stats> entry : values.entrySet()) {
            double value = entry.getValue().median() * (benchmark.isTime() ? -1 : 1);
            if (!entry.getKey().picks() && value > most) {
                best = entry.getKey();
                most = value;
            }
        }
        return best;
    }

    /** The share of the limit that the winner reaches; NaN if there is none. */
    double bestShare() {
        EngineKind winner = winner();
        Stats value = winner == null ? null : values.get(winner);
        return value == null ? Double.NaN : share(value);
    }
}
