package dev.gatun.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.util.function.BooleanSupplier;

/** Starts the command line. */
public final class Main {
    private Main() {}

    /** Runs the command that the arguments name, and ends the JVM with its exit code. */
    public static void main(String[] args) {
        CommandLineRunner.prepare(args);
        System.exit(run(CommandLineRunner.GATUN, args));
    }

    /**
     * Runs one of these commands on the streams of this process.
     *
     * @param args as main has them
     * @return 0 done, 1 a check failed, 2 bad use or bad input
     */
    public static int run(Commands commands, String[] args) {
        // SLF4J comes with the tokenizer's library and complains of having nobody to log to; errors are exceptions
        // anyway.
        System.setProperty("slf4j.internal.verbosity", "ERROR");
        var out = new FileOutputStream(FileDescriptor.out);
        return new CommandLineRunner(commands, System.in, Main::isTerminal, new Results(out), System.err)
                .run(Arguments.asTyped(args));
    }

    /**
     * Runs a command in this JVM, which goes on afterwards.
     *
     * @param in what the command reads; not closed
     * @param inIsTerminal whether somebody would have to type that
     * @param out takes the results as UTF-8; not closed
     * @param err takes all else
     * @return 0 done, 1 a check failed, 2 bad use or bad input
     */
    static int run(String[] args, InputStream in, BooleanSupplier inIsTerminal, OutputStream out, PrintStream err) {
        return new CommandLineRunner(CommandLineRunner.GATUN, in, inIsTerminal, new Results(out), err).run(args);
    }

    @SuppressWarnings("SystemConsoleNull") // it is null where stdin or stdout is no terminal, in JDK 25 again
    private static boolean isTerminal() {
        return System.console() != null && System.console().isTerminal();
    }
}
