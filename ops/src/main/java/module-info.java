/** The operators of the Transformer over off-heap tensors, and the backends that compute them. */
module dev.gatun.ops {
    requires static transitive org.jspecify;
    requires transitive dev.gatun.memory;
    requires dev.gatun.openblas;
    requires static jdk.incubator.vector;
    requires jdk.jfr;

    exports dev.gatun.ops;
}
