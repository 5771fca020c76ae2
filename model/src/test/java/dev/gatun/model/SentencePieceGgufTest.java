package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.TextGenerator.Message;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** A GGUF file with a vocabulary of SentencePiece's kind, from text to text, as llama.cpp does it (tools/golden/spm_gguf.py). */
class SentencePieceGgufTest {
    private static final Path FOLDER = Path.of("../golden/spm");

    private static Backend backend;
    private static TextGenerator generator;
    private static JsonConfig expected;

    @BeforeAll
    static void open() throws IOException {
        backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
        generator = TextGenerator.open(FOLDER.resolve("llama-spm.gguf"), backend);
        expected = JsonConfig.read(ModelFolder.of(FOLDER), "expected.json");
    }

    @AfterAll
    static void close() {
        generator.close();
        backend.close();
    }

    private static int[] ints(JsonConfig json, String key) {
        return json.ints(key, 0, 399).stream().mapToInt(i -> i).toArray();
    }

    @Test
    void textsHaveTheIdsOfLlamaCpp() {
        List<JsonConfig> texts = expected.objects("texts");
        assertThat(texts).hasSize(10);
        for (JsonConfig one : texts) {
            String text = one.requireString("text");
            int[] ids = ints(one, "ids");
            assertThat(generator.tokenizer().encodeIds(text, true)).as(text).containsExactly(ids);
            assertThat(generator.tokenizer().decode(ids)).as(text).isEqualTo(one.requireString("decoded"));
        }
    }

    @Test
    void greedyTokensAreThoseOfLlamaCpp() {
        for (JsonConfig one : expected.objects("greedy")) {
            int[] greedy = ints(one, "greedy");
            var result = generator.generate(one.requireString("prompt"), Settings.DEFAULT.withMaxTokens(greedy.length));
            assertThat(result.promptTokens()).isEqualTo(ints(one, "ids").length);
            assertThat(result.ids())
                    .as(
                            "least margin %s",
                            one.doubles("margins", 0, 1e9).stream().min(Double::compare))
                    .containsExactly(greedy);
        }
    }

    @Test
    void theChatTemplateOfTheFileWritesItsSpecialTokens() {
        String text = generator.render(List.of(new Message("user", "What is a page?")));
        assertThat(text).isEqualTo("<s><|user|>What is a page?</s><|assistant|>");
        int[] ids = ints(expected.objects("greedy").get(2), "ids");
        assertThat(generator.tokenizer().encodeIds(text, false)).containsExactly(ids);
    }

    @Test
    void aPromptBeyondTheContextIsOneErrorAndTheModelGoesOn() {
        assertThatThrownBy(() -> generator.generate("page ".repeat(300), Settings.DEFAULT))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("the model has 256 positions");
        try (Chat chat = generator.newChat(40)) {
            assertThatThrownBy(() -> chat.say("page ".repeat(30), Settings.DEFAULT, _ -> true))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("40");
            assertThat(chat.messages()).isEmpty();
            assertThat(chat.say("page", Settings.DEFAULT.withMaxTokens(3), _ -> true)
                            .ids())
                    .hasSize(3);
        }
        int[] again = ints(expected.objects("greedy").getFirst(), "greedy");
        assertThat(generator
                        .generate("The vocabulary", Settings.DEFAULT.withMaxTokens(4))
                        .ids())
                .containsExactly(Arrays.copyOf(again, 4));
    }
}
