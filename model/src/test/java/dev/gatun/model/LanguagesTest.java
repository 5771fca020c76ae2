package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.GreedySearch;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The codes of languages, with the mBART of golden/models: its words are called w and their id, 110 and 111 are languages. */
class LanguagesTest {
    private static final Path GOLDEN = Path.of("../golden/models/mbart");
    private static final int EN = 110;
    private static final int DE = 111;
    private static final int EOS = 2;

    @TempDir
    private Path folder;

    private static String special(int id, String content) {
        return "{\"id\":" + id + ",\"content\":\"" + content + "\",\"single_word\":false,\"lstrip\":false,"
                + "\"rstrip\":false,\"normalized\":false,\"special\":true}";
    }

    /** With English around sources, before them as the later mBART has it, or after their end as the first one has. */
    private void write(boolean before) throws IOException {
        for (String file : new String[] {"config.json", "generation_config.json", "model.safetensors"}) {
            Files.copy(GOLDEN.resolve(file), folder.resolve(file));
        }
        String words =
                IntStream.range(4, 110).mapToObj(id -> "\"w" + id + "\":" + id).collect(Collectors.joining(","));
        String en = "{\"SpecialToken\":{\"id\":\"en_XX\",\"type_id\":0}}";
        String eos = "{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}";
        String text = "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}";
        String template = before ? en + "," + text + "," + eos : text + "," + eos + "," + en;
        Files.writeString(folder.resolve("tokenizer.json"), """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[%s],"normalizer":null,
             "pre_tokenizer":{"type":"WhitespaceSplit"},"decoder":null,
             "post_processor":{"type":"TemplateProcessing","single":[%s],"pair":[%s],"special_tokens":{
              "en_XX":{"id":"en_XX","ids":[110],"tokens":["en_XX"]},"</s>":{"id":"</s>","ids":[2],"tokens":["</s>"]}}},
             "model":{"type":"WordLevel","unk_token":"<unk>",
              "vocab":{"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,%s,"en_XX":110,"de_DE":111}}}
            """.formatted(
                        String.join(
                                ",",
                                special(0, "<s>"),
                                special(1, "<pad>"),
                                special(2, "</s>"),
                                special(3, "<unk>"),
                                special(EN, "en_XX"),
                                special(DE, "de_DE")),
                        template,
                        template,
                        words));
    }

    /** What the model makes of ids whose target has to begin with a language. */
    private String expected(Backend backend, int forced, int... ids) throws IOException {
        try (Seq2SeqModel model = Seq2SeqModel.load(ModelFolder.of(GOLDEN), backend);
                var session = model.transformer().newSession(new SessionSize(1, 1, ids.length, 12, 1))) {
            GenerationConfig config = model.generation().withMaxTokens(12);
            session.encode(ids);
            int[] target = new GreedySearch(config.withRules(config.rules().withForcedFirst(forced))).run(session)[0];
            return Arrays.stream(target)
                    .filter(id -> id > 3 && id < EN)
                    .mapToObj(id -> "w" + id)
                    .collect(Collectors.joining(" "));
        }
    }

    @Test
    void theSourceSaysItsLanguageAndTheTargetIsForcedToBeginWithOne() throws IOException {
        write(true);
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null));
                Translator opened = Translator.open(ModelFolder.of(folder), backend)) {
            Translator translator = opened.with(opened.generation().withMaxTokens(12));
            assertThat(translator.to("de_DE").translate("w5 w20 w77"))
                    .isEqualTo(expected(backend, DE, EN, 5, 20, 77, EOS));
            assertThat(translator.from("de_DE").to("en_XX").translate("w5 w20 w77"))
                    .isEqualTo(expected(backend, EN, DE, 5, 20, 77, EOS));
        }
    }

    @Test
    void aLanguageAfterTheEndIsReplacedThere() throws IOException {
        write(false);
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null));
                Translator opened = Translator.open(ModelFolder.of(folder), backend)) {
            Translator translator = opened.with(opened.generation().withMaxTokens(12));
            assertThat(translator.from("de_DE").to("en_XX").translate("w5 w20 w77"))
                    .isEqualTo(expected(backend, EN, 5, 20, 77, EOS, DE));
        }
    }

    @Test
    void aCodeThatIsNotThereIsRefused() throws IOException {
        write(true);
        try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null));
                Translator translator = Translator.open(ModelFolder.of(folder), backend);
                Translator demo = Translator.openDemo(backend)) {
            for (String code : new String[] {"xx_YY", "w5", "", "de_DE en_XX"}) {
                assertThatThrownBy(() -> translator.to(code))
                        .isInstanceOf(InputException.class)
                        .hasMessageContaining("language " + code + ": ");
                assertThatThrownBy(() -> translator.from(code)).isInstanceOf(InputException.class);
            }
            assertThatThrownBy(() -> demo.to("de_DE"))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("no codes of languages");
        }
    }
}
