package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gatun summarise} with the BART of golden/models, whose words are called w and their id: source and target of its case "single". */
class SummariseCommandTest {
    private static final Path GOLDEN = Path.of("../golden/models/bart");
    private static final String SOURCE = "w6 w18 w95 w33 w68 w77 w39 w49 w86";
    private static final String GREEDY = "w81 w63 w46 w67 w84 w23 w23";
    private static final String BEAM = "w81 w63 w46 w67 w97 w25 w6 w15";

    @TempDir
    private Path folder;

    @BeforeEach
    void addATokenizer() throws IOException {
        for (String file : new String[] {"config.json", "generation_config.json", "model.safetensors"}) {
            Files.copy(GOLDEN.resolve(file), folder.resolve(file));
        }
        String words =
                IntStream.range(4, 120).mapToObj(id -> "\"w" + id + "\":" + id).collect(Collectors.joining(","));
        String special = added("<s>", "<pad>", "</s>", "<unk>");
        Files.writeString(folder.resolve("tokenizer.json"), """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[%s],"normalizer":null,
             "pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,
             "model":{"type":"WordLevel","vocab":{"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,%s},"unk_token":"<unk>"}}
            """.formatted(special, words));
    }

    private static String added(String... tokens) {
        return IntStream.range(0, tokens.length)
                .mapToObj(id -> "{\"id\":" + id + ",\"content\":\"" + tokens[id]
                        + "\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
                        + "\"special\":true}")
                .collect(Collectors.joining(","));
    }

    private Outcome summarise(String input, String... args) {
        String[] all = IntStream.range(0, args.length + 3)
                .mapToObj(i -> i == 0 ? "summarise" : i == 1 ? "--model" : i == 2 ? folder.toString() : args[i - 3])
                .toArray(String[]::new);
        return Outcome.withInput(input, all);
    }

    @Test
    void aTextHasTheSummaryOfTheReference() {
        assertThat(summarise("", SOURCE).isDone().out()).isEqualTo(GREEDY + "\n");
        assertThat(summarise("", "--beams", "4", "--max-tokens", "12", SOURCE)
                        .isDone()
                        .out())
                .isEqualTo(BEAM + "\n");
    }

    @Test
    void stdinOrAFileIsOneTextWhateverItsLines() throws IOException {
        String lines = SOURCE.replace(" w68", "\nw68") + "\n";
        assertThat(summarise(lines).isDone().out()).isEqualTo(GREEDY + "\n");
        Path file = Files.writeString(folder.resolve("text.txt"), lines);
        assertThat(summarise("", "--file", file.toString()).isDone().out()).isEqualTo(GREEDY + "\n");
    }

    @Test
    void severalTextsAreOneAfterAnotherAndABlankOneHasNoSummary() {
        assertThat(summarise("", SOURCE, " ", SOURCE).isDone().out()).isEqualTo(GREEDY + "\n\n" + GREEDY + "\n");
    }

    @Test
    void aTextThatIsTooLongIsSummarisedInPassagesOfSentences() {
        String sentence = "w7 ".repeat(39) + "w8? ";
        assertThat(summarise("", sentence + sentence).isDone().lines()).hasSize(2);
        summarise("", "w7 ".repeat(65)).refusesWith("has 65 tokens, the model takes at most 64");
    }

    @Test
    void badUseIsNamed() throws IOException {
        summarise("", "--file", folder.resolve("no-such.txt").toString()).refusesWith("no-such.txt");
        summarise("", "--beams", "10000", "a text").refusesWith("--beams", "must be 1 to 256");
        Path latin = Files.write(folder.resolve("latin.txt"), new byte[] {'a', (byte) 0xe9, 'b'});
        summarise("", "--file", latin.toString()).refusesWith("latin.txt: not UTF-8");
        Outcome.of("summarise", "a text").refusesWith("--model");
        Outcome.of("summarise", "--model", GOLDEN.toString(), "a text").refusesWith("no such file");
    }
}
