package dev.gatun.cli;

import java.io.IOException;
import picocli.CommandLine.Model.CommandSpec;

/**
 * A command of {@code gatun}. It declares its options in picocli's model and not by annotations: with those, a start took twice as
 * long from main to the command (picocli 4.7.7 on JDK 25, classes from a CDS archive), most of it to make proxies of annotations.
 */
public interface Command {
    /** Its options and parameters beside those that all commands have, with their help. */
    CommandSpec spec();

    /**
     * Does it.
     *
     * @return 0 done, 1 a check failed
     * @throws IOException if a file cannot be read or written
     * @throws Failure if the options or the input are wrong
     */
    int run(Invocation invocation) throws IOException;
}
