package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.TextGenerator.Message;
import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.constrain.SchemaCheck;
import dev.gatun.model.constrain.TokenBytes;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.generate.TextGeneration.End;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** A model that people use, with its real weights: texts, ids and conversations. */
class SmolLm2Test {
    private static Backend backend;
    private static TextGenerator generator;

    @BeforeAll
    static void open() throws IOException {
        backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
        generator = TextGenerator.open(SmolLm2.file(), backend);
    }

    @AfterAll
    static void close() {
        generator.close();
        backend.close();
    }

    private static int[] ints(JsonConfig json, String key) {
        return json.ints(key, 0, 50_000).stream().mapToInt(i -> i).toArray();
    }

    /**
     * 128 greedy tokens of ten prompts against transformers in float32 on the same widened weights (tools/golden/smollm2.py). Where
     * they differ first, the reference's two largest logits have to be closer than rounding explains.
     */
    @Test
    void greedyTokensAreThoseOfTheReference() throws IOException {
        double noise = 1e-3;
        JsonConfig golden = JsonConfig.read(ModelFolder.of(Path.of("../golden/smollm2")), "greedy.json");
        List<JsonConfig> cases = golden.objects("cases");
        assertThat(cases).hasSize(10);
        int same = 0;
        for (JsonConfig one : cases) {
            int[] prompt = ints(one, "ids");
            assertThat(generator.tokenizer().encodeIds(one.requireString("prompt"), true))
                    .containsExactly(prompt);
            int[] expected = ints(one, "greedy");
            int[] actual = greedy(prompt, expected.length);
            int at = Arrays.mismatch(actual, expected);
            same += at < 0 ? 1 : 0;
            if (at >= 0) {
                double margin = one.doubles("margins", 0, 1e9).get(at);
                System.out.println("first difference at " + at + ", margin " + margin);
                assertThat(margin)
                        .as("margin of token %d of \"%s\"", at, one.requireString("prompt"))
                        .isLessThan(noise);
            }
        }
        assertThat(same).isGreaterThanOrEqualTo(8);
    }

    private static int[] greedy(int[] prompt, int n) {
        try (var session =
                generator.decoder().newSession(dev.gatun.model.decoder.Decoder.SessionSize.forOne(prompt.length + n))) {
            var sequence = session.newSequence();
            session.prefill(sequence, prompt, 0, prompt.length);
            int[] ids = new int[n];
            for (int i = 0; i < n; i++) {
                ids[i] = session.argMax(0);
                session.decode(sequence, ids[i]);
            }
            return ids;
        }
    }

    @Test
    void guessingAheadChangesNoText() {
        String prompt = "She sells sea shells by the sea shore. She sells sea shells";
        Settings plain = Settings.DEFAULT.withMaxTokens(40);
        Result expected = generator.generate(prompt, plain);
        Result guessed = generator.generate(prompt, new Settings(40, Sampling.GREEDY, List.of(), Set.of(), false, 8));
        assertThat(guessed.ids()).containsExactly(expected.ids());
        assertThat(guessed.text()).isEqualTo(expected.text());
        Sampling drawn = new Sampling(0.8, 40, 0.95, 0, 1.1, 5);
        assertThat(generator
                        .generate(prompt, new Settings(40, drawn, List.of(), Set.of(), true, 8))
                        .ids())
                .containsExactly(generator
                        .generate(prompt, new Settings(40, drawn, List.of(), Set.of(), true, 0))
                        .ids());
    }

    @Test
    void aDraftChangesNoText() {
        String prompt = "The capital of France is";
        Settings plain = Settings.DEFAULT.withMaxTokens(24);
        assertThat(generator
                        .generate(prompt, plain.with(generator.draft(generator, 4)))
                        .ids())
                .containsExactly(generator.generate(prompt, plain).ids());
    }

    /** What the mask is made of: the bytes of every token, against the library's own decoding. */
    @Test
    void theBytesOfTokensAreWhatTheyDecodeTo() {
        TokenBytes tokens = generator.tokenizer().tokenBytes();
        assertThat(tokens.size()).isEqualTo(49_152);
        for (int id = 0; id < tokens.size(); id++) {
            assertThat(new String(tokens.bytesOf(id), StandardCharsets.UTF_8))
                    .as("token %d", id)
                    .isEqualTo(generator.tokenizer().decode(id));
        }
    }

    @Test
    void anAnswerIsWhatASchemaOrAnExpressionAsksFor() {
        String schema = """
            {"type":"object","additionalProperties":false,"required":["city","country","population"],"properties":{
              "city":{"type":"string","maxLength":30},"country":{"type":"string","maxLength":30},
              "population":{"type":"integer","minimum":0,"maximum":20000000}}}\
            """;
        String prompt =
                generator.render(List.of(new Message("user", "Describe Paris as JSON: city, country, population.")));
        Result json = generator.generate(prompt, Settings.DEFAULT.with(Constraint.jsonSchema(schema)));
        assertThat(json.end()).isEqualTo(End.EOS);
        SchemaCheck.assertMeets(schema, json.text());
        assertThat(json.text()).contains("\"Paris\"", "\"France\"");
        Result yes = generator.generate(
                generator.render(List.of(new Message("user", "Is Paris in France? Answer yes or no."))),
                Settings.DEFAULT.with(Constraint.regex("(Yes|No)\\.")));
        assertThat(yes.text()).isIn("Yes.", "No.");
    }

    @Test
    void textsEndWhereTheyShould() {
        var shown = new StringBuilder();
        Result stopped = generator.generate(
                "The capital of France is",
                new Settings(40, Sampling.GREEDY, List.of("answer"), Set.of(), false, 0),
                text -> {
                    shown.append(text);
                    return true;
                });
        assertThat(stopped.text()).isEqualTo(" Paris.\n\nThe ").isEqualTo(shown.toString());
        assertThat(stopped.end()).isEqualTo(End.STOP);
        Result cancelled = generator.generate("The capital of France is", Settings.DEFAULT, text -> false);
        assertThat(cancelled.end()).isEqualTo(End.CANCELLED);
        Result limited = generator.generate("The capital of France is", Settings.DEFAULT.withMaxTokens(2));
        assertThat(limited.end()).isEqualTo(End.LENGTH);
        assertThat(limited.text()).isEqualTo(" Paris.");
    }

    /** The beginning of a prompt is computed once; what follows has the same ids, whichever session it comes from. */
    @Test
    void promptsThatBeginAlikeShareWhatWasComputed() throws IOException {
        String beginning = "The lake lifts ships over the mountains, and the locks let them down again. ".repeat(20);
        Settings settings = Settings.DEFAULT.withMaxTokens(8);
        try (TextGenerator keeping =
                TextGenerator.open(SmolLm2.file(), backend, WeightFormat.AS_STORED, CacheSettings.DEFAULT.keeping(4))) {
            for (String end : List.of("A ship", "A lock")) {
                assertThat(keeping.generate(beginning + end, settings).ids())
                        .containsExactly(
                                generator.generate(beginning + end, settings).ids());
            }
        }
    }

    @Test
    void aConversationRemembersAndKeepsItsCache() {
        try (Chat chat = generator.newChat(512)) {
            Result first = chat.say("What is 2+2?", Settings.DEFAULT.withMaxTokens(30), text -> true);
            assertThat(first.text()).contains("4");
            Result second = chat.say("And the capital of Spain?", Settings.DEFAULT.withMaxTokens(30), text -> true);
            assertThat(chat.messages()).hasSize(4);
            String conversation = generator.render(chat.messages().subList(0, 3));
            Result afresh = generator.generate(conversation, Settings.DEFAULT.withMaxTokens(30));
            assertThat(second.text()).as("what follows from all that was said").isEqualTo(afresh.text());
        }
    }

    @Test
    void aSavedConversationGoesOnAsIfItHadNeverStopped(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("chat.session");
        Settings settings = Settings.DEFAULT.withMaxTokens(20);
        Result expected;
        try (Chat chat = generator.newChat(512)) {
            chat.say("What is 2+2?", settings, text -> true);
            chat.save(file);
            expected = chat.say("And the capital of Spain?", settings, text -> true);
        }
        try (Chat chat = generator.resumeChat(file, 0)) {
            assertThat(chat.messages()).hasSize(2);
            assertThat(chat.length()).isGreaterThan(20);
            assertThat(chat.say("And the capital of Spain?", settings, text -> true)
                            .ids())
                    .containsExactly(expected.ids());
        }
    }

    /** All 8,192 positions in 600 MB with a heap of 64, the session's memory as resident as planned; a byte less is refused. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void theLongestContextFitsItsPlanAndNothingSmaller() throws IOException {
        Process child = ChildJvm.start(
                BudgetChild.class,
                List.of("-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch"),
                SmolLm2.file().toString(),
                "600000000");
        List<String> lines = child.inputReader().lines().toList();
        assertThat(Long.parseLong(lines.get(0))).isLessThanOrEqualTo(600_000_000);
        long session = Long.parseLong(lines.get(1));
        assertThat(Long.parseLong(lines.get(2))).isBetween(session * 97 / 100, session * 105 / 100);
        assertThat(lines.get(3)).isEqualTo("0");
        assertThat(String.join("\n", lines.subList(4, lines.size())))
                .contains("1 more than are left of the budget", "key/value cache", "would fit: ctx 8191");
    }

    @Test
    void aPromptBeyondTheContextIsOneError() {
        assertThatThrownBy(() -> generator.generate("word ".repeat(9000), Settings.DEFAULT))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("8192 positions");
    }
}
