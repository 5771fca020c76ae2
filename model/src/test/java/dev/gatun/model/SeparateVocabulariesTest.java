package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.memory.MappedFile;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.SafetensorsFile;
import dev.gatun.model.weights.SafetensorsWriter;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The demo model with its one vocabulary made two: targets have the same pieces under other ids, and their rows in that order. What it
 * translates has to be what it was.
 */
class SeparateVocabulariesTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int V = 249;

    @TempDir
    Path folder;

    /** Where id i of the shared vocabulary is among the targets. */
    private static int moved(int id) {
        return id * 100 % V; // 100 and 249 have no common factor
    }

    @BeforeEach
    void takeTheDemoModelApart() throws IOException {
        ModelFolder demo = ModelFolder.ofResources(Translator.class, "dev/gatun/model/demo/numerals-en-zh");
        try (Arena arena = Arena.ofConfined()) {
            for (String file : List.of("source.spm", "target.spm", "vocab.json")) {
                MappedFile mapped = demo.open(file, arena);
                Files.write(folder.resolve(file), mapped.bytes(0, (int) mapped.byteSize()));
            }
            ObjectNode config = json(demo, "config.json", arena);
            ObjectNode generation = json(demo, "generation_config.json", arena);
            for (ObjectNode settings : List.of(config, generation)) {
                for (String key : List.of("decoder_start_token_id", "eos_token_id", "pad_token_id")) {
                    if (settings.hasNonNull(key)) {
                        settings.put(key, moved(settings.get(key).asInt()));
                    }
                }
                if (settings.hasNonNull("bad_words_ids")) {
                    int id = settings.get("bad_words_ids").get(0).get(0).asInt();
                    settings.putArray("bad_words_ids").addArray().add(moved(id));
                }
            }
            config.put("share_encoder_decoder_embeddings", false).put("decoder_vocab_size", V);
            JSON.writeValue(folder.resolve("config.json").toFile(), config);
            JSON.writeValue(folder.resolve("generation_config.json").toFile(), generation);
            ObjectNode tokenizer = json(demo, "tokenizer_config.json", arena).put("separate_vocabs", true);
            JSON.writeValue(folder.resolve("tokenizer_config.json").toFile(), tokenizer);
            ObjectNode targets = JSON.createObjectNode();
            json(demo, "vocab.json", arena)
                    .properties()
                    .forEach(entry ->
                            targets.put(entry.getKey(), moved(entry.getValue().asInt())));
            JSON.writeValue(folder.resolve("target_vocab.json").toFile(), targets);
            writeWeights(demo, arena);
        }
    }

    private static ObjectNode json(ModelFolder demo, String file, Arena arena) throws IOException {
        MappedFile mapped = demo.open(file, arena);
        return (ObjectNode) JSON.readTree(mapped.bytes(0, (int) mapped.byteSize()));
    }

    private void writeWeights(ModelFolder demo, Arena arena) throws IOException {
        Map<String, Tensor> tensors = new TreeMap<>(
                SafetensorsFile.of(demo.open("model.safetensors", arena)).tensors());
        Tensor shared = null;
        for (String name : List.of(
                "model.shared.weight",
                "model.encoder.embed_tokens.weight",
                "model.decoder.embed_tokens.weight",
                "lm_head.weight")) {
            Tensor there = tensors.remove(name);
            shared = there == null ? shared : there;
        }
        assertThat(shared).isNotNull();
        tensors.put("model.encoder.embed_tokens.weight", shared);
        int d = shared.dim(1);
        float[] rows = shared.toFloats();
        float[] movedRows = new float[rows.length];
        for (int id = 0; id < V; id++) {
            System.arraycopy(rows, id * d, movedRows, moved(id) * d, d);
        }
        tensors.put("model.decoder.embed_tokens.weight", Tensor.copyOf(arena, movedRows, V, d));
        Tensor bias = tensors.get("final_logits_bias");
        if (bias != null) {
            float[] values = bias.toFloats();
            float[] movedValues = new float[V];
            for (int id = 0; id < V; id++) {
                movedValues[moved(id)] = values[id];
            }
            tensors.put("final_logits_bias", Tensor.copyOf(arena, movedValues, 1, V));
        }
        SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors);
    }

    @Test
    void translatesAsWithOneVocabulary() throws IOException {
        List<String> texts =
                List.of("two hundred and five", "I love you", "the first of December, seventeen ninety-eight");
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
                Translator one = Translator.openDemo(backend);
                Translator two = Translator.open(ModelFolder.of(folder), backend)) {
            assertThat(two.translateAll(texts)).isEqualTo(one.translateAll(texts));
            Alignment alignment = two.alignAll(texts).getFirst();
            Alignment same = one.alignAll(texts).getFirst();
            assertThat(alignment.text()).isEqualTo("二百零五");
            assertThat(alignment.pharaoh()).isEqualTo(same.pharaoh()).matches("\\d+-\\d+( \\d+-\\d+)*");
            assertThat(alignment.sourceTokens()).isEqualTo(same.sourceTokens()).endsWith("</s>");
            assertThat(alignment.targetTokens()).isEqualTo(same.targetTokens());
            assertThat(two.alignAll(List.of(" ")).getFirst().pharaoh()).isEmpty();
        }
    }

    private void open() throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            Translator.open(ModelFolder.of(folder), backend).close();
        }
    }

    @Test
    void vocabulariesThatDoNotFitAreErrors() throws IOException {
        Path targets = folder.resolve("target_vocab.json");
        String text = Files.readString(targets);
        Files.writeString(targets, text.replaceFirst("\\{", "{\"extra\":300,"));
        assertThatThrownBy(this::open)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("target_vocab.json has 301 ids, the model's embedding only 249");
        Files.delete(targets);
        assertThatThrownBy(this::open).hasMessageContaining("target_vocab.json");
        Files.writeString(targets, text);
        Path config = folder.resolve("config.json");
        Files.writeString(
                config, Files.readString(config).replace("\"decoder_vocab_size\":249", "\"decoder_vocab_size\":200"));
        assertThatThrownBy(this::open)
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("model.decoder.embed_tokens.weight", "200");
    }

    @Test
    void aMissingSpmIsNamed() throws IOException {
        Files.delete(folder.resolve("target.spm"));
        assertThatThrownBy(this::open).hasMessageContaining("target.spm");
    }
}
