package dev.gatun.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WeightsTest {
    private final Arena arena = Arena.ofConfined();

    @TempDir
    private Path folder;

    @BeforeEach
    void writeShards() throws IOException {
        SafetensorsWriter.write(
                folder.resolve("model-00001-of-00002.safetensors"), Map.of("a", vector(1, 2), "b", vector(3)));
        SafetensorsWriter.write(folder.resolve("model-00002-of-00002.safetensors"), Map.of("c", vector(4)));
    }

    @AfterEach
    void close() {
        arena.close();
    }

    private Tensor vector(float... values) {
        return Tensor.copyOf(arena, values, values.length);
    }

    private void index(String json) throws IOException {
        Files.writeString(folder.resolve("model.safetensors.index.json"), json.replace('\'', '"'));
    }

    private void single(Map<String, Tensor> tensors) throws IOException {
        SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors);
    }

    @Test
    void givesTensorsOfAFolderByNameAndShapeAndTellsWhichNobodyAskedFor() throws IOException {
        try (Weights weights = Weights.open(SafetensorsFileTest.GOLDEN.resolve("marian"))) {
            assertThat(weights.has("model.shared.weight")).isTrue();
            assertThat(weights.unused()).isEqualTo(new TreeSet<>(weights.names()));
            assertThat(weights.require("model.shared.weight", 120, 32)).hasToString("F32[120,32]");
            assertThat(weights.unused()).doesNotContain("model.shared.weight").contains("final_logits_bias");
            assertThat(weights.byteSize()).isEqualTo(196_032);
            assertThat(weights.source()).endsWith("marian/model.safetensors");
        }
    }

    @Test
    void opensOneFileByPath() throws IOException {
        try (Weights weights = Weights.open(folder.resolve("model-00002-of-00002.safetensors"))) {
            assertThat(weights.require("c", 1).getFloat(0)).isEqualTo(4);
        }
    }

    @Test
    void givesScalarsByAShapeWithoutDimensions() throws IOException {
        single(Map.of("s", vector(7).select(0, 0)));
        try (Weights weights = Weights.open(folder)) {
            assertThat(weights.require("s", Shape.of()).getFloat()).isEqualTo(7);
        }
    }

    @Test
    void aMissingTensorIsAnErrorWithTheFileAndTheMostSimilarName() throws IOException {
        try (Weights weights = Weights.open(SafetensorsFileTest.GOLDEN.resolve("marian"))) {
            assertThatThrownBy(() -> weights.require("model.shared.weights", 120, 32))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContainingAll(
                            "marian/model.safetensors: no tensor model.shared.weights", "is model.shared.weight");
            assertThatThrownBy(() -> weights.require("x"))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContainingAll("no tensor x", "others");
        }
    }

    @Test
    void aTensorOfAnotherShapeIsAnErrorWithBothShapes() throws IOException {
        try (Weights weights = Weights.open(SafetensorsFileTest.GOLDEN.resolve("marian"))) {
            assertThatThrownBy(() -> weights.require("model.shared.weight", 121, 32))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContainingAll(
                            "model.safetensors: tensor model.shared.weight", "F32[120,32]", "[121,32]");
        }
    }

    @Test
    void aTensorOfIntegersIsNoWeight() throws IOException {
        single(Map.of("ids", Tensor.allocate(arena, DType.I32, Shape.of(2))));
        try (Weights weights = Weights.open(folder)) {
            assertThatThrownBy(() -> weights.require("ids", 2))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContainingAll("tensor ids", "I32[2]", "floating-point");
            assertThat(weights.require("ids").dtype()).isEqualTo(DType.I32);
        }
    }

    @Test
    void useAfterCloseThrowsFromThisThreadAndFromAnother() throws IOException {
        Weights weights = Weights.open(folder.resolve("model-00002-of-00002.safetensors"));
        Tensor c = weights.require("c", 1);
        assertThat(CompletableFuture.supplyAsync(() -> c.getFloat(0)).join()).isEqualTo(4);
        weights.close();
        weights.close();
        assertThatThrownBy(() -> c.getFloat(0)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(
                        () -> CompletableFuture.supplyAsync(() -> c.getFloat(0)).join())
                .hasCauseInstanceOf(IllegalStateException.class);
    }

    @Test
    void whatIsNoModelIsAnErrorThatListsWhatWasFound() throws IOException {
        Files.createFile(folder.resolve("pytorch_model.bin"));
        assertThatThrownBy(() -> Weights.open(folder))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(folder.toString())
                .hasMessageContainingAll("no model.safetensors", "pytorch_model.bin");
        Path empty = Files.createDirectory(folder.resolve("empty"));
        assertThatThrownBy(() -> Weights.open(empty)).hasMessageContaining("found: nothing");
        assertThatThrownBy(() -> Weights.open(folder.resolve("pytorch_model.bin")))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("pytorch_model.bin", ".safetensors");
        assertThatThrownBy(() -> Weights.open(folder.resolve("nowhere")))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("nowhere");
        Files.createDirectory(folder.resolve("dir.safetensors"));
        assertThatThrownBy(() -> Weights.open(folder.resolve("dir.safetensors")))
                .isInstanceOf(ModelFormatException.class);
    }

    @Test
    void aLongFolderIsNotListedToItsEnd() throws IOException {
        Path many = Files.createDirectory(folder.resolve("many"));
        for (int i = 0; i < 25; i++) {
            Files.createFile(many.resolve("file" + i));
        }
        assertThatThrownBy(() -> Weights.open(many)).hasMessageContaining("and 5 more");
    }

    private static final String BOTH = "'a':'model-00001-of-00002.safetensors','b':'model-00001-of-00002.safetensors',"
            + "'c':'model-00002-of-00002.safetensors'";

    @Test
    void shardsAreOneSetOfWeights() throws IOException {
        index("{'metadata':{'total_size':16},'weight_map':{" + BOTH + "}}");
        try (Weights weights = Weights.open(folder)) {
            assertThat(weights.names()).containsExactlyInAnyOrder("a", "b", "c");
            assertThat(weights.require("a", 2).toFloats()).containsExactly(1, 2);
            assertThat(weights.require("c", 1).toFloats()).containsExactly(4);
            assertThat(weights.source()).endsWith("model.safetensors.index.json");
            assertThat(weights.byteSize())
                    .isEqualTo(Files.size(folder.resolve("model-00001-of-00002.safetensors"))
                            + Files.size(folder.resolve("model-00002-of-00002.safetensors")));
        }
    }

    @Test
    void aTotalThatCountsTiedTensorsTwiceIsNoError() throws IOException {
        index("{'metadata':{'total_size':24.0},'weight_map':{" + BOTH + "}}");
        try (Weights weights = Weights.open(folder)) {
            assertThat(weights.names()).hasSize(3);
        }
    }

    @Test
    void aTensorThatIsNotInItsShardIsAnErrorThatNamesTheShard() throws IOException {
        index("{'weight_map':{" + BOTH + ",'d':'model-00002-of-00002.safetensors'}}");
        assertThatThrownBy(() -> Weights.open(folder))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("model-00002-of-00002.safetensors: tensor d", "not in it");
        index("{'weight_map':{'a':'model-00002-of-00002.safetensors','c':'model-00002-of-00002.safetensors'}}");
        assertThatThrownBy(() -> Weights.open(folder)).hasMessageContaining("tensor a");
    }

    @Test
    void aTensorInTwoShardsIsAnErrorUnlessTheIndexSaysWhich() throws IOException {
        SafetensorsWriter.write(
                folder.resolve("model-00002-of-00002.safetensors"), Map.of("c", vector(4), "b", vector(9)));
        index("{'weight_map':{" + BOTH + "}}");
        try (Weights weights = Weights.open(folder)) {
            assertThat(weights.require("b", 1).getFloat(0)).isEqualTo(3);
        }
        index("{'weight_map':{'a':'model-00001-of-00002.safetensors','c':'model-00002-of-00002.safetensors'}}");
        assertThatThrownBy(() -> Weights.open(folder))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("tensor b", "another shard");
    }

    @Test
    void aShardThatIsMissingOrBrokenIsAnErrorThatNamesIt() throws IOException {
        index("{'weight_map':{'a':'gone.safetensors'}}");
        assertThatThrownBy(() -> Weights.open(folder))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("index.json: tensor a", "gone.safetensors", "missing");
        Files.write(folder.resolve("gone.safetensors"), new byte[3]);
        assertThatThrownBy(() -> Weights.open(folder))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("gone.safetensors: a file of 3 bytes");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../secret.safetensors",
                "/etc/secret.safetensors",
                "sub/model.safetensors",
                "..\\\\secret.safetensors",
                "C:secret.safetensors",
                "..",
                ".",
                "",
                "a\\u0000.safetensors"
            })
    void aShardsNameLeadsNowhereOutOfTheFolder(String name) throws IOException {
        index("{'weight_map':{'a':'" + name + "'}}");
        assertThatThrownBy(() -> Weights.open(folder))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("index.json: tensor a", "not the plain name");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "{}",
                "{'weight_map':[]}",
                "{'weight_map':{'a':1}}",
                "{'weight_map':",
                "{'weight_map':null}"
            })
    void anIndexThatIsNoneIsAnErrorThatNamesIt(String json) throws IOException {
        index(json);
        assertThatThrownBy(() -> Weights.open(folder))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(folder.resolve("model.safetensors.index.json") + ": ");
    }
}
