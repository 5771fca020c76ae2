/** OpenBLAS, or another CBLAS, through java.lang.foreign: the only module of Gatun that calls native code. */
module dev.gatun.openblas {
    requires static transitive org.jspecify;

    exports dev.gatun.openblas to
            dev.gatun.ops,
            dev.gatun.bench;
}
