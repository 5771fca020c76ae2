package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A tiny Llama as a GGUF file, against what llama.cpp wrote with it (golden/spm). */
class GenerateCommandTest {
    private static final String MODEL = "../golden/spm/llama-spm.gguf";

    private static String[] generate(String... more) {
        String[] args = {"generate", "--backend", "vector", "--threads", "1", "--model", MODEL, "--max-tokens", "24"};
        String[] all = Arrays.copyOf(args, args.length + more.length);
        System.arraycopy(more, 0, all, args.length, more.length);
        return all;
    }

    private static JsonConfig golden() throws IOException {
        return JsonConfig.read(ModelFolder.of(Path.of("../golden/spm")), "expected.json")
                .objects("greedy")
                .getFirst();
    }

    @Test
    void theTextGoesToStdoutAndTheSpeedToStderr() {
        Outcome outcome = Outcome.of(generate("--prompt", "The vocabulary"));
        assertThat(outcome.code()).isZero();
        assertThat(outcome.out()).hasSizeGreaterThan(5).endsWith("\n");
        assertThat(outcome.err())
                .matches("\\d+ tokens read in \\d+\\.\\d\\d s \\([\\d.]+ a second\\), 23 written in \\d+\\.\\d\\d s"
                        + " \\([\\d.]+ a second\\)\\R");
        assertThat(Outcome.of(generate("--quiet", "--prompt", "The vocabulary"))
                        .isDone()
                        .out())
                .isEqualTo(outcome.out());
        assertThat(Outcome.withInput("The vocabulary", generate("--quiet"))
                        .isDone()
                        .out())
                .isEqualTo(outcome.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"openblas", "vector", "scalar", "auto"})
    void eachBackendWritesTheTokensOfTheReference(String backend) throws IOException {
        JsonConfig golden = golden();
        String[] args = generate("--quiet", "--json", "--prompt", golden.requireString("prompt"));
        args[2] = backend;
        String ids = golden.ints("greedy", 0, 399).stream().map(String::valueOf).collect(Collectors.joining(","));
        assertThat(Outcome.of(args).isDone().out()).contains("\"ids\":[" + ids + "]", "\"end\":\"length\"");
    }

    @Test
    void jsonIsOneObject(@TempDir Path folder) throws IOException {
        Outcome outcome = Outcome.of(
                "generate",
                "--quiet",
                "--json",
                "--model",
                MODEL,
                "--prompt",
                "The \"vocabulary\"",
                "--max-tokens",
                "2");
        Files.writeString(folder.resolve("o.json"), outcome.isDone().out());
        JsonConfig json = JsonConfig.read(ModelFolder.of(folder), "o.json");
        assertThat(json.requireString("prompt")).isEqualTo("The \"vocabulary\"");
        assertThat(json.ints("ids", 0, 399)).hasSize(2);
        assertThat(json.doubles("logprobs", -100, 0)).hasSize(2);
        assertThat(json.requireInt("prompt_tokens", 1, 100)).isGreaterThan(3);
        assertThat(json.keys())
                .containsExactly(
                        "prompt",
                        "text",
                        "ids",
                        "logprobs",
                        "end",
                        "prompt_tokens",
                        "first_token_seconds",
                        "decode_seconds");
    }

    @Test
    void aSeedDecidesWhatIsDrawn() {
        String[] drawn = {"--quiet", "--prompt", "The", "--temperature", "1.5", "--top-k", "50", "--top-p", "0.9"};
        String first = Outcome.of(generate(with(drawn, "--seed", "3"))).isDone().out();
        assertThat(Outcome.of(generate(with(drawn, "--seed", "3"))).isDone().out())
                .isEqualTo(first);
        assertThat(Outcome.of(generate(with(drawn, "--seed", "4"))).isDone().out())
                .isNotEqualTo(first);
    }

    private static String[] with(String[] args, String... more) {
        String[] all = Arrays.copyOf(args, args.length + more.length);
        System.arraycopy(more, 0, all, args.length, more.length);
        return all;
    }

    @Test
    void aStopTextEndsTheTextBeforeIt() {
        String whole = Outcome.of(generate("--quiet", "--prompt", "random weights of"))
                .isDone()
                .out();
        String stop = whole.substring(8, 10);
        String cut = Outcome.of(generate("--quiet", "--prompt", "random weights of", "--stop", stop, "--stop", "zzz"))
                .isDone()
                .out();
        assertThat(cut).isEqualTo(whole.substring(0, whole.indexOf(stop)) + "\n");
    }

    @Test
    void guessingAheadChangesNothing() {
        String[] prompt = {"--quiet", "--prompt", "page page page page page"};
        assertThat(Outcome.of(generate(with(prompt, "--lookup", "4"))).isDone().out())
                .isEqualTo(Outcome.of(generate(prompt)).isDone().out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"bf16", "q8_0", "Q4_0"})
    void weightsAreQuantisedAsTheyAreLoaded(String format) {
        Outcome outcome = Outcome.of(generate("--quiet", "--weights", format, "--prompt", "The vocabulary"));
        assertThat(outcome.isDone().out()).hasSizeGreaterThan(5);
        String[] scalar = generate("--quiet", "--weights", format, "--prompt", "The vocabulary");
        scalar[2] = "scalar";
        assertThat(Outcome.of(scalar).isDone().out()).isEqualTo(outcome.out());
    }

    @ParameterizedTest
    @CsvSource({
        "--weights, q2, 'is none of [bf16, q4_0, q8_0]'",
        "--max-tokens, 0, maxTokens",
        "--temperature, -1, temperature",
        "--top-p, 2, top",
        "--top-k, -1, top",
        "--min-p, 7, min",
        "--repetition-penalty, 0, repetitionPenalty",
        "--lookup, -1, lookup",
        "--seed, x, 'is not a long'"
    })
    void aSettingOutOfRangeIsAnErrorThatNamesIt(String option, String value, String rule) {
        Outcome.of("generate", "--model", "no-such.gguf", "--prompt", "x", option, value)
                .refusesWith(rule);
    }

    @Test
    void badUseIsOneLine() {
        Outcome.of("generate", "--prompt", "x").refusesWith("no model", "--model");
        Outcome.atTerminal("generate", "--model", MODEL).refusesWith("no --prompt");
        Outcome.of("generate", "--model", "no-such.gguf", "--prompt", "x").refusesWith("no-such.gguf");
        Outcome.of("generate", "--model", "../golden/gguf/llama.gguf", "--prompt", "x")
                .refusesWith("../golden/gguf/llama.gguf: metadata tokenizer.ggml.model is missing");
        Outcome.of("generate", "--model", "../golden/models/llama", "--prompt", "x")
                .refusesWith("tokenizer.json", "no such file");
        Outcome.of("generate", "--model", MODEL, "--prompt", "page ".repeat(400))
                .refusesWith("the model has 256 positions");
        Outcome.of("generate", "--model", MODEL, "--prompt", "\ud83d").refusesWith("lone surrogate");
    }

    @Test
    void weightsThatAreNotNumbersAreOneLine(@TempDir Path folder) throws IOException {
        byte[] bytes = Files.readAllBytes(Path.of(MODEL));
        for (int at = bytes.length - 4 * 2000; at < bytes.length; at += 4) {
            bytes[at + 2] = (byte) 0xC0; // NaN: all bits of the exponent and one more
            bytes[at + 3] = 0x7F;
        }
        Path file = folder.resolve("nan.gguf");
        Files.write(file, bytes);
        for (List<String> more : List.of(List.<String>of(), List.of("--temperature", "1"), List.of("--lookup", "3"))) {
            String[] args = with(generate("--prompt", "The vocabulary"), more.toArray(String[]::new));
            args[6] = file.toString();
            Outcome.of(args).refusesWith("after 0 tokens the model gives no finite logit", "NaN");
        }
    }
}
