package dev.gatun.cli;

import dev.gatun.model.Translator;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.Decision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun doctor}: what Gatun finds on this computer. Each line is found on its own: one that fails says so. */
final class DoctorCommand implements Command {
    /** CPU features that decide how fast kernels are; of others there are hundreds. */
    private static final List<String> FEATURES = List.of(
            "sse4_2",
            "avx",
            "avx2",
            "fma",
            "f16c",
            "avx512f",
            "avx512bw",
            "avx512_bf16",
            "avx512_vnni",
            "amx_tile",
            "amx_bf16",
            "asimd",
            "asimdhp",
            "bf16",
            "i8mm",
            "sve",
            "sve2");

    private static final String SENTENCE = "two hundred and five";

    private final Machine machine;

    DoctorCommand(Machine machine) {
        this.machine = machine;
    }

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Says what Gatun finds on this computer: JDK, CPU, BLAS, backends, and what is slow and why.")
                .description("Each backend is tried, with --threads and --blas as given.");
        return spec;
    }

    private interface Probe {
        String run() throws IOException;
    }

    /** Adds what is slow here, and why. */
    private interface Suspicion {
        void examine(List<String> slow) throws IOException;
    }

    @Override
    public int run(Invocation invocation) {
        Backend.Options options = CommonOptions.backend(invocation);
        Results results = invocation.results();
        line(
                results,
                "JDK",
                () -> property("java.runtime.version") + " " + property("java.vendor") + ", " + property("java.home"));
        line(results, "JVM", () -> property("java.vm.name") + ", " + property("java.vm.info"));
        line(
                results,
                "system",
                () -> property("os.name") + " " + property("os.version") + " on " + property("os.arch"));
        line(results, "CPU", machine::cpuModel);
        line(results, "CPU features", this::features);
        line(
                results,
                "vectors",
                () -> vectorBits() + " bits"
                        + (vectorBits() == Backend.cpuVectorBits()
                                ? ", the CPU's own"
                                : "; the JVM prefers " + Backend.cpuVectorBits() + " on this CPU"));
        line(
                results,
                "processors",
                () -> Runtime.getRuntime().availableProcessors() + " for this JVM" + ofAll() + ", " + options.threads()
                        + " threads");
        line(results, "memory", this::memory);
        line(results, "native access", DoctorCommand::nativeAccess);
        line(results, "cache folder", DoctorCommand::cacheFolder);
        line(results, "backend auto", () -> backend(options.with(Kind.AUTO)));
        line(results, "  picks", () -> picks(options.with(Kind.AUTO)));
        line(results, "  openblas", () -> backend(options.with(Kind.OPENBLAS)));
        line(results, "  vector", () -> backend(new Backend.Options(Kind.VECTOR, options.threads(), null)));
        line(results, "  machine", () -> backend(new Backend.Options(Kind.MACHINE, options.threads(), null)));
        line(results, "  scalar", () -> backend(new Backend.Options(Kind.SCALAR, options.threads(), null)));
        line(results, "demo model", () -> demo(options.with(Kind.AUTO)));
        slow(options, results);
        return 0;
    }

    private static void line(Results results, String name, Probe probe) {
        String text;
        try {
            text = probe.run();
        } catch (Exception | LinkageError e) { // LinkageError: native libraries, and classes that fail to initialize
            text = "FAILED: "
                    + ErrorLine.of(e instanceof ExceptionInInitializerError && e.getCause() != null ? e.getCause() : e);
        }
        results.line(String.format(Locale.ROOT, "%-14s %s", name, ErrorLine.printable(text)));
        results.flush();
    }

    private static String property(String name) {
        return System.getProperty(name, "unknown");
    }

    private String features() throws IOException {
        Set<String> flags = machine.cpuFlags();
        List<String> found = FEATURES.stream().filter(flags::contains).toList();
        return found.isEmpty() ? "this system does not say" : String.join(" ", found);
    }

    private static int vectorBits() {
        return Backend.layoutVectorBits();
    }

    private String ofAll() throws IOException {
        return machine.processors() == 0 ? "" : " of " + machine.processors();
    }

    private String memory() throws IOException {
        long limit = machine.memoryLimit();
        return (machine.memory() == 0 ? "" : Machine.bytes(machine.memory()) + ", ")
                + (limit == Long.MAX_VALUE ? "no limit by control groups" : "limited to " + Machine.bytes(limit))
                + ", heap at most " + Machine.bytes(Runtime.getRuntime().maxMemory());
    }

    private static boolean mayCallNative() {
        Module self = DoctorCommand.class.getModule();
        Module caller = self.isNamed()
                ? ModuleLayer.boot().findModule("dev.gatun.openblas").orElse(self)
                : self;
        return caller.isNativeAccessEnabled();
    }

    private static String nativeAccess() {
        return mayCallNative()
                ? "enabled"
                : "not enabled: the JVM warns of it; start through ./gatun, or with --enable-native-access";
    }

    private static String cacheFolder() {
        Path folder = Backend.cacheFolder();
        Path there = folder;
        while (there != null && !Files.exists(there)) {
            there = there.getParent();
        }
        return folder
                + (Files.exists(folder) ? "" : ", not there yet")
                + (there != null && Files.isDirectory(there) && Files.isWritable(there) ? "" : ", cannot be written");
    }

    private static String backend(Backend.Options options) {
        try (Backend backend = Backend.open(options)) {
            if (options.kind() == Kind.AUTO) {
                return backend + "; picked: " + backend.reason();
            }
            Backend.BlasInfo blas = backend.blasInfo();
            return blas == null ? "available" : "available: " + describe(blas, options.threads());
        }
    }

    /** What auto has measured on this machine, in this process and earlier ones. */
    private static String picks(Backend.Options options) {
        try (Backend backend = Backend.open(options)) {
            return picks(backend.decisions());
        }
    }

    static String picks(List<Decision> decisions) {
        List<Decision> decided =
                decisions.stream().filter(d -> !d.chosen().equals("undecided")).toList();
        if (decided.isEmpty()) {
            return "none measured on this machine yet";
        }
        long openBlas =
                decided.stream().filter(d -> d.chosen().equals("openblas")).count();
        var text = new StringBuilder(decided.size() + " shapes measured: " + (decided.size() - openBlas)
                + " to kernels of our own, " + openBlas + " to openblas");
        // Where the choice matters most, either way.
        decided.stream()
                .filter(d -> d.openBlasNanos() > 0 && d.vectorNanos() > 0)
                .sorted(Comparator.comparingDouble((Decision d) -> -gain(d)))
                .limit(3)
                .forEach(d -> text.append("; ").append(describe(d)));
        return text.toString();
    }

    private static double gain(Decision d) {
        return Math.abs(Math.log(d.openBlasNanos() / d.vectorNanos()));
    }

    private static String describe(Decision d) {
        String rows = d.mTo() == Integer.MAX_VALUE
                ? d.mFrom() + " or more"
                : d.mFrom() >= d.mTo() ? "" + d.mTo() : d.mFrom() + " to " + d.mTo();
        return String.format(
                Locale.ROOT,
                "%s of %s rows, n %d, k %d: %s, %.1f times as fast",
                d.operation(),
                rows,
                d.n(),
                d.k(),
                d.chosen(),
                Math.exp(gain(d)));
    }

    private static String describe(Backend.BlasInfo blas, int threads) {
        return blas.origin() + ", " + blas.file() + ", built as \""
                + blas.config().strip() + "\", kernels for "
                + blas.coreName() + ", told to use " + threads + " threads and "
                + (blas.threads() == 0 ? "does not say how many it uses" : "uses " + blas.threads());
    }

    private static String demo(Backend.Options options) throws IOException {
        long start = System.nanoTime();
        try (Backend backend = Backend.open(options);
                Translator translator = Translator.openDemo(backend)) {
            long loaded = System.nanoTime();
            String translation = translator.translate(SENTENCE);
            return "\"" + SENTENCE + "\" is " + translation + ", loaded in " + millis(loaded - start)
                    + ", translated in " + millis(System.nanoTime() - loaded);
        }
    }

    private static String millis(long nanos) {
        return nanos / 1_000_000 + " ms";
    }

    private void slow(Backend.Options options, Results results) {
        List<String> slow = new ArrayList<>();
        for (Suspicion suspicion : List.<Suspicion>of(
                DoctorCommand::suspectJvm,
                this::suspectCpu,
                found -> suspectThreads(options, found),
                found -> suspectBlas(options, found))) {
            try {
                suspicion.examine(slow);
            } catch (Exception | LinkageError _) {
                // The line that shows what could not be found has said so.
            }
        }
        slow.add("vector kernels run a hundred times slower until C2 has compiled them, some 2 s into a process; auto"
                + " does not wait for them");
        results.line("slow");
        for (String reason : slow) {
            results.line("  - " + ErrorLine.printable(reason));
        }
    }

    private static void suspectJvm(List<String> slow) {
        String info = property("java.vm.info");
        if (info.contains("interpreted mode")) {
            slow.add("the JVM only interprets (-Xint): everything, by a factor of a hundred");
        } else if (info.contains("emulated-client") || info.contains("compiled mode")) {
            slow.add("the JVM's compilers do not work as usual (" + info
                    + "): vector kernels, by a factor of a hundred");
        }
        if (property("java.vm.version").contains("debug")) {
            slow.add("this is a debug build of the JVM (" + property("java.vm.version") + "): everything");
        }
    }

    private void suspectCpu(List<String> slow) throws IOException {
        Set<String> flags = machine.cpuFlags();
        boolean x86 = Set.of("amd64", "x86_64").contains(property("os.arch"));
        if (x86 && !flags.isEmpty() && !flags.contains("fma")) {
            slow.add("the CPU has no FMA, Java computes it in software: backends vector and scalar, by a factor of a"
                    + " hundred");
        } else if (x86 && !flags.isEmpty() && !flags.contains("avx2")) {
            slow.add("the CPU has no AVX2: vector kernels have half the width");
        }
        if (Backend.cpuVectorBits() < 128) {
            slow.add("this JVM compiles no vector operations: vector kernels, by a factor of a hundred");
        } else if (vectorBits() > Backend.cpuVectorBits()) {
            slow.add("gatun.vector.bits asks for " + vectorBits() + ", this CPU's vectors have "
                    + Backend.cpuVectorBits() + ": vector kernels, by a factor of a hundred");
        } else if (vectorBits() < Backend.cpuVectorBits()) {
            slow.add("gatun.vector.bits asks for " + vectorBits() + " of " + Backend.cpuVectorBits()
                    + " bits: vector kernels have less than the CPU's width");
        }
    }

    private void suspectThreads(Backend.Options options, List<String> slow) throws IOException {
        int processors = Runtime.getRuntime().availableProcessors();
        if (options.threads() > processors) {
            slow.add(options.threads() + " threads on " + processors + " processors: they wait for each other");
        } else if (options.threads() < processors) {
            slow.add(options.threads() + " of " + processors + " processors used, as --threads says");
        }
        if (processors < machine.processors()) {
            slow.add("this JVM may use " + processors + " of " + machine.processors() + " processors");
        }
    }

    private static void suspectBlas(Backend.Options options, List<String> slow) {
        try (Backend backend = Backend.open(options.with(Kind.OPENBLAS))) {
            Backend.BlasInfo blas = backend.blasInfo();
            if (blas != null && blas.threads() != 0 && blas.threads() != options.threads()) {
                slow.add("BLAS uses " + blas.threads() + " threads, not " + options.threads());
            }
        } catch (RuntimeException | LinkageError _) {
            slow.add(
                    "there is no OpenBLAS (see above): the first seconds without machine code, since vector kernels are"
                            + " slow until compiled");
        }
    }
}
