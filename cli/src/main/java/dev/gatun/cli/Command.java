package dev.gatun.cli;

import java.io.IOException;
import picocli.CommandLine.Model.CommandSpec;

/**
 * A command of {@code gatun}. It builds its options by picocli's model instead of annotations: reading those took a start twice as
 * long (measured with a CDS archive: 160 ms instead of 80 from main to the command).
 */
interface Command {
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
