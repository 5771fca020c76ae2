package dev.gatun.bench;

import org.openjdk.jmh.annotations.Param;

/** Products of activations and packed weights. */
public class MatMulBenchmark extends OperationBenchmark {
    /** Who computes. */
    @Param({"openblas", "vector", "auto", "netlib-java"})
    public String engine = "";

    /** Names of the catalogue. */
    @Param({
        "MiniLM ffn up 1536x384 M 16",
        "MiniLM ffn up 1536x384 M 128",
        "OPUS-MT ffn up 2048x512 M 128",
        "GPT-2 qkv 2304x768 M 128",
        "SmolLM2 ffn down 576x1536 M 128"
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
