package dev.gatun.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Clusters of columns side by side, one column an engine, with the spread as a thin line; as a figure with SVG in it. */
final class ColumnChart {
    private static final int WIDTH = 320;
    private static final int HEIGHT = 170;
    private static final int LEFT = 34;
    private static final int RIGHT = 6;
    private static final int TOP = 12;
    private static final int BOTTOM = 22;
    private static final double WIDEST_COLUMN = 26;

    private record Column(EngineKind engine, double value, double low, double high, String tip) {}

    /** Columns that share a label. */
    static final class Cluster {
        private final String label;
        private final List<Column> columns = new ArrayList<>();

        private Cluster(String label) {
            this.label = label;
        }

        /**
         * A column.
         *
         * @param low where its spread begins
         * @param high where its spread ends
         * @param tip what is shown where a mouse points at it
         */
        void add(EngineKind engine, double value, double low, double high, String tip) {
            columns.add(new Column(engine, value, low, high, tip));
        }
    }

    private final String title;
    private final Palette palette;
    private final List<Cluster> clusters = new ArrayList<>();
    private final StringBuilder svg = new StringBuilder();

    ColumnChart(String title, Palette palette) {
        this.title = title;
        this.palette = palette;
    }

    Cluster cluster(String label) {
        Cluster cluster = new Cluster(label);
        clusters.add(cluster);
        return cluster;
    }

    /** Of percents: the axis ends at 100, or further where a column does. */
    String shares() {
        return draw(Math.max(100, highest()), "%", 100);
    }

    /** Of amounts. */
    String svg(String unit) {
        return draw(highest() * 1.05, unit, Double.NaN);
    }

    private double highest() {
        return clusters.stream()
                .flatMap(cluster -> cluster.columns.stream())
                .mapToDouble(Column::value)
                .filter(value -> !Double.isNaN(value))
                .max()
                .orElse(1);
    }

    private String draw(double top, String unit, double limit) {
        text("<figure><figcaption>%s</figcaption>\n", HtmlReport.escape(title));
        text("<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT, HtmlReport.escape(title));
        double step = step(top);
        for (double tick = 0; tick <= top * 1.0001; tick += step) {
            double y = y(tick, top);
            boolean isLimit = tick == limit;
            text(
                    "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
                    isLimit ? "limit" : "grid", LEFT, WIDTH - RIGHT, y, y);
            text(
                    "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s%s</text>\n",
                    LEFT - 4, y + 3.5, tick(tick), tick + step > top * 1.0001 || isLimit ? unit : "");
        }
        double each = (double) (WIDTH - LEFT - RIGHT) / clusters.size();
        for (int i = 0; i < clusters.size(); i++) {
            cluster(clusters.get(i), LEFT + i * each, each, top);
        }
        return svg.append("</svg></figure>\n").toString();
    }

    private void cluster(Cluster cluster, double from, double each, double top) {
        int n = Math.max(1, cluster.columns.size());
        double width = Math.min(WIDEST_COLUMN, each * 0.84 / n);
        double x = from + (each - width * n) / 2;
        for (Column column : cluster.columns) {
            double value = Double.isNaN(column.value) ? 0 : column.value;
            double y = y(value, top);
            text("<g><title>%s</title>", HtmlReport.escape(column.tip));
            // To the top of the chart, so that a small column can be pointed at too.
            text(
                    "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"transparent\"/>",
                    x, TOP, width, HEIGHT - TOP - BOTTOM);
            text(
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"1.5\" fill=\"%s\"/>",
                    x + 0.5, y, Math.max(1, width - 1), Math.max(0.5, y(0, top) - y), palette.colour(column.engine));
            double middle = x + width / 2;
            text(
                    "<line class=\"spread\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/></g>\n",
                    middle, middle, y(Math.min(column.low, top), top), y(Math.min(column.high, top), top));
            x += width;
        }
        text(
                "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                from + each / 2, HEIGHT - 7, HtmlReport.escape(cluster.label));
    }

    private static double y(double value, double top) {
        return HEIGHT - BOTTOM - (Double.isNaN(value) ? 0 : value) / top * (HEIGHT - TOP - BOTTOM);
    }

    /** 1, 2, 2.5 or 5 times a power of ten, for about four lines. */
    private static double step(double top) {
        double power = Math.pow(10, Math.floor(Math.log10(top / 4)));
        for (double factor : new double[] {1, 2, 2.5, 5}) {
            if (factor * power >= top / 4.5) {
                return factor * power;
            }
        }
        return 10 * power;
    }

    private static String tick(double value) {
        return value == Math.rint(value) ? Long.toString(Math.round(value)) : String.format(Locale.ROOT, "%.3g", value);
    }

    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be one more library
    private void text(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values));
    }
}
