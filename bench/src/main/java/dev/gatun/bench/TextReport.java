package dev.gatun.bench;

import dev.gatun.cli.Results;
import java.util.Locale;
import java.util.Map;

/** A report as it comes in, for a terminal. */
final class TextReport {
    private static final int NAME = 44;

    private final Results out;

    TextReport(Results out) {
        this.out = out;
    }

    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be one more library
    private void line(String format, Object... values) {
        out.line(String.format(Locale.ROOT, format, values).stripTrailing());
        out.flush();
    }

    void fact(String name, String value) {
        line("%-14s %s", name, value);
    }

    void limit(Limit limit, Stats stats) {
        line("%-26s %8.1f %s   (%.1f to %.1f)", limit.title(), stats.median(), limit.unit(), stats.p10(), stats.p90());
    }

    void title(Group group) {
        line("");
        line("%s", group.title());
    }

    void note(String note) {
        line("  - %s", note);
    }

    void line() {
        line("");
    }

    void lines(Iterable<String> lines) {
        lines.forEach(line -> line("%s", line));
    }

    void result(Result result) {
        Case benchmark = result.benchmark();
        EngineKind winner = result.winner();
        StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-" + NAME + "s", benchmark.name()));
        for (Map.Entry<EngineKind, Stats> entry : result.values().entrySet()) {
            line.append(String.format(
                    Locale.ROOT,
                    "  %s%s %s",
                    entry.getKey().title(),
                    entry.getKey().equals(winner) ? "*" : "",
                    number(entry.getValue().median())));
            if (result.limit() != null) {
                line.append(String.format(Locale.ROOT, " (%.0f%%)", 100 * result.share(entry.getValue())));
            }
            Result.Calls calls = result.calls().get(entry.getKey());
            line.append(calls == null ? "" : " " + calls + ";");
        }
        line.append("  ").append(benchmark.unit());
        line("%s", line);
    }

    void coldStart(ColdStart.Result result) {
        line(
                "%-10s  first result %.0f ms (%.0f to %.0f)  full speed %.0f ms  then %.3f ms a call",
                result.backend().title(),
                result.first().median(),
                result.first().p10(),
                result.first().p90(),
                result.fullSpeed().median(),
                result.call().median());
    }

    /** Three digits or so. */
    static String number(double value) {
        if (Double.isNaN(value)) {
            return "-";
        }
        return String.format(Locale.ROOT, value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
    }
}
