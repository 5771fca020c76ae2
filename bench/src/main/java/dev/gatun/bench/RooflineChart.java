package dev.gatun.bench;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The roofline model (Williams, Waterman &amp; Patterson 2009): speed over arithmetic intensity, both logarithmic, under the lines
 * that bandwidth and peak draw.
 */
final class RooflineChart {
    private static final int WIDTH = 760;
    private static final int HEIGHT = 440;
    private static final int LEFT = 56;
    private static final int RIGHT = 20;
    private static final int TOP = 14;
    private static final int BOTTOM = 46;
    private static final double LEAST_X = 0.1;
    private static final double MOST_X = 5_000;

    /** The height of the chart in factors of ten. */
    private static final double DECADES = 2.6;

    /** Of these there is always a mark: a choice among them would only hide one behind the other. */
    private static final List<EngineKind> PLOTTED =
            List.of(new EngineKind("openblas"), new EngineKind("vector"), new EngineKind("machine"));

    private final Report report;
    private final Palette palette;
    private final StringBuilder svg = new StringBuilder();
    private final double leastY;
    private final double mostY;

    private RooflineChart(Report report, Palette palette) {
        this.report = report;
        this.palette = palette;
        mostY = peak() * 1.9;
        leastY = mostY / Math.pow(10, DECADES);
    }

    /** Whether there is a place for it: what computes nothing has none. */
    static boolean isOn(Result result) {
        return result.benchmark().op().flop() > 0 && result.benchmark().group() != Group.DECODER;
    }

    static List<EngineKind> engines(Report report) {
        return PLOTTED.stream().filter(report.engines()::containsKey).toList();
    }

    static String of(Report report, Palette palette) {
        return new RooflineChart(report, palette).draw();
    }

    private double peak() {
        return limit(Limit.FMA);
    }

    private double limit(Limit limit) {
        Stats stats = report.limits().get(limit);
        return stats == null ? Double.NaN : stats.median();
    }

    private String draw() {
        text(
                "<figure class=\"wide\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Roofline\">\n",
                WIDTH, HEIGHT);
        axes();
        roof(Limit.CACHE, "cache");
        roof(Limit.READ, "roof");
        text(
                "<text class=\"roofname\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">FMA peak %s GFLOP/s</text>\n",
                (double) WIDTH - RIGHT - 4, y(peak()) - 6, TextReport.number(peak()));
        for (Result result : report.results()) {
            if (isOn(result)) {
                marks(result);
            }
        }
        return svg.append("</svg></figure>\n").toString();
    }

    private void axes() {
        for (double x = LEAST_X; x <= MOST_X; x *= 10) {
            text(
                    "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                            + "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                    x(x), x(x), TOP, HEIGHT - BOTTOM, x(x), HEIGHT - BOTTOM + 16, number(x));
        }
        for (double y = Math.pow(10, Math.ceil(Math.log10(leastY))); y <= mostY; y *= 10) {
            text(
                    "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                            + "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                    LEFT, WIDTH - RIGHT, y(y), y(y), LEFT - 6, y(y) + 4, number(y));
        }
        text(
                "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">FLOP for each byte</text>\n",
                (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
        text(
                "<text x=\"14\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(-90 14 %d)\">GFLOP/s</text>\n",
                HEIGHT / 2 - 20, HEIGHT / 2 - 20);
    }

    private static String number(double power) {
        return power >= 1
                ? String.format(Locale.ROOT, "%,.0f", power)
                : String.format(Locale.ROOT, "%s", (float) power);
    }

    /** The slanted line of a bandwidth, up to the peak and along it. */
    private void roof(Limit bandwidth, String style) {
        double gigabytes = limit(bandwidth);
        double ridge = peak() / gigabytes;
        double start = Math.max(LEAST_X, leastY / gigabytes);
        text(
                "<polyline class=\"%s\" points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>\n",
                style, x(start), y(start * gigabytes), x(ridge), y(peak()), x(MOST_X), y(peak()));
        double nameAt = start * 1.25;
        double slope = Math.toDegrees(Math.atan2(y(10) - y(100), x(100) - x(10)));
        text(
                "<text class=\"roofname\" transform=\"translate(%.1f %.1f) rotate(%.1f)\">%s %s GB/s</text>\n",
                x(nameAt),
                y(nameAt * gigabytes) - 7,
                -slope,
                bandwidth == Limit.CACHE ? "L2" : "memory",
                TextReport.number(gigabytes));
    }

    private void marks(Result result) {
        Op op = result.benchmark().op();
        for (Map.Entry<EngineKind, Stats> entry : result.values().entrySet()) {
            if (PLOTTED.contains(entry.getKey())) {
                double gigaflops = op.flop() / (op.work() / entry.getValue().median());
                double intensity = op.flop() / op.bytes();
                String tip = entry.getKey().title() + ", " + result.benchmark().name() + ": "
                        + TextReport.number(gigaflops) + " GFLOP/s, " + TextReport.number(intensity)
                        + " FLOP for each byte, " + Math.round(100 * result.share(entry.getValue())) + "% of the limit";
                mark(
                        result.benchmark().group(),
                        x(Math.clamp(intensity, LEAST_X, MOST_X)),
                        y(Math.clamp(gigaflops, leastY, mostY)),
                        palette.colour(entry.getKey()),
                        tip);
            }
        }
    }

    private void mark(Group group, double x, double y, String colour, String tip) {
        String shape = switch (group) {
            case ATTENTION, LONG -> path("M%.1f %.1fl5.5 9.5h-11z", x, y - 6.3);
            case MATVEC -> path("M%.1f %.1fh9v9h-9z", x - 4.5, y - 4.5);
            case ROWS -> path("M%.1f %.1fl6 6l-6 6l-6 -6z", x, y - 6);
            default -> String.format(Locale.ROOT, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.8\"", x, y);
        };
        text(
                "%s class=\"mark\" fill=\"%s\"><title>%s</title></%s>\n",
                shape, colour, HtmlReport.escape(tip), shape.startsWith("<c") ? "circle" : "path");
    }

    private static String path(String format, double x, double y) {
        return "<path d=\"" + String.format(Locale.ROOT, format, x, y) + "\"";
    }

    private static double x(double intensity) {
        return LEFT + (WIDTH - LEFT - RIGHT) * Math.log(intensity / LEAST_X) / Math.log(MOST_X / LEAST_X);
    }

    private double y(double gigaflops) {
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * Math.log(gigaflops / leastY) / Math.log(mostY / leastY);
    }

    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be one more library
    private void text(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values));
    }
}
