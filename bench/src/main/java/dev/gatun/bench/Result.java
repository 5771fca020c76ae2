package dev.gatun.bench;

import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * A case as all engines did it, in turn.
 *
 * @param limit what bounds it, measured between their turns; null if nothing does
 * @param values what each engine reached, in {@link Case#unit}; engines that cannot do it are missing
 * @param weight how often a model does it; 1 where there is no model
 */
record Result(Case benchmark, @Nullable Stats limit, SequencedMap<EngineKind, Stats> values, int weight) {
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
