package dev.gatun.bench;

import dev.gatun.cli.Command;
import dev.gatun.cli.CommonOptions;
import dev.gatun.cli.Failure;
import dev.gatun.cli.Invocation;
import dev.gatun.cli.Results;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun bench sessions}: whether what sessions take is given back. */
final class SessionsCommand implements Command {
    private static final int PROMPT = 4;

    /** A tenth of the sessions come before the level that the others are held to. */
    private static final int PARTS = 10;

    private static final double MOST = 1.05;

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Opens, uses and closes many sessions, and says what memory the process has.")
                .description("Exit code 1 where resident memory is not within 5% of what it was after a tenth of them."
                        + " Give the JVM a heap that is there from the start (-Xms64m -Xmx64m -XX:+AlwaysPreTouch in"
                        + " GATUN_JAVA_OPTS), or memory grows with that; -XX:+UseEpsilonGC, which never collects,"
                        + " shows that nothing has to.");
        spec.addOption(CommonOptions.path("--model", "FILE|DIR", "a decoder: GGUF file, folder or packed model"));
        spec.addOption(CommonOptions.option("--sessions", "N", Integer.class, "default: 10000"));
        spec.addOption(CommonOptions.option("--tokens", "T", Integer.class, "that each decodes; default: 8"));
        return spec;
    }

    private static int number(Invocation invocation, String name, int fallback, int least) {
        Integer value = invocation.option(name, Integer.class);
        if (value != null && value < least) {
            throw new Failure(name + " " + value + ": must be at least " + least);
        }
        return value == null ? fallback : value;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path path = invocation.option("--model", Path.class);
        if (path == null || !Files.exists(path)) {
            throw new Failure("sessions: no model; give a path with --model");
        }
        int sessions = number(invocation, "--sessions", 10_000, PARTS);
        int tokens = number(invocation, "--tokens", 8, 1);
        Backend.Kind kind = invocation.option("--backend", Backend.Kind.class);
        var options =
                new Backend.Options(kind == null ? Backend.Kind.VECTOR : kind, CommonOptions.threads(invocation), null);
        try (Backend backend = Backend.open(options);
                DecoderModel model = load(path, backend)) {
            SessionSize size = SessionSize.forOne(PROMPT + tokens);
            Results results = invocation.results();
            results.line(String.format(
                    Locale.ROOT,
                    "a session takes %,d bytes",
                    model.decoder().plan(size).totalBytes()));
            int[] prompt = new int[PROMPT];
            long level = 0;
            long resident = 0;
            for (int part = 1; part <= PARTS; part++) {
                int to = (int) ((long) sessions * part / PARTS);
                for (int i = (int) ((long) sessions * (part - 1) / PARTS); i < to; i++) {
                    use(model, size, prompt, tokens);
                }
                resident = resident();
                level = part == 1 ? resident : level;
                results.line(String.format(
                        Locale.ROOT,
                        "%,7d sessions: %,d KB resident, %d collections, %,d KB of heap in use",
                        to,
                        resident,
                        collections(),
                        (Runtime.getRuntime().totalMemory()
                                        - Runtime.getRuntime().freeMemory())
                                / 1024));
                results.flush();
            }
            results.line(String.format(Locale.ROOT, "%.1f%% of what it was after a tenth", 100.0 * resident / level));
            return resident <= level * MOST ? 0 : 1;
        }
    }

    private static DecoderModel load(Path path, Backend backend) throws IOException {
        if (!Files.isRegularFile(path) || ModelFolder.isPacked(path)) {
            return DecoderModel.load(ModelFolder.of(path), backend);
        }
        try (GgufModel file = GgufModel.open(path)) {
            return DecoderModel.load(file, backend, WeightFormat.AS_STORED);
        }
    }

    private static void use(DecoderModel model, SessionSize size, int[] prompt, int tokens) {
        try (DecoderSession session = model.decoder().newSession(size)) {
            Sequence sequence = session.newSequence();
            session.prefill(sequence, prompt, 0, prompt.length);
            for (int i = 0; i < tokens; i++) {
                session.decode(sequence, session.argMax(0));
            }
        }
    }

    private static long collections() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionCount)
                .sum();
    }

    /** Kilobytes of the process that are in memory. */
    private static long resident() throws IOException {
        if (!ProcStatus.exists()) {
            throw new Failure("sessions: resident memory is read from /proc/self/status, which only Linux has");
        }
        return ProcStatus.kilobytes("self", "VmRSS");
    }
}
