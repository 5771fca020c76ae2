package dev.gatun.cli;

import dev.gatun.memory.MemoryBudget;
import dev.gatun.ops.Backend;
import dev.gatun.ops.ComputeType;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** The options that every command has; they may stand before the command's name as well as after it. */
public final class CommonOptions {
    /** As many as a backend takes. */
    private static final int MAX_THREADS = 1024;

    private static final Pattern BUDGET = Pattern.compile("(\\d{1,18})([kKmMgGtT]?)");

    private CommonOptions() {}

    /** Adds them, but for those that the command has of its own. */
    static void addTo(CommandSpec spec) {
        for (OptionSpec option : common()) {
            if (spec.findOption(option.longestName()) == null) {
                spec.addOption(option);
            }
        }
    }

    private static List<OptionSpec> common() {
        return List.of(
                option("--threads", "N", Integer.class, "threads that compute, 1 to 1024; default: all processors"),
                OptionSpec.builder("--backend")
                        .paramLabel("NAME")
                        .type(Backend.Kind.class)
                        .converters(CommonOptions::kind)
                        .description("who computes: openblas, vector, machine, scalar or auto, which is the default and"
                                + " picks one")
                        .build(),
                OptionSpec.builder("--compute")
                        .paramLabel("TYPE")
                        .type(ComputeType.class)
                        .converters(CommonOptions::compute)
                        .description("what products with weights are computed in: f32, which is the default, or int8")
                        .build(),
                path("--blas", "PATH", "library with the C interface of BLAS, instead of the OpenBLAS that is inside"),
                option(
                        "--budget",
                        "BYTES",
                        String.class,
                        "memory that models and sessions may take, 600m or 2g say; what needs more is refused before"
                                + " it is allocated"),
                flag("--quiet", "no warnings; errors still say what is wrong"),
                flag("--debug", "errors show their stack trace"),
                OptionSpec.builder("-h", "--help")
                        .type(boolean.class)
                        .usageHelp(true)
                        .description("print this help")
                        .build(),
                OptionSpec.builder("--version")
                        .type(boolean.class)
                        .versionHelp(true)
                        .description("print the version")
                        .build());
    }

    /**
     * The budget that is asked for.
     *
     * @throws Failure if it is no number of bytes
     */
    static MemoryBudget budget(Invocation invocation) {
        String text = invocation.option("--budget", String.class);
        if (text == null) {
            return MemoryBudget.unlimited();
        }
        Matcher matcher = BUDGET.matcher(text);
        if (!matcher.matches()) {
            throw new Failure("--budget " + text + ": must be a number of bytes, or one with k, m, g or t behind it");
        }
        int shift = 10 * (1 + "kmgt".indexOf(matcher.group(2).toLowerCase(Locale.ROOT)));
        long number = Long.parseLong(matcher.group(1));
        if (matcher.group(2).isEmpty()) {
            shift = 0;
        }
        if (number > Long.MAX_VALUE >> shift) {
            throw new Failure("--budget " + text + ": no computer has that");
        }
        return MemoryBudget.of(number << shift);
    }

    /** A backend by its name. */
    public static Backend.Kind kind(String name) {
        for (Backend.Kind kind : Backend.Kind.values()) {
            if (kind.toString().equals(name)) {
                return kind;
            }
        }
        throw new CommandLine.TypeConversionException(
                "'" + name + "' is none of openblas, vector, machine, scalar, auto");
    }

    /** The compute type that is asked for, or floats. */
    public static ComputeType compute(Invocation invocation) {
        ComputeType asked = invocation.option("--compute", ComputeType.class);
        return asked == null ? ComputeType.F32 : asked;
    }

    /** A compute type by its name. */
    public static ComputeType compute(String name) {
        for (ComputeType type : ComputeType.values()) {
            if (type.toString().equals(name)) {
                return type;
            }
        }
        throw new CommandLine.TypeConversionException("'" + name + "' is none of f32, int8");
    }

    /** An option with a value. */
    public static OptionSpec option(String name, String label, Class<?> type, String description) {
        return OptionSpec.builder(name)
                .paramLabel(label)
                .type(type)
                .description(description)
                .build();
    }

    /** An option with a path. */
    public static OptionSpec path(String name, String label, String description) {
        return OptionSpec.builder(name)
                .paramLabel(label)
                .type(Path.class)
                .converters(CommonOptions::toPath)
                .description(description)
                .build();
    }

    /** A path, where a command needs one. */
    public static PositionalParamSpec path(String label, String description) {
        return PositionalParamSpec.builder()
                .paramLabel(label)
                .required(true)
                .type(Path.class)
                .converters(CommonOptions::toPath)
                .description(description)
                .build();
    }

    private static Path toPath(String path) {
        try {
            return Path.of(path);
        } catch (InvalidPathException e) {
            throw new CommandLine.TypeConversionException(
                    "the JVM cannot have a file of that name, as it takes names for "
                            + System.getProperty("sun.jnu.encoding") + " (" + e.getReason()
                            + "); on Linux set LC_ALL=C.UTF-8");
        }
    }

    /** An option without a value. */
    public static OptionSpec flag(String name, String description) {
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
        int threads = threads(invocation);
        Backend.@Nullable Kind asked = invocation.option("--backend", Backend.Kind.class);
        Backend.Kind kind = asked == null ? Backend.Kind.AUTO : asked;
        Path blas = invocation.option("--blas", Path.class);
        if (blas != null && (kind == Backend.Kind.VECTOR || kind == Backend.Kind.SCALAR)) {
            throw new Failure("--blas " + blas + ": backend " + kind + " uses no BLAS; leave out one of the two");
        }
        ComputeType compute = compute(invocation);
        if (kind == Backend.Kind.OPENBLAS && compute != ComputeType.F32) {
            throw new Failure("--compute " + compute
                    + ": backend openblas multiplies floats only; ask for auto, machine," + " vector or scalar");
        }
        return new Backend.Options(kind, threads, blas, budget(invocation), compute);
    }

    /**
     * A number that is asked for, {@code fallback} where none is.
     *
     * @throws Failure if it is less than 1
     */
    public static int number(Invocation invocation, String name, int fallback) {
        Integer value = invocation.option(name, Integer.class);
        if (value != null && value < 1) {
            throw new Failure(name + " " + value + ": must be at least 1");
        }
        return value == null ? fallback : value;
    }

    /**
     * Threads that are asked for; all processors where none are.
     *
     * @throws Failure if they are out of range
     */
    public static int threads(Invocation invocation) {
        Integer threads = invocation.option("--threads", Integer.class);
        if (threads != null && (threads < 1 || threads > MAX_THREADS)) {
            throw new Failure("--threads " + threads + ": must be 1 to " + MAX_THREADS);
        }
        return threads == null ? Math.min(Backend.Options.defaults().threads(), MAX_THREADS) : threads;
    }
}
