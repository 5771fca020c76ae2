package dev.gatun.bench;

import org.openjdk.jmh.annotations.Param;

/** Softmax from memory to memory. */
public class SoftmaxBenchmark extends OperationBenchmark {
    /** Who computes. */
    @Param({"vector", "scalar"})
    public String engine = "";

    /** Names of the catalogue. */
    @Param({"softmax GPT-2 scores 1024", "softmax SmolLM2 vocabulary 49152"})
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
