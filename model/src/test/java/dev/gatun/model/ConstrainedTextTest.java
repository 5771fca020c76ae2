package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.constrain.ConstraintException;
import dev.gatun.model.constrain.SchemaCheck;
import dev.gatun.model.generate.Draft;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.generate.TextGeneration.End;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A model that says anything is made to say what it may; and one that guesses for another changes nothing. */
class ConstrainedTextTest {
    private static final String PERSON = """
        {"type":"object","additionalProperties":false,"required":["name","age"],"properties":{
          "name":{"type":"string","minLength":1,"maxLength":6},
          "age":{"type":"integer","minimum":0,"maximum":150},
          "tags":{"type":"array","maxItems":2,"items":{"enum":["red","green",null]}},
          "boss":{"anyOf":[{"type":"null"},{"$ref":"#"}]}}}\
        """;

    @TempDir
    private static Path folder;

    private static Backend backend;
    private static TextGenerator generator;
    private static TextGenerator other;

    @BeforeAll
    static void open() throws IOException {
        backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
        generator = TextGenerator.open(TinyText.folder(folder.resolve("one"), "llama3-rope"), backend);
        other = TextGenerator.open(TinyText.folder(folder.resolve("other"), "qwen3"), backend);
    }

    @AfterAll
    static void close() {
        other.close();
        generator.close();
        backend.close();
    }

    private static Sampling drawn(long seed) {
        return new Sampling(1, 0, 1, 0, 1, seed);
    }

    private static Settings settings(int maxTokens, Sampling sampling, int lookup) {
        return new Settings(maxTokens, sampling, List.of(), Set.of(), false, lookup);
    }

    @Test
    void drawnTextsMeetTheSchema() {
        Constraint constraint = Constraint.jsonSchema(PERSON);
        int ended = 0;
        for (int seed = 0; seed < 40; seed++) {
            Result result =
                    generator.generate("Who?", settings(300, drawn(seed), 0).with(constraint));
            if (result.end() == End.EOS) {
                SchemaCheck.assertMeets(PERSON, result.text());
                ended++;
            } else {
                assertThat(result.end()).isEqualTo(End.LENGTH);
            }
        }
        assertThat(ended).isGreaterThan(20);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"[0-9]{3}-[0-9]{4}", "(yes|no|\u00e9+)!", "[a-z]{1,8}( [a-z]{1,8}){0,3}\\.", "\ud83d\ude80{2}"})
    void drawnAndGreedyTextsMatchTheExpression(String regex) {
        Constraint constraint = Constraint.regex(regex);
        for (int seed = 0; seed < 10; seed++) {
            Sampling sampling = seed == 0 ? Sampling.GREEDY : drawn(seed);
            Result result = generator.generate("x", settings(200, sampling, 0).with(constraint));
            assertThat(result.end()).isEqualTo(End.EOS);
            assertThat(Pattern.matches(regex, result.text()))
                    .as("%s for %s", result.text(), regex)
                    .isTrue();
        }
    }

    @Test
    void logProbabilitiesAreThoseOfWhatWasAllowed() {
        Result result = generator.generate(
                "x", new Settings(20, drawn(3), List.of(), Set.of(), true, 0).with(Constraint.regex("abc(d|e)")));
        assertThat(result.text()).startsWith("abc");
        assertThat(result.logProbabilities()).hasSize(4).startsWith(0, 0, 0);
        assertThat(result.logProbabilities()[3]).isNegative();
    }

    @Test
    void tooFewTokensAreSaidAndStopStringsEndTheText() {
        Constraint digits = Constraint.regex("[0-9]{30}");
        Result cut = generator.generate("x", settings(5, drawn(1), 0).with(digits));
        assertThat(cut.end()).isEqualTo(End.LENGTH);
        assertThat(cut.text()).matches("[0-9]{5,10}");
        Result stopped =
                generator.generate("x", new Settings(99, drawn(1), List.of("7"), Set.of(), false, 0).with(digits));
        assertThat(stopped.end()).isEqualTo(End.STOP);
        assertThat(stopped.text()).matches("[0-689]*");
    }

    @Test
    void theEmptyTextEndsBeforeItStarts() {
        Result result = generator.generate("x", settings(5, drawn(1), 0).with(Constraint.regex("")));
        assertThat(result.text()).isEmpty();
        assertThat(result.ids()).isEmpty();
        assertThat(result.end()).isEqualTo(End.EOS);
    }

    @Test
    void whatTheVocabularyCannotSpellIsOneError() {
        assertThatThrownBy(
                        () -> generator.generate("x", settings(5, drawn(1), 0).with(Constraint.regex("\u65e5"))))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining("vocabulary");
    }

    @Test
    void guessesChangeNoText() {
        Draft itself = generator.draft(generator, 5);
        Draft another = generator.draft(other, 3);
        Constraint constraint = Constraint.jsonSchema(PERSON);
        for (int seed = 0; seed < 8; seed++) {
            Sampling sampling = seed == 0 ? Sampling.GREEDY : new Sampling(0.7, 20, 0.9, 0, 1.1, seed);
            for (boolean constrained : new boolean[] {false, true}) {
                Settings plain = settings(60, sampling, 0);
                Settings settings = constrained ? plain.with(constraint) : plain;
                Result expected = generator.generate("abcabc", settings);
                for (Settings guessing : List.of(
                        constrained ? settings(60, sampling, 4).with(constraint) : settings(60, sampling, 4),
                        settings.with(itself),
                        settings.with(another))) {
                    Result actual = generator.generate("abcabc", guessing);
                    assertThat(actual.ids()).containsExactly(expected.ids());
                    assertThat(actual.text()).isEqualTo(expected.text());
                    assertThat(actual.end()).isEqualTo(expected.end());
                }
            }
        }
    }

    @Test
    void aDraftOfAnotherVocabularyOrForAnotherModelIsRefused() throws IOException {
        try (TextGenerator different =
                TextGenerator.open(TinyText.folder(folder.resolve("different"), "gpt2", "zzz"), backend)) {
            assertThatThrownBy(() -> generator.draft(different, 4))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("another vocabulary");
        }
        Draft forOther = other.draft(generator, 4);
        assertThatThrownBy(
                        () -> generator.generate("x", settings(5, drawn(1), 0).with(forOther)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("another model");
        assertThatThrownBy(() -> generator.draft(other, 65)).isInstanceOf(IllegalArgumentException.class);
    }
}
