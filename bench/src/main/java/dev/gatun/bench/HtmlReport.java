package dev.gatun.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeSet;

/** A report as one page: charts, a table, the machine. It loads nothing, and follows the reader's light or dark. */
final class HtmlReport {
    private static final DateTimeFormatter DAY = DateTimeFormatter.ofPattern("d MMMM yyyy", Locale.ENGLISH);

    private final Report report;
    private final StringBuilder html = new StringBuilder();
    private final Palette palette;

    private HtmlReport(Report report) {
        this.report = report;
        this.palette = new Palette(report);
    }

    static String of(Report report) throws IOException {
        return new HtmlReport(report).page();
    }

    private String page() throws IOException {
        html.append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
                .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
                .append("<meta name=\"color-scheme\" content=\"light dark\">\n<title>Gatun bench</title>\n<style>\n")
                .append(style())
                .append("</style>\n</head>\n<body>\n<main>\n");
        header();
        limits();
        if (report.results().stream().anyMatch(RooflineChart::isOn)) {
            section(
                    "Roofline",
                    "Each mark is an operation by one backend: how much it computes for each byte that must move, and"
                            + " how fast. The lines are what this machine can do. A mark above the slanted line has its"
                            + " operands in a cache.");
            legend(RooflineChart.engines(report));
            html.append("<p>&#9679; product &nbsp; &#9632; matrix-vector &nbsp; &#9650; attention &nbsp; &#9670;"
                            + " rows</p>\n")
                    .append(RooflineChart.of(report, palette))
                    .append("</section>\n");
        }
        for (Group group : EnumSet.complementOf(EnumSet.of(Group.COLD))) {
            group(group);
        }
        coldStart();
        table();
        machine();
        return html.append("</main>\n</body>\n</html>\n").toString();
    }

    private static String style() throws IOException {
        try (InputStream in = HtmlReport.class.getResourceAsStream("report.css")) {
            if (in == null) {
                throw new IOException("report.css is missing beside " + HtmlReport.class);
            }
            return new String(in.readAllBytes(), UTF_8);
        }
    }

    private void header() {
        String cpu = report.facts().getOrDefault("CPU", "this machine");
        html.append("<header><h1>Gatun: how near to the limit</h1>\n<p>")
                .append(escape(cpu))
                .append(", ")
                .append(report.threads() == 1 ? "one thread" : report.threads() + " threads")
                .append(", ")
                .append(DAY.format(report.created().atZone(ZoneOffset.UTC)))
                .append(report.quick() ? ", a quick run" : "")
                .append("</p></header>\n");
    }

    private void limits() {
        html.append("<div class=\"tiles\">\n");
        report.limits()
                .forEach((limit, stats) -> html.append("<div class=\"tile\"><span>")
                        .append(capital(limit.title()))
                        .append("</span><b>")
                        .append(TextReport.number(stats.median()))
                        .append("</b> ")
                        .append(limit.unit())
                        .append("<small>")
                        .append(TextReport.number(stats.p10()))
                        .append(" to ")
                        .append(TextReport.number(stats.p90()))
                        .append("</small></div>\n"));
        html.append("</div>\n");
    }

    private void section(String title, String text) {
        html.append("<section><h2>")
                .append(escape(title))
                .append("</h2>\n<p>")
                .append(escape(text))
                .append("</p>\n");
    }

    private void legend(Iterable<EngineKind> engines) {
        html.append("<ul class=\"legend\">");
        for (EngineKind engine : engines) {
            html.append("<li><i style=\"background:")
                    .append(palette.colour(engine))
                    .append("\"></i>")
                    .append(escape(engine.title()))
                    .append("</li>");
        }
        html.append("</ul>\n");
    }

    private void group(Group group) {
        List<Result> results = report.of(group);
        if (results.isEmpty()) {
            return;
        }
        boolean time = results.getFirst().benchmark().isTime();
        section(
                group.title(),
                (group == Group.CALLS ? "Nanoseconds a call, less is better." : explain(group)) + Winners.of(results));
        SequencedMap<String, List<Result>> families = new LinkedHashMap<>();
        SequencedMap<EngineKind, Boolean> present = new LinkedHashMap<>();
        for (Result result : results) {
            families.computeIfAbsent(result.benchmark().family(), _ -> new ArrayList<>())
                    .add(result);
            result.values().forEach((kind, _) -> present.put(kind, true));
        }
        if (!time) {
            legend(present.keySet());
        }
        html.append("<div class=\"charts\">\n");
        families.forEach((family, own) -> html.append(chart(family, own)));
        html.append("</div>\n</section>\n");
    }

    private static String explain(Group group) {
        return switch (group) {
            case MATMUL -> "Share of the FMA peak, which the line at 100 is. M is the number of rows of activations.";
            case MATVEC ->
                "One row of activations. Share of the read bandwidth that the bytes of the weights take, as the"
                        + " checkpoint stores them.";
            case ENCODER ->
                "Token ids to normalised embeddings. Share of the FMA peak; padding, softmax, norms and GELU count"
                        + " nothing.";
            case ATTENTION, LONG -> "Share of the FMA peak; only products that the mask lets through are counted.";
            case ROWS -> "Share of the read-plus-write bandwidth.";
            case MODEL ->
                "Share of the limit: for M 1 the read bandwidth, else the FMA peak. A matrix of each shape the model"
                        + " has.";
            case DECODER ->
                "Prefill: share of the FMA peak that its products take. Decode: share of the read bandwidth that the"
                        + " weights take, as the file stores them.";
            case SEQ2SEQ -> "Tokens of all targets a second, the source encoded anew each time; more is better.";
            case FIRST_TOKEN ->
                "Milliseconds from the start of a process to the first token of a prompt, page cache warm; less is"
                        + " better.";
            case RECORDED ->
                "What a program did, by the time it took: share of the FMA peak for what computes more than this"
                        + " machine can read meanwhile, of a bandwidth for the rest. Bars are medians of calls.";
            case CALLS, COLD -> "";
        };
    }

    private String chart(String family, List<Result> results) {
        ColumnChart chart = new ColumnChart(family, palette);
        for (Result result : results) {
            ColumnChart.Cluster cluster = chart.cluster(result.benchmark().variant());
            for (Map.Entry<EngineKind, Stats> entry : result.values().entrySet()) {
                Stats value = entry.getValue();
                String tip = entry.getKey().title() + ", " + result.benchmark().name() + ": "
                        + TextReport.number(value.median()) + " "
                        + result.benchmark().unit() + " ("
                        + TextReport.number(value.p10()) + " to " + TextReport.number(value.p90()) + ")";
                if (result.limit() == null) {
                    cluster.add(entry.getKey(), value.median(), value.p10(), value.p90(), tip);
                } else {
                    double percent = 100 / result.limit().median();
                    cluster.add(
                            entry.getKey(),
                            value.median() * percent,
                            value.p10() * percent,
                            value.p90() * percent,
                            tip + ", " + Math.round(100 * result.share(value)) + "% of the limit");
                }
            }
        }
        return results.getFirst().limit() == null
                ? chart.svg(results.getFirst().benchmark().unit())
                : chart.shares();
    }

    private void coldStart() {
        if (report.coldStarts().isEmpty()) {
            return;
        }
        section(
                Group.COLD.title(),
                "Fresh processes: milliseconds from the start of the process to the result of six MiniLM layers on 16"
                        + " tokens, and until such calls run at full speed; and one call then. Less is better.");
        legend(report.coldStarts().stream().map(ColdStart.Result::backend).toList());
        ColumnChart first = new ColumnChart("First result", palette);
        ColumnChart full = new ColumnChart("At full speed", palette);
        ColumnChart call = new ColumnChart("A call at full speed", palette);
        ColumnChart.Cluster firstCluster = first.cluster("");
        ColumnChart.Cluster fullCluster = full.cluster("");
        ColumnChart.Cluster callCluster = call.cluster("");
        for (ColdStart.Result cold : report.coldStarts()) {
            add(firstCluster, cold.backend(), cold.first());
            add(fullCluster, cold.backend(), cold.fullSpeed());
            add(callCluster, cold.backend(), cold.call());
        }
        html.append("<div class=\"charts\">\n")
                .append(first.svg("ms"))
                .append(full.svg("ms"))
                .append(call.svg("ms"))
                .append("</div>\n</section>\n");
    }

    private static void add(ColumnChart.Cluster cluster, EngineKind kind, Stats stats) {
        cluster.add(
                kind,
                stats.median(),
                stats.p10(),
                stats.p90(),
                kind.title() + ": " + TextReport.number(stats.median()) + " ms (" + TextReport.number(stats.p10())
                        + " to " + TextReport.number(stats.p90()) + ")");
    }

    private void table() {
        html.append("<section><h2>All numbers</h2>\n<p>Medians, in brackets the share of the limit; the fastest in bold"
                + " (auto, which picks among the others, is not in the contest).</p>\n");
        for (Group group : Group.values()) {
            List<Result> results = report.of(group);
            if (results.isEmpty()) {
                continue;
            }
            TreeSet<Integer> columns = new TreeSet<>();
            List<EngineKind> engines = new ArrayList<>(report.engines().keySet());
            results.forEach(result -> result.values().forEach((kind, _) -> columns.add(engines.indexOf(kind))));
            html.append("<details")
                    .append(report.of(group).size() <= 12 ? " open" : "")
                    .append("><summary>")
                    .append(escape(group.title()))
                    .append(" (")
                    .append(results.size())
                    .append(")</summary>\n<div class=\"scroll\"><table>\n<tr><th>operation</th><th>limit</th>");
            columns.forEach(i ->
                    html.append("<th>").append(escape(engines.get(i).title())).append("</th>"));
            html.append("</tr>\n");
            for (Result result : results) {
                row(result, columns.stream().map(engines::get).toList());
            }
            html.append("</table></div></details>\n");
        }
        html.append("</section>\n");
    }

    private void row(Result result, List<EngineKind> columns) {
        html.append("<tr><th>").append(escape(result.benchmark().name())).append("</th><td>");
        if (result.limit() != null) {
            html.append(TextReport.number(result.limit().median()));
        }
        html.append(' ').append(result.benchmark().unit()).append("</td>");
        EngineKind winner = result.winner();
        for (EngineKind kind : columns) {
            Stats value = result.values().get(kind);
            html.append(kind.equals(winner) ? "<td class=\"best\">" : "<td>");
            if (value != null) {
                html.append(TextReport.number(value.median()));
                if (result.limit() != null) {
                    html.append(" <small>(")
                            .append(Math.round(100 * result.share(value)))
                            .append("%)</small>");
                }
                Result.Calls calls = result.calls().get(kind);
                html.append(calls == null ? "" : " <small>" + escape(calls.toString()) + "</small>");
            }
            html.append("</td>");
        }
        html.append("</tr>\n");
    }

    private void machine() {
        html.append("<section><h2>Machine and engines</h2>\n<dl>\n");
        report.facts().forEach(this::fact);
        report.engines().forEach((kind, description) -> fact(kind.title(), description));
        html.append("</dl>\n");
        if (!report.notes().isEmpty()) {
            html.append("<ul>");
            report.notes()
                    .forEach(note -> html.append("<li>").append(escape(note)).append("</li>"));
            html.append("</ul>\n");
        }
        html.append("<p>Made by <code>./gatun bench</code>; docs/BENCH.md says what each number is.</p>\n</section>\n");
    }

    private void fact(String name, String value) {
        html.append("<dt>")
                .append(escape(name))
                .append("</dt><dd>")
                .append(escape(value))
                .append("</dd>\n");
    }

    private static String capital(String text) {
        return Character.toUpperCase(text.charAt(0)) + text.substring(1);
    }

    /** Text for HTML, in elements and in attributes. */
    static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
