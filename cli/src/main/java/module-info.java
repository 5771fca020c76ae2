/** The command line of Gatun. */
module dev.gatun.cli {
    requires static org.jspecify;
    requires dev.gatun.model;
    requires com.fasterxml.jackson.core;
    requires info.picocli;
    requires me.tongfei.progressbar;

    provides System.LoggerFinder with
            dev.gatun.cli.StderrLoggerFinder;
}
