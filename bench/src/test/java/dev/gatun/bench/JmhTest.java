package dev.gatun.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collection;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Every JMH benchmark runs, once, in this JVM. */
class JmhTest {
    private static final String SHAPES = """
        MatMulBenchmark; MiniLM ffn up 1536x384 M 16
        MatVecBenchmark; SmolLM2 ffn up 1536x576 bf16
        AttentionBenchmark; MiniLM dK 32 ctx 128
        SoftmaxBenchmark; softmax GPT-2 scores 1024
        LayerNormBenchmark; layer norm MiniLM 384
        """;

    @ParameterizedTest
    @ValueSource(
            classes = {
                MatMulBenchmark.class,
                MatVecBenchmark.class,
                AttentionBenchmark.class,
                SoftmaxBenchmark.class,
                LayerNormBenchmark.class,
                NativeCallBenchmark.class
            })
    void benchmarkRuns(Class<?> benchmark) throws Exception {
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include(benchmark.getSimpleName())
                .forks(0)
                .warmupIterations(0)
                .measurementIterations(1)
                .measurementTime(TimeValue.milliseconds(1))
                .verbosity(VerboseMode.SILENT)
                .shouldFailOnError(true);
        if (benchmark != NativeCallBenchmark.class) {
            String name = benchmark.getSimpleName() + "; ";
            String shape = SHAPES.lines()
                    .filter(line -> line.startsWith(name))
                    .findFirst()
                    .orElseThrow()
                    .substring(name.length());
            options = options.param("engine", "vector").param("shape", shape);
        }
        Collection<RunResult> results = new Runner(options.build()).run();
        assertThat(results).hasSize(benchmark == NativeCallBenchmark.class ? 8 : 1);
        assertThat(results).allMatch(result -> result.getPrimaryResult().getScore() > 0);
    }
}
