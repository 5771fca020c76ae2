package dev.gatun.bench;

import org.openjdk.jmh.annotations.Param;

/** One row of activations, weights from memory. */
public class MatVecBenchmark extends OperationBenchmark {
    /** Who computes. */
    @Param({"openblas", "vector", "auto", "netlib-java"})
    public String engine = "";

    /** Names of the catalogue. */
    @Param({"SmolLM2 ffn up 1536x576 f32", "SmolLM2 ffn up 1536x576 bf16", "SmolLM2 vocabulary 49152x576 f32"})
    public String shape = "";

    @Override
    String operation() {
        return shape;
    }

    @Override
    String engine() {
        return engine;
    }
}
