/** The command line of Gatun. */
module dev.gatun.cli {
    requires static org.jspecify;
    requires dev.gatun.model;
    requires com.fasterxml.jackson.core;
    requires info.picocli;
    // The tokenizer's library logs to it; being no module of its own, it cannot require it.
    requires org.slf4j;

    provides System.LoggerFinder with
            dev.gatun.cli.StderrLoggerFinder;
}
