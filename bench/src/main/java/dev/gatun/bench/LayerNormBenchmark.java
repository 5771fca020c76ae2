package dev.gatun.bench;

import org.openjdk.jmh.annotations.Param;

/** Layer norm from memory to memory. */
public class LayerNormBenchmark extends OperationBenchmark {
    /** Who computes. */
    @Param({"vector", "scalar"})
    public String engine = "";

    /** Names of the catalogue. */
    @Param({"layer norm MiniLM 384", "layer norm GPT-2 768"})
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
