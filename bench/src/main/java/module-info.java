/** Benchmarks (JMH) and the end-to-end reports. Nothing depends on it. */
module dev.gatun.bench {
    requires static org.jspecify;
    requires dev.gatun.model;
    requires jmh.core;
}
