/** The command line of Gatun. */
@SuppressWarnings("module") // dev.gatun.bench is built later
module dev.gatun.cli {
    requires static org.jspecify;
    requires dev.gatun.model;
    requires com.fasterxml.jackson.core;
    requires info.picocli;
    requires java.net.http;
    requires me.tongfei.progressbar;

    // Which has its commands run as the others are.
    exports dev.gatun.cli to
            dev.gatun.bench;

    provides System.LoggerFinder with
            dev.gatun.cli.StderrLoggerFinder;
}
