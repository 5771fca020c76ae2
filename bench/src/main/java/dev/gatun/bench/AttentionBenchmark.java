package dev.gatun.bench;

import org.openjdk.jmh.annotations.Param;

/** Attention of all heads. */
public class AttentionBenchmark extends OperationBenchmark {
    /** Who computes. */
    @Param({"openblas", "vector", "auto"})
    public String engine = "";

    /** Names of the catalogue. */
    @Param({"MiniLM dK 32 ctx 128", "OPUS-MT dK 64 ctx 128", "GPT-2 dK 64 ctx 1024", "SmolLM2 dK 64 heads 9/3 ctx 2048"
    })
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
