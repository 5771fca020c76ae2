package dev.gatun.cli;

import dev.gatun.ops.Backend;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** The options that every command has; they may stand before the command's name as well as after it. */
final class CommonOptions {
    /** As many as a backend takes. */
    private static final int MAX_THREADS = 1024;

    private CommonOptions() {}

    static void addTo(CommandSpec spec) {
        spec.addOption(
                option("--threads", "N", Integer.class, "threads that compute, 1 to 1024; default: all processors"));
        spec.addOption(option(
                "--backend",
                "NAME",
                Backend.Kind.class,
                "who computes: openblas, vector, scalar or auto, which is the default and picks one"));
        spec.addOption(option(
                "--blas",
                "PATH",
                Path.class,
                "library with the C interface of BLAS, instead of the OpenBLAS that is inside"));
        spec.addOption(flag("--quiet", "no warnings; errors still say what is wrong"));
        spec.addOption(flag("--debug", "errors show their stack trace"));
        spec.addOption(OptionSpec.builder("-h", "--help")
                .type(boolean.class)
                .usageHelp(true)
                .description("print this help")
                .build());
        spec.addOption(OptionSpec.builder("--version")
                .type(boolean.class)
                .versionHelp(true)
                .description("print the version")
                .build());
    }

    /** An option with a value. */
    static OptionSpec option(String name, String label, Class<?> type, String description) {
        return OptionSpec.builder(name)
                .paramLabel(label)
                .type(type)
                .description(description)
                .build();
    }

    /** An option without a value. */
    static OptionSpec flag(String name, String description) {
        return OptionSpec.builder(name)
                .type(boolean.class)
                .description(description)
                .build();
    }

    /**
     * The backend that is asked for.
     *
     * @throws Failure if the options are out of range or contradict each other
     */
    static Backend.Options backend(Invocation invocation) {
        Backend.Options options = Backend.Options.defaults();
        Integer threads = invocation.option("--threads", Integer.class);
        if (threads != null && (threads < 1 || threads > MAX_THREADS)) {
            throw new Failure("--threads " + threads + ": must be 1 to " + MAX_THREADS);
        }
        Backend.@Nullable Kind asked = invocation.option("--backend", Backend.Kind.class);
        Backend.Kind kind = asked == null ? Backend.Kind.AUTO : asked;
        Path blas = invocation.option("--blas", Path.class);
        if (blas != null && (kind == Backend.Kind.VECTOR || kind == Backend.Kind.SCALAR)) {
            throw new Failure("--blas " + blas + ": backend " + kind + " uses no BLAS; leave out one of the two");
        }
        return new Backend.Options(kind, threads == null ? Math.min(options.threads(), MAX_THREADS) : threads, blas);
    }
}
