package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectCommandTest {
    private static final Path VASWANI = Path.of("../golden/models/vaswani");

    @Test
    void aFolderShowsSettingsTensorsAndTotals() {
        Outcome outcome = Outcome.of("inspect", VASWANI.toString()).isDone();
        assertThat(outcome.lines())
                .startsWith("model_type = vaswani", "d_model = 48")
                .contains("layer_norm_eps = 1.0E-5", "final_norm = false")
                .anyMatch(line -> line.matches("tensor +dtype +shape +bytes"))
                .anyMatch(line -> line.matches("embedding\\.weight +F32 +\\[128,48] +24,576"));
        assertThat(outcome.lines().getLast())
                .isEqualTo("61 tensors, 100,992 parameters, 403,968 bytes in files of 410,696 bytes");
    }

    @Test
    void aFileShowsTensorsAndTotals() {
        Outcome outcome = Outcome.of(
                        "inspect", VASWANI.resolve("model.safetensors").toString())
                .isDone();
        assertThat(outcome.lines().getFirst()).matches("tensor +dtype +shape +bytes");
        assertThat(outcome.lines()).hasSize(61 + 2);
    }

    @Test
    void aGgufFileShowsMetadataTensorsAndTotals() {
        Outcome outcome = Outcome.of("inspect", "../golden/spm/llama-spm.gguf").isDone();
        assertThat(outcome.lines())
                .startsWith("general.architecture = llama")
                .contains("llama.block_count = 2", "tokenizer.ggml.tokens = 400 elements", "")
                .anyMatch(line -> line.matches("token_embd\\.weight +F32 +\\[400,32] +51,200"));
        assertThat(outcome.lines().getLast())
                .isEqualTo("20 tensors, 31,392 parameters, 125,568 bytes in files of 136,256 bytes");
        assertThat(Outcome.of("inspect", "--json", "../golden/spm/llama-spm.gguf")
                        .isDone()
                        .lines())
                .hasSize(20)
                .contains("{\"name\":\"blk.0.attn_q.weight\",\"dtype\":\"F32\",\"shape\":[32,32],\"elements\":1024,"
                        + "\"bytes\":4096}");
    }

    @Test
    void aBrokenGgufFileIsAnErrorThatNamesIt(@TempDir Path folder) throws IOException {
        byte[] whole = Files.readAllBytes(Path.of("../golden/spm/llama-spm.gguf"));
        Path file = folder.resolve("cut.gguf");
        for (int length : new int[] {0, 7, 24, 1000, whole.length - 100}) {
            Files.write(file, Arrays.copyOf(whole, length));
            Outcome.of("inspect", file.toString()).refusesWith(file.toString());
        }
    }

    @Test
    void jsonIsAnObjectATensorAndNothingElse(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("x.safetensors");
        write(file, "{\"a\\\"\\u001b\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[0,4]}}", 4);
        assertThat(Outcome.of("inspect", "--json", file.toString()).isDone().out())
                .isEqualTo(
                        "{\"name\":\"a\\\"\\u001B\",\"dtype\":\"F16\",\"shape\":[2,1],\"elements\":2,\"bytes\":4}\n");
    }

    @Test
    void namesInAFileDoNotReachTheTerminalAsCommands(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("x.safetensors");
        write(file, "{\"a\\u001b[2J\\n\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[0,4]}}", 4);
        assertThat(Outcome.of("inspect", file.toString()).isDone().lines().get(1))
                .startsWith("a\\u001b[2J; ");
    }

    @Test
    void longSettingsAreCutAndNestedOnesLeftOut(@TempDir Path folder) throws IOException {
        write(folder.resolve("model.safetensors"), "{}", 0);
        Files.writeString(
                folder.resolve("config.json"),
                "{\"a\": \"" + "x".repeat(1000) + "\", \"b\": {}, \"c\": [1], \"d\": null, \"e\": 1e30, \"f\": true}");
        assertThat(Outcome.of("inspect", folder.toString()).isDone().lines())
                .startsWith("a = " + "x".repeat(200) + "...", "e = 1.0E30", "f = true", "")
                .endsWith("0 tensors, 0 parameters, 0 bytes in files of 10 bytes");
    }

    @Test
    void whatIsNotThereOrNotReadIsAnErrorThatNamesIt(@TempDir Path folder) {
        Outcome.of("inspect").refusesWith("missing required parameter: 'FILE|DIR'");
        Outcome.of("inspect", "no-such-file").refusesWith("no-such-file: no such model folder or file");
        Outcome.of("inspect", folder.toString()).refusesWith(folder + ": no model.safetensors");
        Outcome.of("inspect", "pom.xml").refusesWith("pom.xml: not a model folder and not named .safetensors");
    }

    @Test
    void aTruncatedFileIsAnErrorThatNamesIt(@TempDir Path folder) throws IOException {
        byte[] whole = Files.readAllBytes(VASWANI.resolve("model.safetensors"));
        Path file = folder.resolve("cut.safetensors");
        for (int length : new int[] {0, 7, 8, 100, whole.length - 1}) {
            Files.write(file, Arrays.copyOf(whole, length));
            Outcome.of("inspect", file.toString()).refusesWith(file.toString());
        }
    }

    @Test
    void aHostileHeaderIsAnErrorThatNamesTheFile(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("hostile.safetensors");
        for (String header : new String[] {
            "[]",
            "{\"\\u001b]0;x\":1}",
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}",
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,400]}}",
            "{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}"
        }) {
            write(file, header, 4);
            Outcome.of("inspect", file.toString()).refusesWith(file.toString());
        }
    }

    private static void write(Path file, String header, int dataBytes) throws IOException {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        byte[] bytes = new byte[Long.BYTES + json.length + dataBytes];
        bytes[0] = (byte) json.length;
        System.arraycopy(json, 0, bytes, Long.BYTES, json.length);
        Files.write(file, bytes);
    }
}
