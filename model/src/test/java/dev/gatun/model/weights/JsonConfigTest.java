package dev.gatun.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonConfigTest {
    @TempDir
    private Path folder;

    private JsonConfig read(String json) throws IOException {
        Files.writeString(folder.resolve("config.json"), json.replace('\'', '"'));
        return JsonConfig.read(ModelFolder.of(folder), "config.json");
    }

    private void refused(ThrowingCallable call, String... message) {
        assertThatThrownBy(call)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(folder.resolve("config.json") + ": ")
                .satisfies(e -> assertThat(e.getMessage())
                        .satisfies(text -> assertThat(message)
                                .allSatisfy(part -> assertThat(text).contains(part)))
                        .hasSizeLessThan(2000));
    }

    @Test
    void givesWhatIsThereByKeyTypeAndRange() throws IOException {
        JsonConfig config = read("""
            {'d_model': 64, 'eps': 1e-5, 'whole': 2, 'scale': true, 'act': 'relu', 'gone': null, 'deep': {'x': {'y': 3}},
             'eos': 0, 'stops': [1, 2], 'bad': [[248], [3, 4]], 'rates': [0.5, 1], 'names': ['a', 'b'], 'cases': [{'n': 1}, {'n': 2}]}\
            """);
        assertThat(config.requireInt("d_model", 1, 64)).isEqualTo(64);
        assertThat(config.optionalInt("gone", 7, 0, 9)).isEqualTo(7);
        assertThat(config.requireDouble("eps", 0, 1)).isEqualTo(1e-5);
        assertThat(config.requireDouble("whole", 0, 2)).isEqualTo(2);
        assertThat(config.optionalDouble("none", 0.5, 0, 1)).isEqualTo(0.5);
        assertThat(config.requireBoolean("scale")).isTrue();
        assertThat(config.optionalBoolean("none", true)).isTrue();
        assertThat(config.requireString("act")).isEqualTo("relu");
        assertThat(config.optionalString("gone", "x")).isEqualTo("x");
        assertThat(config.requireOneOf("act", Map.of("relu", 1, "gelu", 2))).isEqualTo(1);
        assertThat(config.optionalOneOf("gone", 9, Map.of("relu", 1))).isEqualTo(9);
        assertThat(config.requireObject("deep").requireObject("x").requireInt("y", 0, 9))
                .isEqualTo(3);
        assertThat(config.ints("eos", 0, 9)).containsExactly(0);
        assertThat(config.ints("stops", 0, 9)).containsExactly(1, 2);
        assertThat(config.ints("none", 0, 9)).isEmpty();
        assertThat(config.intLists("bad", 0, 248)).containsExactly(List.of(248), List.of(3, 4));
        assertThat(config.doubles("rates", 0, 1)).containsExactly(0.5, 1.0);
        assertThat(config.strings("names")).containsExactly("a", "b");
        assertThat(config.objects("cases"))
                .extracting(each -> each.requireInt("n", 0, 9))
                .containsExactly(1, 2);
        assertThat(config.has("gone")).isFalse();
        assertThat(config.isObject("deep")).isTrue();
        assertThat(config.isString("act")).isTrue();
        assertThat(config.isString("deep")).isFalse();
        assertThat(config.keys()).startsWith("d_model", "eps").contains("gone").hasSize(13);
        assertThat(config.file()).endsWith("config.json");
    }

    @Test
    void whatIsAskedForStrictlyIsAnErrorWithFileKeyAndRange() throws IOException {
        JsonConfig config = read("""
            {'n': 65, 'half': 0.5, 'two': 2.0, 'text': '64', 'huge': 99999999999999999999, 'nan': NaN, 'inf': 1e999,
             'list': [1, 'x', -1], 'gone': null, 'deep': {'x': {}}, 'negative': -Infinity,
             'cases': [{'n': 1}, {}], 'mixed': [{}, 7]}\
            """);
        refused(() -> config.requireInt("n", 1, 64), "n is 65", "1 to 64");
        refused(() -> config.requireInt("half", 0, 9), "half is 0.5", "not an integer");
        refused(() -> config.requireInt("two", 0, 9), "two is 2.0", "not an integer");
        refused(() -> config.requireInt("text", 0, 99), "text is 64", "not an integer");
        refused(() -> config.requireInt("huge", 0, 99), "huge", "not an integer of 64 bits");
        refused(() -> config.requireInt("none", 0, 9), "none is missing");
        refused(() -> config.requireInt("gone", 0, 9), "gone is missing");
        refused(() -> config.optionalInt("n", 1, 0, 64), "n is 65");
        refused(() -> config.requireDouble("nan", -1e300, 1e300), "nan is NaN");
        refused(() -> config.requireDouble("inf", 0, 1e300), "inf is Infinity");
        refused(() -> config.requireDouble("negative", -1e300, 0), "negative is -Infinity");
        refused(() -> config.requireDouble("text", 0, 99), "not a number");
        refused(() -> config.requireBoolean("n"), "n is not true or false");
        refused(() -> config.requireString("n"), "n is not a string");
        refused(() -> config.requireOneOf("text", Map.of("relu", 1, "gelu", 2)), "text is \"64\"", "[gelu, relu]");
        refused(() -> config.requireObject("list"), "list is not an object");
        refused(() -> config.requireObject("deep").requireObject("x").requireInt("y", 0, 1), "deep.x.y is missing");
        refused(() -> config.ints("list", 0, 9), "list is x");
        refused(() -> config.intLists("list", 0, 9), "list is not a list of lists");
        refused(() -> config.doubles("n", 0, 9), "n is not a list");
        refused(() -> config.objects("cases").getLast().requireInt("n", 0, 9), "cases[1].n is missing");
        refused(() -> config.objects("mixed"), "mixed[1] is not an object");
        refused(() -> config.strings("list"), "not a list of strings");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "   ",
                "[]",
                "null",
                "7",
                "'text'",
                "{",
                "{'a'",
                "{'a':}",
                "{'a':1,}",
                "{'a':1}}",
                "{'a':1} {'b':2}",
                "{'a':1} x",
                "{a:1}",
                "{'a':01}",
                "{'a':'\\ud8'}",
                "// comment\n{}",
                "\0{}",
                "{'a':1,'a':2}",
                "{'d':{'a':1,'a':2}}"
            })
    void whatIsNotOneJsonObjectIsAnErrorWithTheFile(String json) {
        refused(() -> read(json));
    }

    @Test
    void limitsHoldForDepthNamesStringsNumbersAndTokens() {
        refused(() -> read("{'a':" + "[".repeat(100_000)), "depth");
        refused(() -> read("{'a':" + "{'a':".repeat(100_000)), "depth");
        refused(() -> read("{'" + "n".repeat(10_000) + "':1}"), "ame");
        refused(() -> read("{'a':'" + "s".repeat(2_000_000) + "'}"), "String");
        refused(() -> read("{'a':" + "9".repeat(100_000) + "}"), "umber");
        refused(() -> read("{'a':[" + "0,".repeat(2_000_000) + "0]}"), "oken");
    }

    @Test
    void aFileThatIsNotUtf8OrTooLongIsRefused() throws IOException {
        Path file = folder.resolve("config.json");
        Files.write(file, new byte[] {'{', '"', (byte) 0xC3, '"', ':', '1', '}'});
        refused(() -> JsonConfig.read(ModelFolder.of(folder), "config.json"), "not UTF-8");
        Files.write(file, "{}".getBytes(StandardCharsets.UTF_16));
        refused(() -> JsonConfig.read(ModelFolder.of(folder), "config.json"));
        Files.write(file, new byte[(64 << 20) + 1]);
        refused(() -> JsonConfig.read(ModelFolder.of(folder), "config.json"), "67108865 bytes", "67108864");
    }

    @Test
    void aMissingFileIsAnIoErrorThatNamesIt() {
        assertThatThrownBy(() -> JsonConfig.read(ModelFolder.of(folder), "config.json"))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("config.json");
    }
}
