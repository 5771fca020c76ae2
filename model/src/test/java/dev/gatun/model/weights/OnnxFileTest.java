package dev.gatun.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.protobuf.CodedOutputStream;
import dev.gatun.memory.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OnnxFileTest {
    private static final Path BERT = Path.of("../golden/models/bert");
    private static final Path EXPORT = Path.of("../golden/models/bert-onnx");
    private static final Path INT8 = Path.of("../golden/onnx/bert-int8");

    @TempDir
    private Path folder;

    private void write(byte[] bytes) throws IOException {
        Files.write(folder.resolve("model.onnx"), bytes);
    }

    private void isRefused(String... parts) {
        assertThatThrownBy(
                        () -> OnnxModel.open(ModelFolder.of(folder)).weights().close())
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("model.onnx")
                .hasMessageContainingAll(parts)
                .hasMessageNotContaining("\n");
    }

    @Test
    void anExportHasTheWeightsOfItsCheckpointUnderTheirNames() throws IOException {
        try (Weights checkpoint = Weights.open(BERT);
                Weights export = OnnxModel.open(ModelFolder.of(EXPORT)).weights()) {
            assertThat(export.names()).containsAll(checkpoint.names());
            for (String name : checkpoint.names()) {
                assertThat(export.require(name).toFloats())
                        .as(name)
                        .isEqualTo(checkpoint.require(name).toFloats());
            }
        }
    }

    @Test
    void aQuantisedExportIsComputedBack() throws IOException {
        try (Weights checkpoint = Weights.open(BERT);
                Weights export = OnnxModel.open(ModelFolder.of(INT8)).weights()) {
            assertThat(export.names()).containsAll(checkpoint.names());
            for (String name : checkpoint.names()) {
                float[] exact = checkpoint.require(name).toFloats();
                float[] close = export.require(name).toFloats();
                double max = 0;
                for (float value : exact) {
                    max = Math.max(max, Math.abs(value));
                }
                for (int i = 0; i < exact.length; i++) { // half a step of 255 over the range, which has the zero in it
                    assertThat((double) close[i]).as(name).isCloseTo(exact[i], within(max * 2 / 254 * 0.51 + 1e-7));
                }
            }
        }
    }

    @Test
    void theSizesOfABertAreReadOffItsGraph() throws IOException {
        write(Files.readAllBytes(EXPORT.resolve("model.onnx")));
        OnnxModel model = OnnxModel.open(ModelFolder.of(folder));
        try (Weights _ = model.weights()) {
            JsonConfig json = model.config();
            assertThat(json.requireString("model_type")).isEqualTo("bert");
            assertThat(json.requireInt("hidden_size", 48, 48)).isEqualTo(48);
            assertThat(json.requireInt("num_attention_heads", 4, 4)).isEqualTo(4);
            assertThat(json.requireInt("num_hidden_layers", 2, 2)).isEqualTo(2);
            assertThat(json.requireInt("intermediate_size", 96, 96)).isEqualTo(96);
            assertThat(json.requireInt("max_position_embeddings", 66, 66)).isEqualTo(66);
            assertThat(json.requireString("hidden_act")).isEqualTo("gelu");
            assertThat(json.requireDouble("layer_norm_eps", 9e-13, 1.1e-12)).isPositive();
        }
    }

    @Test
    void whatIsNotOnnxIsRefused() throws IOException {
        write(new byte[0]);
        isRefused("no graph");
        write("hello, this is a text and no model at all".getBytes());
        isRefused("not ONNX");
        write(Files.readAllBytes(BERT.resolve("model.safetensors")));
        isRefused("not ONNX");
        var random = new Random(3);
        for (int i = 0; i < 200; i++) {
            byte[] noise = new byte[random.nextInt(500) + 1];
            random.nextBytes(noise);
            write(noise);
            isRefused("");
        }
    }

    @Test
    void aTruncatedFileIsRefusedWhereverItEnds() throws IOException {
        byte[] bytes = Files.readAllBytes(EXPORT.resolve("model.onnx"));
        for (int length = 1; length < bytes.length - 1; length += 997) {
            write(Arrays.copyOf(bytes, length));
            isRefused("model.onnx");
        }
    }

    @Test
    void aFileWithChangedBytesIsReadOrRefusedAndNothingElse() throws IOException {
        byte[] bytes = Files.readAllBytes(EXPORT.resolve("model.onnx"));
        var random = new Random(11);
        for (int i = 0; i < 300; i++) {
            byte[] changed = bytes.clone();
            for (int n = 0; n < 3; n++) {
                changed[random.nextInt(i % 2 == 0 ? 3000 : changed.length)] = (byte) random.nextInt(256);
            }
            write(changed);
            try {
                OnnxModel.open(ModelFolder.of(folder)).weights().close();
            } catch (ModelFormatException e) {
                assertThat(e).hasMessageContaining("model.onnx");
            }
        }
    }

    private static byte[] message(Part... parts) throws IOException {
        var bytes = new ByteArrayOutputStream();
        CodedOutputStream out = CodedOutputStream.newInstance(bytes);
        for (Part part : parts) {
            part.write(out);
        }
        out.flush();
        return bytes.toByteArray();
    }

    private interface Part {
        void write(CodedOutputStream out) throws IOException;
    }

    private static byte[] model(long opset, byte[] graph) throws IOException {
        byte[] set = message(out -> out.writeInt64(2, opset));
        return message(out -> out.writeByteArray(7, graph), out -> out.writeByteArray(8, set));
    }

    @Test
    void aGraphThatIsNoEncoderSaysWhatItIs() throws IOException {
        byte[] node = message(out -> out.writeString(4, "Conv"));
        byte[] input = message(out -> out.writeString(1, "image"));
        write(model(17, message(out -> out.writeByteArray(1, node), out -> out.writeByteArray(11, input))));
        isRefused("opset 17", "[image]", "1 Conv", "not a BERT", "embeddings.word_embeddings.weight");
    }

    @Test
    void anUnknownOperatorSetIsRefused() throws IOException {
        write(model(3, new byte[0]));
        isRefused("operator set 3", "9 to 26");
        write(model(1000, new byte[0]));
        isRefused("operator set 1000");
        write(message(out -> out.writeByteArray(7, new byte[0])));
        isRefused("operator set unknown");
    }

    @Test
    void tensorsThatLieAboutTheirSizeAreRefused() throws IOException {
        byte[] tensor = message(
                out -> out.writeInt64(1, 1L << 40),
                out -> out.writeInt32(2, 1),
                out -> out.writeString(8, "w"),
                out -> out.writeByteArray(9, new byte[4]));
        write(model(17, message(out -> out.writeByteArray(5, tensor))));
        isRefused("\"w\"", "dimension 0");
        byte[] shorter = message(
                out -> out.writeInt64(1, 3),
                out -> out.writeInt32(2, 1),
                out -> out.writeString(8, "w"),
                out -> out.writeByteArray(9, new byte[4]));
        write(model(17, message(out -> out.writeByteArray(5, shorter))));
        isRefused("\"w\"", "4 bytes", "takes 12");
    }

    @Test
    void externalDataStaysInItsFolder() throws IOException {
        for (String location : new String[] {"../secret", "/etc/passwd", "", "a/b"}) {
            byte[] entry = message(out -> out.writeString(1, "location"), out -> out.writeString(2, location));
            byte[] tensor = message(
                    out -> out.writeInt64(1, 1),
                    out -> out.writeInt32(2, 1),
                    out -> out.writeString(8, "w"),
                    out -> out.writeByteArray(13, entry),
                    out -> out.writeInt32(14, 1));
            write(model(17, message(out -> out.writeByteArray(5, tensor))));
            isRefused("\"w\"", "plain name");
        }
    }

    @Test
    void aTransposedWeightIsAViewOfTheFile() throws IOException {
        try (Weights export = OnnxModel.open(ModelFolder.of(EXPORT)).weights()) {
            Tensor weight = export.require("encoder.layer.0.intermediate.dense.weight", 96, 48);
            assertThat(weight.isContiguous()).isFalse();
        }
    }
}
