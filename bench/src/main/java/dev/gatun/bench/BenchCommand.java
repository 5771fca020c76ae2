package dev.gatun.bench;

import dev.gatun.cli.Command;
import dev.gatun.cli.CommonOptions;
import dev.gatun.cli.Failure;
import dev.gatun.cli.Invocation;
import dev.gatun.cli.Machine;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.TypeConversionException;

/** {@code gatun bench}: the limits of this computer, and how near to them each backend gets. */
final class BenchCommand implements Command {
    private static final List<Backend.Kind> BACKENDS =
            List.of(Backend.Kind.OPENBLAS, Backend.Kind.VECTOR, Backend.Kind.MACHINE, Backend.Kind.AUTO);

    /** What is measured unless something is asked for. */
    private static final List<Group> GROUPS =
            List.of(Group.MATMUL, Group.MATVEC, Group.ATTENTION, Group.ROWS, Group.CALLS, Group.COLD);

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Measures the limits of this computer, and how near to them each backend gets.")
                .description("Backends take turns in processes of their own; a share is one of the limit as it was"
                        + " meanwhile. * marks the fastest. gatun bench encoder: sentence embeddings beside"
                        + " ONNX Runtime's (the same as --only encoder); gatun bench decoder --help: tokens a"
                        + " second beside llama.cpp; gatun bench seq2seq --help: translations beside CTranslate2;"
                        + " gatun bench serve --help: many streams over HTTP beside llama.cpp's server;"
                        + " gatun bench peer --help: one table for bench/peers;"
                        + " gatun bench jmh -h: the same operations under JMH.");
        spec.addOption(CommonOptions.flag("--quick", "fewer operations and samples: some minutes, not twenty"));
        spec.addOption(
                CommonOptions.path("--model", "DIR", "measure products with the shapes of this model's weights"));
        spec.addOption(many("--only", "GROUP", Group.class)
                .converters(BenchCommand::group)
                .description("measure this group, one of " + String.join(", ", names())
                        + "; may be repeated. Default: all but long and encoder")
                .build());
        spec.addOption(many("--backend", "NAME", Backend.Kind.class)
                .converters(CommonOptions::kind)
                .description(
                        "measure this backend, without netlib; may be repeated. Default: openblas, vector, machine,"
                            + " auto; in products the BLAS of dev.ludovic.netlib, in Java and by JNI. ONNX Runtime is"
                            + " always in encoder")
                .build());
        spec.addOption(many("--blas", "PATH", Path.class)
                .description("measure the library with the C interface of BLAS in this file too; may be repeated")
                .build());
        spec.addOption(CommonOptions.path(
                "--jfr",
                "FILE",
                "measure no operations, but place those of this recording of the Flight Recorder (docs/JFR.md) under"
                        + " the limits of this machine"));
        spec.addOption(CommonOptions.path("--html", "FILE", "write the report as a page with charts"));
        spec.addOption(CommonOptions.path("--json", "FILE", "write the report as JSON"));
        return spec;
    }

    static OptionSpec.Builder many(String name, String label, Class<?> type) {
        return OptionSpec.builder(name)
                .paramLabel(label)
                .type(List.class)
                .auxiliaryTypes(type)
                .arity("1");
    }

    private static List<String> names() {
        return Arrays.stream(Group.values())
                .filter(group -> group != Group.MODEL && group != Group.RECORDED)
                .map(Group::toString)
                .toList();
    }

    private static Group group(String name) {
        if (!names().contains(name)) {
            throw new TypeConversionException("'" + name + "' is none of " + String.join(", ", names()));
        }
        return Group.valueOf(name.toUpperCase(Locale.ROOT));
    }

    /** The values of an option that may be repeated. */
    static <T> List<T> all(Invocation invocation, String name, Class<T> type, List<T> fallback) {
        List<?> values = invocation.option(name, List.class);
        return values == null ? fallback : values.stream().map(type::cast).toList();
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path html = writable(invocation, "--html");
        Path json = writable(invocation, "--json");
        Path model = invocation.option("--model", Path.class);
        Path jfr = invocation.option("--jfr", Path.class);
        OperatorLog log = jfr == null ? null : OperatorLog.read(jfr);
        for (String option : List.of("--model", "--only", "--backend", "--blas")) {
            if (log != null && invocation.option(option, Object.class) != null) {
                throw new Failure("--jfr measures no operations: it does not go with " + option);
            }
        }
        int threads = CommonOptions.threads(invocation);
        Caches caches = Caches.here();
        List<ModelShapes.Shaped> shapes = model == null ? List.of() : ModelShapes.of(model, caches);
        boolean allEngines = invocation.option("--backend", List.class) == null;
        List<Backend.Kind> backends = all(invocation, "--backend", Backend.Kind.class, BACKENDS);
        List<EngineKind> kinds =
                new ArrayList<>(backends.stream().map(EngineKind::of).toList());
        List<EngineKind> asked = all(invocation, "--blas", Path.class, List.of()).stream()
                .map(EngineKind::blas)
                .toList();
        kinds.addAll(asked);
        List<Group> groups = all(invocation, "--only", Group.class, model == null ? GROUPS : List.of());
        if (allEngines
                && (model != null
                        || !Set.of(Group.ENCODER, Group.CALLS, Group.COLD).containsAll(groups))) {
            kinds.addAll(List.of(EngineKind.NETLIB_JAVA, EngineKind.NETLIB_JNI));
        }
        if (groups.contains(Group.ENCODER)) {
            kinds.add(EngineKind.ONNX_RUNTIME);
        }
        BenchRun run = new BenchRun(
                BenchRun.Settings.of(invocation.flag("--quick"), threads, caches),
                kind -> new EngineProcess(kind, threads),
                facts(threads),
                new TextReport(invocation.results()));
        Report report = log != null ? run.recorded(log) : run.run(groups, shapes, kinds, asked, backends);
        if (html != null) {
            Files.writeString(html, HtmlReport.of(report));
        }
        if (json != null) {
            JsonReport.write(report, json);
        }
        return 0;
    }

    /** A file to write to; said before a quarter of an hour has gone. */
    static @Nullable Path writable(Invocation invocation, String option) {
        Path file = invocation.option(option, Path.class);
        if (file != null) {
            Path folder = file.toAbsolutePath().getParent();
            if (folder == null || !Files.isDirectory(folder)) {
                throw new Failure(option + " " + file + ": there is no folder " + folder);
            }
            if (Files.isDirectory(file) || Files.exists(file) && !Files.isWritable(file)) {
                throw new Failure(option + " " + file + ": cannot be written");
            }
        }
        return file;
    }

    static SequencedMap<String, String> facts(int threads) throws IOException {
        Machine machine = Machine.here();
        Caches caches = Caches.here();
        SequencedMap<String, String> facts = new LinkedHashMap<>();
        facts.put("CPU", machine.cpuModel());
        facts.put(
                "processors",
                Runtime.getRuntime().availableProcessors() + ", " + threads + (threads == 1 ? " thread" : " threads"));
        facts.put("vectors", Backend.cpuVectorBits() + " bits");
        facts.put("caches", "L2 " + (caches.l2() >> 10) + " KB a core, last level " + (caches.last() >> 20) + " MB");
        facts.put("memory", machine.memory() == 0 ? "unknown" : Machine.bytes(machine.memory()));
        facts.put("system", System.getProperty("os.name") + " " + System.getProperty("os.version"));
        facts.put("JDK", System.getProperty("java.runtime.version") + " " + System.getProperty("java.vendor"));
        facts.put("time", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        return facts;
    }
}
