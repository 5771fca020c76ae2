package dev.gatun.bench;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Who was fastest how often, in words. */
final class Winners {
    private Winners() {}

    /** A sentence with a blank before it; empty where there was no contest. */
    static String of(List<Result> results) {
        Map<EngineKind, Integer> wins = new LinkedHashMap<>();
        List<Double> shares = new ArrayList<>();
        for (Result result : results) {
            EngineKind winner = result.winner();
            if (winner != null && result.limit() != null && result.values().size() > 1) {
                wins.merge(winner, 1, Integer::sum);
                shares.add(result.bestShare());
            }
        }
        if (wins.isEmpty()) {
            return "";
        }
        List<String> parts = new ArrayList<>();
        wins.entrySet().stream()
                .sorted(Map.Entry.comparingByValue(Comparator.reverseOrder()))
                .forEach(entry -> parts.add(entry.getKey().title() + " " + entry.getValue()));
        return " Fastest: " + String.join(", ", parts) + " of " + shares.size() + " times; the fastest reaches "
                + Math.round(100 * Stats.of(shares).median()) + "% of the limit in the median.";
    }
}
