/** Benchmarks (JMH) and the report of the machine's limits. Nothing depends on it. */
module dev.gatun.bench {
    requires static org.jspecify;
    requires dev.gatun.cli;
    requires dev.gatun.model;
    requires dev.gatun.openblas;
    requires com.fasterxml.jackson.core;
    requires com.microsoft.onnxruntime;
    requires dev.ludovic.netlib.blas;
    requires info.picocli;
    requires java.logging; // for netlib, which logs through it: an automatic module cannot say so
    requires java.management;
    requires java.net.http;
    requires static jdk.incubator.vector;
    requires jdk.jfr;
    requires jmh.core;
}
