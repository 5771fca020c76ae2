/** The command line of Gatun. */
@SuppressWarnings("module") // dev.gatun.bench is built later
module dev.gatun.cli {
    requires static org.jspecify;
    requires dev.gatun.model;
    requires com.fasterxml.jackson.core;
    requires com.fasterxml.jackson.databind;
    requires info.picocli;
    requires java.net.http;
    requires jdk.jfr;
    requires me.tongfei.progressbar;
    requires micrometer.core;
    requires micrometer.registry.prometheus;
    requires org.eclipse.jetty.http;
    requires org.eclipse.jetty.io;
    requires org.eclipse.jetty.server;
    requires org.eclipse.jetty.util;

    // Which has its commands run as the others are.
    exports dev.gatun.cli to
            dev.gatun.bench;

    provides System.LoggerFinder with
            dev.gatun.cli.StderrLoggerFinder;
}
