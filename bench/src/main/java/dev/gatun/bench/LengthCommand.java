package dev.gatun.bench;

import dev.gatun.cli.Command;
import dev.gatun.cli.CommonOptions;
import dev.gatun.cli.Failure;
import dev.gatun.cli.Invocation;
import dev.gatun.ops.Backend;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;

/**
 * {@code gatun bench lengths}: time and memory of causal attention as the context grows, ours and the peers' of
 * {@code bench/peers/attention.py}, each case in a process of its own, whose peak of resident memory is read at its end.
 */
final class LengthCommand implements Command {
    private static final Pattern MILLIS = Pattern.compile("\"ms\": ?\\[([^\\]]+)\\]");
    private static final Pattern RESIDENT = Pattern.compile("\"rss_mb\": ?([0-9.]+)");

    /** What a case took; a file has a line for each. */
    record Point(String engine, int heads, int ctx, int threads, double millis, double megabytes) {
        String line() {
            return String.format(
                    Locale.ROOT, "%s\t%d\t%d\t%d\t%.1f\t%.0f", engine, heads, ctx, threads, millis, megabytes);
        }

        static Point of(String line) {
            String[] f = line.split("\t", -1);
            if (f.length != 6) {
                throw new Failure("lengths: \"" + line + "\" is no line of engine, heads, ctx, threads, ms and MB");
            }
            return new Point(
                    f[0],
                    Integer.parseInt(f[1]),
                    Integer.parseInt(f[2]),
                    Integer.parseInt(f[3]),
                    Double.parseDouble(f[4]),
                    Double.parseDouble(f[5]));
        }

        String key() {
            return String.format(Locale.ROOT, "%s\t%d\t%08d\t%d", engine, heads, ctx, threads);
        }
    }

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Measures causal attention, dK 64, over the length of the context, and draws what was"
                        + " measured.")
                .description("Each case runs in a process of its own; its line in --out replaces an earlier one.");
        spec.addOption(CommonOptions.option(
                "--engines", "LIST", String.class, "our backends, and peers of bench/peers/attention.py"));
        spec.addOption(CommonOptions.option("--cases", "LIST", String.class, "h8n2048: 8 heads, 2048 positions"));
        spec.addOption(CommonOptions.path("--python", "FILE", "Python with the peers' libraries"));
        spec.addOption(CommonOptions.path("--out", "FILE", "engine, heads, ctx, threads, ms, peak MB, between tabs"));
        spec.addOption(CommonOptions.path("--chart", "FILE", "SVG of all that --out has"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path out = invocation.option("--out", Path.class);
        if (out == null) {
            throw new Failure("lengths: no --out for what is measured");
        }
        TreeMap<String, Point> points = new TreeMap<>();
        if (Files.exists(out)) {
            Files.readAllLines(out).stream().map(Point::of).forEach(point -> points.put(point.key(), point));
        }
        int threads = CommonOptions.threads(invocation);
        for (String engine : list(invocation, "--engines")) {
            for (String one : list(invocation, "--cases")) {
                Matcher matcher = PeerCommand.CASE.matcher(one);
                if (!matcher.matches()) {
                    throw new Failure("lengths: case " + one + " is not like h8n2048");
                }
                Point point = measure(
                        engine,
                        Integer.parseInt(matcher.group(1)),
                        Integer.parseInt(matcher.group(2)),
                        threads,
                        invocation.option("--python", Path.class));
                if (point != null) {
                    points.put(point.key(), point);
                    Files.write(out, points.values().stream().map(Point::line).toList());
                }
                invocation.results().line(point == null ? engine + " " + one + ": not measured" : point.line());
                invocation.results().flush();
            }
        }
        Path chart = invocation.option("--chart", Path.class);
        if (chart != null) {
            Files.writeString(chart, LengthChart.of(List.copyOf(points.values())));
        }
        return 0;
    }

    private static List<String> list(Invocation invocation, String name) {
        String list = invocation.option(name, String.class);
        return list == null ? List.of() : List.of(list.split(","));
    }

    private static @Nullable Point measure(String engine, int heads, int ctx, int threads, @Nullable Path python)
            throws IOException {
        boolean ours = Arrays.stream(Backend.Kind.values())
                .anyMatch(kind -> kind.toString().equals(engine));
        String one = "h" + heads + "n" + ctx;
        String count = Integer.toString(threads);
        ProcessBuilder builder;
        if (ours) {
            builder = ChildJvm.of(
                    Main.class,
                    List.of("-Xmx64m"),
                    List.of("bench", "peer", "attention", "--backend", engine, "--threads", count, "--cases", one));
        } else if (python == null) {
            throw new Failure("lengths: " + engine + " is none of our backends; peers need --python");
        } else {
            builder = new ProcessBuilder(
                    python.toString(),
                    "bench/peers/attention.py",
                    "--peer",
                    engine,
                    "--threads",
                    count,
                    "--cases",
                    one);
            builder.environment().put("OMP_NUM_THREADS", count);
        }
        Process process = ChildJvm.start(builder);
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Matcher millis = MILLIS.matcher(line);
                Matcher resident = RESIDENT.matcher(line);
                if (millis.find() && resident.find()) {
                    double[] all = Arrays.stream(millis.group(1).split(","))
                            .mapToDouble(text -> Double.parseDouble(text.strip()))
                            .sorted()
                            .toArray();
                    return new Point(
                            engine, heads, ctx, threads, all[all.length / 2], Double.parseDouble(resident.group(1)));
                }
            }
            return null;
        } finally {
            process.destroy();
        }
    }
}
