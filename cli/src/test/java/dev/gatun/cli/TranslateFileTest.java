package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gatun translate --file}, with the demo model. */
class TranslateFileTest {
    @TempDir
    private Path folder;

    private String file(String name, String... lines) throws IOException {
        return Files.write(folder.resolve(name), List.of(lines)).toString();
    }

    @Test
    void linesKeepTheirOrderHoweverLongTheyAreAndTheRateIsSaid() throws IOException {
        List<String> lines = new ArrayList<>();
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            lines.addAll(
                    List.of("I love you", "", "the first of December, seventeen ninety-eight", "two hundred and five"));
            expected.addAll(List.of("我爱你", "", "一七九八年十二月一日", "二百零五"));
        }
        Outcome outcome = Outcome.of("translate", "--file", file("in.txt", lines.toArray(String[]::new)));
        assertThat(outcome.code()).isZero();
        assertThat(outcome.out().split("\n", -1))
                .startsWith(expected.toArray(String[]::new))
                .hasSize(241);
        assertThat(outcome.err()).contains("240 texts in ").endsWith(" a second" + System.lineSeparator());
    }

    @Test
    void anEmptyFileHasNoLines() throws IOException {
        Outcome outcome = Outcome.of("translate", "--file", file("none.txt"));
        assertThat(outcome.code()).isZero();
        assertThat(outcome.out()).isEmpty();
    }

    @Test
    void fieldsOfJsonLinesAreTexts() throws IOException {
        String file = file("in.jsonl", "{\"id\":1,\"text\":\"I love you\"}", "{\"text\":\"two hundred and five\"}");
        assertThat(Outcome.of("translate", "--file", file).out()).isEqualTo("我爱你\n二百零五\n");
    }

    @Test
    void aLineThatIsTooLongIsNamedAfterTheTranslationsBeforeIt() throws IOException {
        String tooLong = "seven ".repeat(1000);
        Outcome outcome = Outcome.of("translate", "--file", file("in.txt", "I love you", tooLong, "I love you"));
        assertThat(outcome.out()).isEqualTo("我爱你\n");
        assertThat(outcome.err()).contains("in.txt: line 2: text of 6000 characters has ", "takes at most 128");
        assertThat(outcome.code()).isEqualTo(2);
    }

    @Test
    void bytesThatAreNoTextAreNamedByTheirLine() throws IOException {
        Path file = folder.resolve("latin.txt");
        Files.write(file, "I love you\ncaf\u00e9\n".getBytes(StandardCharsets.ISO_8859_1));
        Outcome outcome = Outcome.of("translate", "--file", file.toString());
        assertThat(outcome.err()).contains("latin.txt: line ", "not UTF-8");
        assertThat(outcome.code()).isEqualTo(2);
    }

    @Test
    void aFileThatIsNotThereAndOneBesideATextAreRefused() throws IOException {
        Outcome.of("translate", "--file", folder.resolve("no-such.txt").toString())
                .refusesWith("no-such.txt");
        Outcome.of("translate", "--file", file("in.txt", "one"), "one").refusesWith("TEXT and --file");
    }
}
