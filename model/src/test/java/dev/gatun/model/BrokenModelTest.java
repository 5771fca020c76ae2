package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.SafetensorsFile;
import dev.gatun.model.weights.SafetensorsWriter;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A model whose files are sound each by itself, but not together, is one clear error: file, tensor, numbers. */
class BrokenModelTest {
    private static final Path MARIAN = Path.of("../golden/models/marian");

    @TempDir
    private Path folder;

    @BeforeEach
    void copyModel() throws IOException {
        for (String file : new String[] {"config.json", "generation_config.json", "model.safetensors"}) {
            Files.copy(MARIAN.resolve(file), folder.resolve(file));
        }
    }

    private void load() throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            Seq2SeqModel.load(ModelFolder.of(folder), backend).close();
        }
    }

    private void replace(String file, String from, String to) throws IOException {
        String text = Files.readString(folder.resolve(file));
        assertThat(text).contains(from);
        Files.writeString(folder.resolve(file), text.replace(from, to));
    }

    private void changeWeights(BiConsumer<Map<String, Tensor>, Arena> change) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> tensors = new HashMap<>(SafetensorsFile.open(MARIAN.resolve("model.safetensors"), arena)
                    .tensors());
            change.accept(tensors, arena);
            SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors);
        }
    }

    @Test
    void theCopyItselfLoads() throws IOException {
        load();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"d_model\": 32 | \"d_model\": 48 | model.shared.weight is F32[120,32], but the model's config asks"
                        + " for [120,48]",
                "\"decoder_ffn_dim\": 64 | \"decoder_ffn_dim\": 65 | fc1.weight is F32[64,32], but the model's config"
                        + " asks for [65,32]",
                "\"vocab_size\": 120 | \"vocab_size\": 121 | asks for [121,32]",
                "\"decoder_layers\": 2 | \"decoder_layers\": 3 | no tensor"
                        + " model.decoder.layers.2.self_attn.q_proj.weight",
                "\"encoder_layers\": 2 | \"encoder_layers\": 1 | tensors that this kind of model does not have",
                "\"encoder_attention_heads\": 4 | \"encoder_attention_heads\": 5 | not a multiple of the encoder's 5",
                "\"encoder_attention_heads\": 4 | \"encoder_attention_heads\": 0 | encoder_attention_heads is 0,"
                        + " allowed is 1 to",
                "\"d_model\": 32 | \"d_model\": -32 | d_model is -32, allowed is 1 to",
                "\"d_model\": 32 | \"d_model\": 99999999999 | d_model is 99999999999, allowed is 1 to",
                "\"d_model\": 32 | \"d_model\": \"wide\" | d_model is wide, which is not an integer",
                "\"vocab_size\": 120 | \"vocab_size\": 100 | asks for [100,32]",
                "\"swish\" | \"swoosh\" | activation_function is \"swoosh\", which is none of",
                "\"tie_word_embeddings\": true | \"tie_word_embeddings\": false | no tensor lm_head.weight",
                "\"model_type\": \"marian\" | \"model_type\": \"mariana\" | model_type \"mariana\" is not one of"
                        + " [bart, marian, mbart, mt5, pegasus, t5, vaswani, whisper]"
            })
    void aConfigThatDisagreesIsAnErrorWithTheNumbers(String from, String to, String message) throws IOException {
        replace("config.json", from, to);
        assertThatThrownBy(this::load)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining(message)
                .hasMessageContaining(folder.toString());
    }

    @Test
    void aMissingTensorIsNamedWithTheMostSimilarOne() throws IOException {
        changeWeights((tensors, arena) -> {
            Tensor moved = tensors.remove("model.encoder.layers.1.fc2.weight");
            tensors.put("model.encoder.layers.1.fc2.weights", moved);
        });
        assertThatThrownBy(this::load)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("no tensor model.encoder.layers.1.fc2.weight")
                .hasMessageContaining("the most similar one is model.encoder.layers.");
    }

    @Test
    void anUnusedTensorIsNamed() throws IOException {
        changeWeights((tensors, arena) ->
                tensors.put("model.encoder.layers.9.extra", Tensor.allocate(arena, DType.F32, Shape.of(3))));
        assertThatThrownBy(this::load)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("model.encoder.layers.9.extra");
    }

    @Test
    void weightsThatAreIntegersAreRefused() throws IOException {
        changeWeights((tensors, arena) ->
                tensors.put("model.decoder.layers.0.fc1.weight", Tensor.allocate(arena, DType.I32, Shape.of(64, 32))));
        assertThatThrownBy(this::load)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("model.decoder.layers.0.fc1.weight is I32[64,32], not of a floating-point type");
    }

    @Test
    void aMissingFileIsNamed() throws IOException {
        Files.delete(folder.resolve("config.json"));
        assertThatThrownBy(this::load).isInstanceOf(NoSuchFileException.class).hasMessageContaining("config.json");
    }

    @Test
    void aTruncatedFileIsNamed() throws IOException {
        byte[] bytes = Files.readAllBytes(MARIAN.resolve("model.safetensors"));
        Files.write(folder.resolve("model.safetensors"), Arrays.copyOf(bytes, bytes.length - 100));
        assertThatThrownBy(this::load)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("model.safetensors")
                .hasMessageContaining("beyond the")
                .hasMessageContaining("is the file truncated?");
    }

    @Test
    void bannedIdsBeyondTheVocabularyAreRefused() throws IOException {
        replace("generation_config.json", "119\n    ]", "120\n    ]");
        assertThatThrownBy(this::load)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("bad_words_ids is 120, allowed is 0 to 119");
    }
}
