package dev.gatun.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The translations are those of the reference, in the demo model's held-out cases. */
class TranslateCommandTest {
    private static final Path GOLDEN = Path.of("../golden/models/marian");

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        two hundred and five | 二百零五
        I love you | 我爱你
        the first of December, seventeen ninety-eight | 一七九八年十二月一日
        """)
    void theDemoModelTranslatesGreedilyAndWithBeams(String text, String translation) {
        assertThat(Outcome.of("translate", text).isDone().out()).isEqualTo(translation + "\n");
        assertThat(Outcome.of("translate", "--beams", "4", text).isDone().out()).isEqualTo(translation + "\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"openblas", "vector", "scalar", "auto"})
    void eachBackendTranslates(String backend) {
        assertThat(Outcome.of("translate", "--backend", backend, "--threads", "2", "two hundred and five")
                        .isDone()
                        .out())
                .isEqualTo("二百零五\n");
    }

    @Test
    void eachTextHasALineAndAnEmptyOneAnEmptyLine() {
        assertThat(Outcome.of("translate", "I love you", "", " \t", "two hundred and five")
                        .isDone()
                        .out())
                .isEqualTo("我爱你\n\n\n二百零五\n");
    }

    @Test
    void aLineBreakInATextIsASpace() {
        assertThat(Outcome.of("translate", "I love\nyou\r\n").isDone().out()).isEqualTo("我爱你\n");
    }

    @Test
    void withoutTextLinesAreReadFromStdin() {
        assertThat(Outcome.withInput("I love you\r\n\ntwo hundred and five", "translate")
                        .isDone()
                        .out())
                .isEqualTo("我爱你\n\n二百零五\n");
        assertThat(Outcome.withInput("", "translate").isDone().out()).isEmpty();
    }

    @Test
    void moreLinesThanABatchKeepTheirOrder() {
        String input = "I love you\n".repeat(20) + "two hundred and five\n" + "I love you\n".repeat(20);
        assertThat(Outcome.withInput(input, "translate").isDone().out())
                .isEqualTo("我爱你\n".repeat(20) + "二百零五\n" + "我爱你\n".repeat(20));
    }

    @Test
    void aLineIsTranslatedBeforeTheNextOneIsThere() throws IOException {
        var toUs = new PipedInputStream();
        var toIt = new PipedInputStream();
        try (var us = new PipedOutputStream(toIt);
                var it = new PipedOutputStream(toUs)) {
            String[] args = {"translate"};
            Thread command = Thread.ofPlatform()
                    .start(() -> Main.run(args, toIt, () -> false, it, new PrintStream(new ByteArrayOutputStream())));
            for (String line : List.of("I love you\n", "two hundred and five\n")) {
                us.write(line.getBytes(UTF_8));
                us.flush();
                // Waits for the whole character; without an answer there would be none, ever.
                assertThat(new String(toUs.readNBytes(line.startsWith("I") ? 10 : 13), UTF_8))
                        .isEqualTo(line.startsWith("I") ? "我爱你\n" : "二百零五\n");
            }
            assertThat(command.isAlive()).isTrue();
        }
    }

    @Test
    void atATerminalATextIsNeeded() {
        Outcome.atTerminal("translate").refusesWith("translate: no TEXT");
        assertThat(Outcome.atTerminal("translate", "I love you").isDone().out()).isEqualTo("我爱你\n");
    }

    @Test
    void aTextThatIsTooLongIsAnErrorThatSaysWhichAfterThoseBeforeIt() {
        String tooLong = String.join(" ", Collections.nCopies(100_000, "seven"));
        Outcome.of("translate", tooLong).refusesWith("gatun: text of 599999 characters has ", "takes at most 128");

        Outcome.of("translate", "x".repeat(5_000_000)).refusesWith("5000000");

        Outcome second = Outcome.of("translate", "I love you", tooLong, "I love you");
        assertThat(second.out()).isEqualTo("我爱你\n");
        assertThat(second.err()).startsWith("gatun: TEXT 2: text of 599999 characters has ");
        assertThat(second.code()).isEqualTo(2);

        Outcome line = Outcome.withInput("I love you\n".repeat(18) + tooLong, "translate");
        assertThat(line.out()).isEqualTo("我爱你\n".repeat(18));
        assertThat(line.err()).startsWith("gatun: line 19: text of 599999 characters has ");
        assertThat(line.code()).isEqualTo(2);
    }

    @Test
    void textThatIsNoUnicodeIsNoCrash() {
        assertThat(Outcome.of("translate", "I love \ud83d you", "\udc00")
                        .isDone()
                        .lines())
                .hasSize(2);
        var out = new ByteArrayOutputStream();
        InputStream malformed = new java.io.ByteArrayInputStream(new byte[] {'I', (byte) 0xff, (byte) 0xc3, '\n', 'x'});
        assertThat(Main.run(new String[] {"translate"}, malformed, () -> false, out, System.err))
                .isZero();
        assertThat(out.toString(UTF_8).lines()).hasSize(2);
    }

    @Test
    void aTextMayStartWithAnAtSignOrAfterTwoDashesWithADash() {
        assertThat(Outcome.of("translate", "@../pom.xml").isDone().lines()).hasSize(1);
        assertThat(Outcome.of("translate", "--", "--beams").isDone().lines()).hasSize(1);
        Outcome.of("translate", "--beam").refusesWith("unknown option: '--beam'", "goes after --");
    }

    @ParameterizedTest
    @CsvSource({
        "--beams, 0, must be 1 to 256",
        "--beams, 257, must be 1 to 256",
        "--max-tokens, 0, must be at least 1",
        "--max-tokens, -3, must be at least 1",
        "--length-penalty, NaN, must be a finite number",
        "--length-penalty, Infinity, must be a finite number",
        "--beams, many, 'many' is not an int"
    })
    void aSettingOutOfRangeIsAnErrorThatNamesIt(String option, String value, String rule) {
        Outcome.of("translate", option, value, "a text").refusesWith(option, value, rule);
    }

    @Test
    void maxTokensEndsATranslation() {
        String part = Outcome.of("translate", "--max-tokens", "3", "two hundred and five")
                .isDone()
                .out()
                .strip();
        assertThat("二百零五").startsWith(part).hasSizeGreaterThan(part.length());
        assertThat(part).isNotEmpty();
    }

    @Test
    void aMissingFolderIsAnError() {
        Outcome.of("translate", "--model", "no-such-folder", "a text")
                .refusesWith("no-such-folder: no such model folder");
    }

    @Test
    void aFileForAFolderIsAnError() {
        String file = GOLDEN.resolve("config.json").toString();
        Outcome.of("translate", "--model", file, "a text").refusesWith(file + ": not a folder");
    }

    @Test
    void aFolderWithoutConfigIsAnError(@TempDir Path folder) {
        Outcome.of("translate", "--model", folder.toString(), "a text")
                .refusesWith(folder.resolve("config.json") + ": no such file");
    }

    @Test
    void aFolderWithoutTokenizerIsAnError() {
        Outcome.of("translate", "--model", GOLDEN.toString(), "a text").refusesWith("vocab.json: no such file");
    }

    @Test
    void aTruncatedModelIsAnErrorThatNamesTheFile(@TempDir Path folder) throws IOException {
        Files.copy(GOLDEN.resolve("config.json"), folder.resolve("config.json"));
        byte[] whole = Files.readAllBytes(GOLDEN.resolve("model.safetensors"));
        Path truncated = folder.resolve("model.safetensors");
        Files.write(truncated, java.util.Arrays.copyOf(whole, whole.length - 1));
        Outcome.of("translate", "--model", folder.toString(), "a text").refusesWith(truncated.toString());
    }
}
