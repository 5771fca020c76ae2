package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.MappedFile;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Folders of translators whose files do not fit together: an error that names the file, and nothing stays open. */
class BrokenTranslatorTest {
    @TempDir
    Path folder;

    @BeforeEach
    void copyTheDemoModel() throws IOException {
        ModelFolder demo = ModelFolder.ofResources(Translator.class, "dev/gatun/model/demo/numerals-en-zh");
        try (Arena arena = Arena.ofConfined()) {
            for (String file : List.of(
                    "config.json",
                    "generation_config.json",
                    "model.safetensors",
                    "source.spm",
                    "target.spm",
                    "tokenizer_config.json",
                    "vocab.json")) {
                MappedFile mapped = demo.open(file, arena);
                Files.write(folder.resolve(file), mapped.bytes(0, (int) mapped.byteSize()));
            }
        }
    }

    private void open() throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            Translator.open(ModelFolder.of(folder), backend).close();
        }
    }

    private void replace(String file, String from, String to) throws IOException {
        String text = Files.readString(folder.resolve(file));
        Files.writeString(folder.resolve(file), text.replaceFirst(from, to));
    }

    @Test
    void theCopyOpens() throws IOException {
        open();
    }

    @ParameterizedTest
    @ValueSource(strings = {"source.spm", "target.spm", "vocab.json", "model.safetensors", "config.json"})
    void aMissingFileIsAnErrorThatNamesIt(String file) throws IOException {
        Files.delete(folder.resolve(file));
        assertThatThrownBy(this::open).hasMessageContaining(file);
    }

    @Test
    void aVocabularyThatIsLargerThanTheEmbeddingIsAnError() throws IOException {
        replace("vocab.json", "\\{", "{\"extra\":99999,");
        assertThatThrownBy(this::open)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("vocab.json has 100000 ids, the model's embedding only");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"num_beams\": 0",
                "\"num_beams\": 10000",
                "\"bad_words_ids\": [[1000000]]",
                "\"bad_words_ids\": [7]",
                "\"forced_bos_token_id\": -1",
                "\"max_length\": 1",
                "\"no_repeat_ngram_size\": -2",
                "\"repetition_penalty\": 0",
                "\"early_stopping\": \"soon\"",
                "\"suppress_tokens\": \"all\"",
                "\"length_penalty\": 1e40"
            })
    void aSettingOutOfRangeIsAnErrorThatNamesIt(String setting) throws IOException {
        Files.write(folder.resolve("generation_config.json"), ("{" + setting + "}").getBytes(StandardCharsets.UTF_8));
        assertThatThrownBy(this::open)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("generation_config.json")
                .hasMessageContaining(setting.substring(1, setting.indexOf('"', 1)));
    }
}
