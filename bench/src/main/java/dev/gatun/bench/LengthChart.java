package dev.gatun.bench;

import dev.gatun.bench.LengthCommand.Point;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/** Time and memory over the length of the context, both logarithmic, side by side in an SVG that stands alone: a mark is a measurement. */
final class LengthChart {
    private static final int PANEL = 400;
    private static final int HEIGHT = 340;
    private static final int LEFT = 58;
    private static final int RIGHT = 12;
    private static final int TOP = 30;
    private static final int BOTTOM = 70;
    private static final List<String> COLOURS =
            List.of("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#64748b", "#111827", "#0e7490", "#be185d");

    private final List<Point> points;
    private final List<String> series;
    private final double leastX;
    private final double mostX;
    private final StringBuilder svg = new StringBuilder();

    private LengthChart(List<Point> points) {
        this.points = points;
        Set<String> names = new LinkedHashSet<>();
        points.forEach(point -> names.add(name(point)));
        series = List.copyOf(names);
        leastX = points.stream().mapToInt(Point::ctx).min().orElse(1);
        mostX = Math.max(2 * leastX, points.stream().mapToInt(Point::ctx).max().orElse(2));
    }

    private static String name(Point point) {
        return point.engine()
                + (point.heads() == 8 ? "" : ", " + point.heads() + (point.heads() == 1 ? " head" : " heads"));
    }

    static String of(List<Point> points) {
        return new LengthChart(points).draw();
    }

    private String draw() {
        int rows = Math.ceilDiv(series.size(), 4);
        text(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\""
                        + " font-size=\"11\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                2 * PANEL, HEIGHT + 16 * rows);
        panel(0, "seconds a call", point -> point.millis() / 1000);
        panel(PANEL, "peak resident memory of the process, GB", point -> point.megabytes() / 1024);
        for (int i = 0; i < series.size(); i++) {
            int x = LEFT + i % 4 * 185;
            int y = HEIGHT - 14 + i / 4 * 16;
            text(
                    "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">%s</text>\n",
                    x, y - 4, COLOURS.get(i % COLOURS.size()), x + 9, y, HtmlReport.escape(series.get(i)));
        }
        return svg.append("</svg>\n").toString();
    }

    private void panel(int at, String title, ToDoubleFunction<Point> value) {
        double low =
                Math.floor(Math.log10(points.stream().mapToDouble(value).min().orElse(1)));
        double high = Math.max(
                low + 1,
                Math.ceil(Math.log10(points.stream().mapToDouble(value).max().orElse(10))));
        text("<text x=\"%d\" y=\"18\" font-weight=\"bold\">%s</text>\n", at + LEFT, HtmlReport.escape(title));
        for (double power = low; power <= high; power++) {
            double y = y(power, low, high);
            text(
                    "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                            + "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                    at + LEFT, at + PANEL - RIGHT, y, y, at + LEFT - 6, y + 4, tick(power));
        }
        for (double ctx = leastX; ctx <= mostX; ctx *= 2) {
            text(
                    "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                    at + x(ctx), HEIGHT - BOTTOM + 16, ctx >= 1 << 20 ? "1M" : Math.round(ctx / 1024) + "k");
        }
        text(
                "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">context</text>\n",
                at + (LEFT + PANEL - RIGHT) / 2, HEIGHT - BOTTOM + 32);
        for (int i = 0; i < series.size(); i++) {
            String name = series.get(i);
            String colour = COLOURS.get(i % COLOURS.size());
            var line = new StringBuilder();
            for (Point point : points) {
                if (name(point).equals(name)) {
                    double x = at + x(point.ctx());
                    double y = y(Math.log10(value.applyAsDouble(point)), low, high);
                    line.append(String.format(Locale.ROOT, "%.1f,%.1f ", x, y));
                    text("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\" fill=\"%s\"/>\n", x, y, colour);
                }
            }
            text("<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\"/>\n", line, colour);
        }
    }

    private static String tick(double power) {
        return power >= 0
                ? String.format(Locale.ROOT, "%,.0f", Math.pow(10, power))
                : Float.toString((float) Math.pow(10, power));
    }

    private double x(double ctx) {
        return LEFT + 8 + (PANEL - LEFT - RIGHT - 16) * Math.log(ctx / leastX) / Math.log(mostX / leastX);
    }

    private static double y(double power, double low, double high) {
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (power - low) / (high - low);
    }

    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be one more library
    private void text(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values));
    }
}
