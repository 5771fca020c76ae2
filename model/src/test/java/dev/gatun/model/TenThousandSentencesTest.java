package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.gatun.model.generate.BeamSearch.Hypothesis;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/**
 * Many sentences in one run of the demo model, beside each of them alone; in a process of its own, whose heap does not grow, so that
 * what it has resident is what the engine takes.
 */
class TenThousandSentencesTest {
    private static final int SENTENCES = 10_000;

    /** What the JIT compiler may keep; a session that is not given back, or one for each batch, would be far more. */
    private static final long SLACK = 48L << 20;

    @Test
    @EnabledOnOs(OS.LINUX) // which says what is resident
    void areWhatTheyAreAloneAndTakeNoMoreMemoryThanAFew() throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-Xms192m",
                        "-Xmx192m",
                        "-XX:+AlwaysPreTouch",
                        "-cp",
                        System.getProperty("java.class.path"),
                        "--add-modules",
                        "jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        Run.class.getName())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String out;
        try (InputStream in = process.getInputStream()) {
            out = new String(in.readAllBytes(), StandardCharsets.US_ASCII).strip();
        }
        assertThat(process.waitFor()).as(out).isZero();
        System.out.println("resident after a tenth, all together, each alone: " + out);
        String[] resident = out.split(" ", -1);
        assertThat(Long.parseLong(resident[1]) - Long.parseLong(resident[0])).isLessThan(SLACK);
        assertThat(Long.parseLong(resident[2]) - Long.parseLong(resident[0])).isLessThan(SLACK);
    }

    /** What the process does: prints bytes that are resident, or dies of a difference. */
    static final class Run {
        private Run() {}

        public static void main(String[] args) throws IOException {
            ModelFolder folder = ModelFolder.ofResources(Translator.class, "dev/gatun/model/demo/numerals-en-zh");
            try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null));
                    Seq2SeqText text = Seq2SeqText.open(folder, backend)) {
                GenerationConfig greedy = text.model().generation();
                List<int[]> sources = sentences().stream().map(text::tokenize).toList();
                generate(text, sources.subList(0, SENTENCES / 10), greedy);
                generate(text, sources.subList(0, 1), greedy);
                long before = resident();
                List<List<Hypothesis>> together = generate(text, sources, greedy);
                long after = resident();
                compare(text, sources, together, greedy);
                System.out.println(before + " " + after + " " + resident());
                List<int[]> some = sources.subList(0, SENTENCES / 50);
                GenerationConfig beams = greedy.withBeams(3);
                compare(text, some, generate(text, some, beams), beams); // scores, too
            }
        }

        private static List<List<Hypothesis>> generate(Seq2SeqText text, List<int[]> sources, GenerationConfig config) {
            return text.generate(sources, config, Sampling.GREEDY, done -> {});
        }

        private static void compare(
                Seq2SeqText text, List<int[]> sources, List<List<Hypothesis>> together, GenerationConfig config) {
            for (int i = 0; i < sources.size(); i++) {
                List<Hypothesis> alone =
                        generate(text, sources.subList(i, i + 1), config).getFirst();
                assertThat(alone).hasSameSizeAs(together.get(i));
                for (int j = 0; j < alone.size(); j++) {
                    assertThat(alone.get(j).ids())
                            .as("sentence %d", i)
                            .isEqualTo(together.get(i).get(j).ids());
                    assertThat(Float.floatToIntBits(alone.get(j).score()))
                            .as("score of sentence %d", i)
                            .isEqualTo(
                                    Float.floatToIntBits(together.get(i).get(j).score()));
                }
            }
        }

        /** The held-out texts, then each with each of the others in turn. */
        private static List<String> sentences() throws IOException {
            List<String> texts = new ArrayList<>();
            try (InputStream in = TranslatorTest.class.getResourceAsStream("text/held_out.json")) {
                for (JsonNode one : new ObjectMapper().readTree(in).get("cases")) {
                    texts.add(one.get("source").asText());
                }
            }
            int n = texts.size();
            List<String> sentences = new ArrayList<>(texts);
            for (int i = n; i < SENTENCES; i++) {
                sentences.add(texts.get(i % n) + " " + texts.get((i % n + i / n) % n));
            }
            return sentences;
        }

        private static long resident() throws IOException {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmRSS:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
                }
            }
            throw new IOException("/proc/self/status does not say VmRSS");
        }
    }
}
