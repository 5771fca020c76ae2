package dev.gatun.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.gatun.cli.Command;
import dev.gatun.cli.CommonOptions;
import dev.gatun.cli.Failure;
import dev.gatun.cli.Invocation;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** {@code gatun bench peer}: our column in the tables of bench/peers, a line {@code @@{json}} for each case. */
final class PeerCommand implements Command {
    /** Before each line that bench/peers reads; it skips all others. */
    private static final String MARK = "@@";

    /** As in attention.py: the peers' head dimension. */
    private static final int D_K = 64;

    private static final Pattern CASE = Pattern.compile("h(\\d{1,4})n(\\d{1,7})");
    private static final int MAX_SAMPLES = 12;
    private static final int MAX_CALLS = 1000;
    private static final double ENCODER_SECONDS = 1.5;
    private static final double WARM_UP_SECONDS = 2;
    /** A whole model has more to compile than one operation. */
    private static final double ENCODER_WARM_UP_SECONDS = 5;

    private static final double ENOUGH_SECONDS = 6;
    private static final double TOO_LONG_SECONDS = 20;

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Runs the cases of a table of bench/peers, so that our column stands beside the peers'.")
                .description("bench/peers/README.md says how the two go together.");
        spec.addPositional(PositionalParamSpec.builder()
                .paramLabel("TABLE")
                .required(true)
                .type(String.class)
                .description("attention: causal self-attention of one sequence, dK 64; encoder: sentence embeddings of"
                        + " MiniLM-L6-v2")
                .build());
        spec.addOption(CommonOptions.option(
                "--cases",
                "LIST",
                String.class,
                "cases between commas, as h8n2048 for 8 heads and 2048 positions, 8x128 for 8 texts of 128 tokens"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        String table = invocation.parameter("");
        boolean encoder = table.equals("encoder");
        if (!encoder && !table.equals("attention")) {
            throw new Failure("table " + table + ": there are attention and encoder");
        }
        String cases = invocation.option("--cases", String.class);
        Backend.Kind kind = invocation.option("--backend", Backend.Kind.class);
        Path blas = invocation.option("--blas", Path.class);
        List<Op> ops = new ArrayList<>();
        List<String> names = List.of((cases != null ? cases : encoder ? "1x16" : "h8n2048").split(","));
        names.forEach(name -> ops.add(encoder ? Op.Encode.named(name) : attention(name)));
        var options =
                new Backend.Options(kind == null ? Backend.Kind.AUTO : kind, CommonOptions.threads(invocation), blas);
        try (GatunLibrary library = new GatunLibrary(options.with(CommonOptions.compute(invocation)))) {
            for (int i = 0; i < ops.size(); i++) {
                invocation.results().line(MARK + measure(library, names.get(i), ops.get(i)));
                invocation.results().flush();
            }
        }
        return 0;
    }

    private static Op.Attention attention(String name) {
        Matcher matcher = CASE.matcher(name);
        if (!matcher.matches() || Integer.parseInt(matcher.group(1)) < 1 || Integer.parseInt(matcher.group(2)) < 1) {
            throw new Failure("case " + name + ": must be h and the number of heads, n and the number of positions");
        }
        int heads = Integer.parseInt(matcher.group(1));
        return new Op.Attention(heads, heads, D_K, Integer.parseInt(matcher.group(2)), true);
    }

    /** As the peers are measured: samples of one call each, after a warm-up. */
    private static String measure(GatunLibrary library, String name, Op op) throws IOException {
        try (Library.Workload workload = library.open(op)) {
            if (workload == null) {
                throw new IllegalStateException("no " + op + " in " + library.description());
            }
            long start = System.nanoTime();
            do {
                workload.run();
            } while (seconds(start) < (op instanceof Op.Encode ? ENCODER_WARM_UP_SECONDS : WARM_UP_SECONDS));
            List<Double> millis = new ArrayList<>();
            start = System.nanoTime();
            do {
                long before = System.nanoTime();
                workload.run();
                millis.add((System.nanoTime() - before) / 1e6);
            } while (goesOn(op, millis.size(), seconds(start)));
            return json(name, millis, op instanceof Op.Encode encode ? ofShortest(library, encode) : null);
        }
    }

    private static boolean goesOn(Op op, int samples, double seconds) {
        if (op instanceof Op.Encode encode) {
            boolean enough = samples >= (encode.sequences() == 1 ? 100 : 5) && seconds >= ENCODER_SECONDS;
            return samples < MAX_CALLS && !enough && (samples < 2 || seconds < TOO_LONG_SECONDS);
        }
        return samples < MAX_SAMPLES && seconds < (samples < 3 ? TOO_LONG_SECONDS : ENOUGH_SECONDS);
    }

    /** The vector of the shortest text, which shows whether all peers compute the same. */
    private static float[] ofShortest(GatunLibrary library, Op.Encode op) {
        int[][] ids = op.ids();
        int shortest = 0;
        for (int b = 0; b < ids.length; b++) {
            shortest = ids[b].length < ids[shortest].length ? b : shortest;
        }
        return library.embedder().embedTokens(ids)[shortest];
    }

    private static double seconds(long since) {
        return (System.nanoTime() - since) / 1e9;
    }

    private static String json(String name, List<Double> millis, float @Nullable [] vector) throws IOException {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
            json.writeStartObject();
            json.writeStringField("case", name);
            json.writeArrayFieldStart("ms");
            for (double value : millis) {
                json.writeNumber(value);
            }
            json.writeEndArray();
            if (vector != null) {
                json.writeArrayFieldStart("emb");
                for (float value : vector) {
                    json.writeNumber(value);
                }
                json.writeEndArray();
            }
            Double rss = peakRssMegabytes();
            if (rss != null) {
                json.writeNumberField("rss_mb", rss);
            }
            json.writeEndObject();
        }
        return text.toString();
    }

    /** The most memory that this process has had; null where no one says. */
    private static @Nullable Double peakRssMegabytes() throws IOException {
        Path status = Path.of("/proc/self/status");
        if (Files.exists(status)) {
            for (String line : Files.readAllLines(status)) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) / 1024.0;
                }
            }
        }
        return null;
    }
}
