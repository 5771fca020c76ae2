package dev.gatun.cli;

import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.util.List;
import java.util.function.BooleanSupplier;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Finds the command that the arguments name, runs it, and turns whatever it throws into one line and an exit code. */
final class CommandLineRunner {
    /** Bad use, bad input, or an error of ours. */
    private static final int FAILED = 2;

    private static final List<String> COMMANDS = List.of(
            "translate",
            "summarise",
            "transcribe",
            "generate",
            "chat",
            "embed",
            "similarity",
            "rerank",
            "classify",
            "fill-mask",
            "answer",
            "serve",
            "verify",
            "inspect",
            "plan",
            "pack",
            "doctor");

    /** Those that may do without a backend, or open all of them. */
    private static final List<String> OF_NO_BACKEND = List.of("verify", "inspect", "plan", "pack", "doctor");

    /** The commands of {@code gatun} itself. */
    static final Commands GATUN = new Commands("gatun", COMMANDS, CommandLineRunner::command);

    private final Commands commands;
    private final InputStream in;
    private final BooleanSupplier inIsTerminal;
    private final Results results;
    private final PrintStream err;

    CommandLineRunner(
            Commands commands, InputStream in, BooleanSupplier inIsTerminal, Results results, PrintStream err) {
        this.commands = commands;
        this.in = in;
        this.inIsTerminal = inIsTerminal;
        this.results = results;
        this.err = err;
    }

    /** Begins, on a thread of its own, with what these arguments will make the JVM wait for, before they have been parsed. */
    static void prepare(String[] args) {
        boolean computes = args.length > 1 && COMMANDS.contains(args[0]) && !OF_NO_BACKEND.contains(args[0]);
        if (computes && Runtime.getRuntime().availableProcessors() > 1) {
            Thread.ofPlatform().name("gatun-prepare").daemon().start(Backend::prepare);
        }
    }

    /** Runs and returns the exit code; throws nothing. */
    int run(String[] args) {
        int code;
        try {
            code = parseAndRun(args);
            results.flush();
        } catch (ParameterException e) {
            code = badUse(e);
        } catch (Throwable e) { // also errors, as of memory that ran out
            code = FAILED;
            err.println("gatun: " + ErrorLine.of(e));
            if (List.of(args).contains("--debug")) {
                e.printStackTrace(err);
            }
        }
        return code;
    }

    private int parseAndRun(String[] args) throws IOException {
        CommandLine line = commandLine(args);
        ParseResult parsed = line.parseArgs(args);
        Integer help = CommandLine.executeHelpRequest(parsed);
        if (help != null) {
            return help;
        }
        if (!parsed.hasSubcommand()) {
            throw new ParameterException(line, "no command, there are " + String.join(", ", commands.names()));
        }
        ParseResult own = parsed.subcommand();
        boolean quiet = parsed.hasMatchedOption("--quiet") || own.hasMatchedOption("--quiet");
        PrintStream log = quiet ? new PrintStream(OutputStream.nullOutputStream()) : err;
        var invocation = new Invocation(parsed, own, in, inIsTerminal, results, log);
        Command command = (Command) own.commandSpec().userObject();
        return ScopedValue.where(StderrLoggerFinder.SINK, log).call(() -> command.run(invocation));
    }

    private CommandLine commandLine(String[] args) {
        CommandSpec root = complete(CommandSpec.create().name(commands.program()));
        root.usageMessage()
                .header("The Transformer inside the JVM.")
                .customSynopsis(commands.program() + " COMMAND [OPTIONS]")
                .footer("Each command has its own --help. Exit code: 0 done, 1 a check failed, 2 bad use or bad"
                        + " input. gatun bench, which measures this computer, is a program of its own.");
        // Only what is needed, where that can be seen: a start is waiting.
        boolean named = args.length > 0 && commands.names().contains(args[0]);
        for (String name : named ? List.of(args[0]) : commands.names()) {
            root.addSubcommand(name, complete(commands.byName().apply(name).spec()));
        }
        return new CommandLine(root)
                .setOut(results.printer())
                .setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF))
                .setExpandAtFiles(false); // a text may start with @
    }

    /** With what all commands have. */
    private static CommandSpec complete(CommandSpec spec) {
        CommonOptions.addTo(spec);
        spec.versionProvider(CommandLineRunner::version);
        spec.usageMessage().sortOptions(false).width(100);
        return spec;
    }

    private static Command command(String name) {
        return switch (name) {
            case "translate" -> new TranslateCommand();
            case "summarise" -> new SummariseCommand();
            case "transcribe" -> new TranscribeCommand();
            case "generate" -> new GenerateCommand();
            case "chat" -> new ChatCommand();
            case "embed" -> new EmbedCommand();
            case "similarity" -> new SimilarityCommand();
            case "rerank" -> new RerankCommand();
            case "classify" -> new ClassifyCommand();
            case "fill-mask" -> new FillMaskCommand();
            case "answer" -> new AnswerCommand();
            case "serve" -> new ServeCommand();
            case "verify" -> new VerifyCommand();
            case "inspect" -> new InspectCommand();
            case "plan" -> new PlanCommand();
            case "pack" -> new PackCommand();
            case "doctor" -> new DoctorCommand(Machine.here());
            default -> throw new IllegalArgumentException("no command " + name);
        };
    }

    private int badUse(ParameterException e) {
        CommandSpec spec = e.getCommandLine().getCommandSpec();
        String message = String.valueOf(e.getMessage());
        if (e instanceof UnmatchedArgumentException unmatched) {
            if (unmatched.isUnknownOption()) {
                message += " (a text that starts with a dash goes after --)";
            } else if (spec.parent() == null) {
                message = "no command " + unmatched.getUnmatched().getFirst() + ", there are "
                        + String.join(", ", commands.names());
            }
        }
        // picocli writes sentences, this is the middle of one.
        message = Character.toLowerCase(message.charAt(0)) + message.substring(1);
        err.println("gatun: " + ErrorLine.printable(message) + "; see " + spec.qualifiedName() + " --help");
        return FAILED;
    }

    private static String[] version() {
        // The jar's, in either place: where it is a module, and where it is on the class path.
        Class<?> main = Main.class;
        String version = main.getModule().isNamed()
                ? main.getModule().getDescriptor().rawVersion().orElse("")
                : main.getPackage().getImplementationVersion();
        return new String[] {"gatun " + (version == null || version.isEmpty() ? "of no version" : version)};
    }
}
