package dev.gatun.bench;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** What runs in processes of its own. */
class ProcessTest {
    @Test
    void anEngineAnswersFromItsProcess() {
        try (Engine engine = new EngineProcess(new EngineKind("openblas"), 1)) {
            assertThat(engine.description()).contains("openblas products");
            assertThat(engine.open(Op.parse("linear 2 3 4 F32 1"), 1)).isPositive();
            assertThat(engine.sample(1)).isPositive();
            engine.closeOp();
            assertThat(engine.open(Op.parse("probe FMA 1000000 1"), 1)).isNaN();
            assertThatThrownBy(() -> engine.open(Op.parse("linear 2 3 4 I8 1"), 1))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessageContaining("no numbers of type I8");
            assertThat(engine.open(Op.parse("call SGEMM_CRITICAL"), 1)).isPositive();
        }
    }

    @Test
    void aLibraryThatIsNotThereSaysWhy() {
        EngineKind missing = EngineKind.blas(Path.of("nowhere", "libmissing.so"));
        assertThatThrownBy(() -> new EngineProcess(missing, 1).close())
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("libmissing.so");
    }

    private record Outcome(int code, String out, String err) {
        static Outcome of(String... args) throws IOException, InterruptedException {
            Process process = ChildJvm.of(Main.class, List.of("-XX:TieredStopAtLevel=1"), List.of(args))
                    .start();
            process.getOutputStream().close();
            String out = new String(process.getInputStream().readAllBytes(), UTF_8);
            String err = new String(process.getErrorStream().readAllBytes(), UTF_8);
            return new Outcome(process.waitFor(), out, err.replaceAll("WARNING: Using incubator modules: .*\\R", ""));
        }
    }

    @Test
    void benchMeasuresWhatIsAskedFor() throws Exception {
        Outcome outcome = Outcome.of("bench", "--quick", "--only", "calls", "--backend", "openblas", "--threads", "1");
        assertThat(outcome.err).isEmpty();
        assertThat(outcome.out).contains("read bandwidth", "sgemm 1x1x1 critical", "openblas*");
        assertThat(outcome.code).isZero();
    }

    @Test
    void streamsAreServed() throws Exception {
        String model = Path.of("..", "golden", "spm", "llama-spm.gguf").toString();
        Outcome outcome = Outcome.of(
                "bench",
                "serve",
                "--model",
                model,
                "--streams",
                "3",
                "--seconds",
                "2",
                "--words",
                "2",
                "--tokens",
                "12",
                "--backend",
                "scalar",
                "--threads",
                "2");
        assertThat(outcome.err).isEmpty();
        assertThat(outcome.out).contains("gatun scalar, 1 stream: ", "gatun scalar, 3 streams: ", " 0 errors");
        assertThat(outcome.code).isZero();
    }

    /** The JVM never collects, and has no more heap than half a megabyte for each session. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void sessionsGiveTheirMemoryBackAndNeedNoCollector() throws Exception {
        Process process = ChildJvm.of(
                        Main.class,
                        List.of(
                                "-XX:TieredStopAtLevel=1",
                                "-XX:-UseSerialGC",
                                "-XX:+UnlockExperimentalVMOptions",
                                "-XX:+UseEpsilonGC",
                                "-Xms256m",
                                "-Xmx256m",
                                "-XX:+AlwaysPreTouch"),
                        List.of(
                                "bench",
                                "sessions",
                                "--model",
                                "../golden/models/llama",
                                "--sessions",
                                "500",
                                "--backend",
                                "scalar",
                                "--threads",
                                "1"))
                .start();
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), UTF_8);
        assertThat(process.waitFor()).as(out).isZero();
        assertThat(out).contains("500 sessions: ", " 0 collections", "% of what it was after a tenth");
    }

    @Test
    void badUseIsOneLine() throws Exception {
        for (List<String> wrong : List.of(
                List.of("bench", "--only", "lunch"),
                List.of("bench", "--html", "no/such/folder/report.html"),
                List.of("bench", "--model", "no-such-model"),
                List.of("bench", "decoder"),
                List.of("bench", "seq2seq"),
                List.of("bench", "seq2seq", "--model", "no-such-model"),
                List.of("bench", "seq2seq", "--model", "../golden/models/opus-mt", "--tokens", "1"),
                List.of("bench", "seq2seq", "--model", "../golden/models/opus-mt", "--ctranslate2", "no-such-script"),
                List.of("bench", "sessions"),
                List.of("bench", "sessions", "--model", "no-such-model"),
                List.of("bench", "decoder", "--model", "no-such.gguf"),
                List.of("bench", "decoder", "--model", "no-such.gguf", "--llama-cpp", "no-such-script"),
                List.of("bench", "peer", "lunch"),
                List.of("bench", "encoder", "--only", "lunch"),
                List.of("bench", "peer", "encoder", "--cases", "8x0"),
                List.of("bench", "peer", "attention", "--cases", "h0n0"))) {
            Outcome outcome = Outcome.of(wrong.toArray(String[]::new));
            assertThat(outcome.err).as(wrong.toString()).startsWith("gatun: ").hasLineCount(1);
            assertThat(outcome.out).isEmpty();
            assertThat(outcome.code).isEqualTo(2);
        }
    }

    @Test
    void aPeerPrintsALineForEachCase() throws Exception {
        Outcome outcome = Outcome.of("bench", "peer", "attention", "--threads", "1", "--cases", "h2n16,h1n32");
        assertThat(outcome.err).isEmpty();
        assertThat(outcome.out.lines()).hasSize(2).allMatch(line -> line.startsWith("@@{\"case\":\"h"));
        assertThat(outcome.out).contains("\"h2n16\",\"ms\":[", "\"h1n32\",\"ms\":[");
    }

    @Test
    void theCommandOfEmbeddingsIsItsGroup() throws Exception {
        Outcome outcome = Outcome.of("bench", "encoder", "--help");
        assertThat(outcome.out).contains("--only=GROUP", "gatun bench encoder");
        assertThat(outcome.code).isZero();
    }
}
