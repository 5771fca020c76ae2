package dev.gatun.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.MappedFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelFolderTest {
    static final ModelFolder DEMO = ModelFolder.ofResources(ModelFolder.class, "dev/gatun/model/demo/numerals-en-zh");

    @TempDir
    private Path folder;

    @Test
    void aFolderOnDiskIsMapped() throws IOException {
        Files.writeString(folder.resolve("config.json"), "{}");
        ModelFolder disk = ModelFolder.of(folder);
        try (Arena arena = Arena.ofConfined()) {
            MappedFile file = disk.open("config.json", arena);
            assertThat(file.byteSize()).isEqualTo(2);
            assertThat(file.segment().isMapped()).isTrue();
            assertThatThrownBy(() -> disk.open("none", arena)).isInstanceOf(NoSuchFileException.class);
        }
        assertThat(disk.has("config.json")).isTrue();
        assertThat(disk.has("none")).isFalse();
        assertThat(disk.list()).containsExactly("config.json");
        assertThat(disk.name()).isEqualTo(folder.toString());
    }

    @Test
    void aFolderOfResourcesHasTheSameFiles() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MappedFile file = DEMO.open("model.safetensors", arena);
            assertThat(file.byteSize()).isEqualTo(1_007_908);
            assertThat(file.name()).isEqualTo("dev/gatun/model/demo/numerals-en-zh/model.safetensors");
            assertThatThrownBy(() -> DEMO.open("none", arena))
                    .isInstanceOf(NoSuchFileException.class)
                    .hasMessageContaining("numerals-en-zh/none");
        }
        assertThat(DEMO.has("config.json")).isTrue();
        assertThat(DEMO.has("none")).isFalse();
        try (Weights weights = Weights.open(DEMO)) {
            assertThat(weights.require("model.shared.weight", 249, 64).getFloat(0, 0))
                    .isFinite();
        }
        assertThatThrownBy(() -> Weights.open(ModelFolder.ofResources(ModelFolder.class, "no/such/folder")))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("no/such/folder");
    }

    @ParameterizedTest
    @ValueSource(strings = {"../config.json", "/etc/passwd", "a/b", "a\\b", "C:a", "", ".", "..", "a\0b"})
    void onlyPlainNamesAreOpened(String name) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            for (ModelFolder each : new ModelFolder[] {ModelFolder.of(folder), DEMO}) {
                assertThatThrownBy(() -> each.has(name)).isInstanceOf(IllegalArgumentException.class);
                assertThatThrownBy(() -> each.open(name, arena))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("not the plain name");
            }
        }
    }

    @Test
    void whatIsNoFolderIsAnIoErrorThatNamesIt() throws IOException {
        assertThatThrownBy(() -> ModelFolder.of(folder.resolve("none")))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("none");
        Path file = Files.createFile(folder.resolve("file"));
        assertThatThrownBy(() -> ModelFolder.of(file))
                .isInstanceOf(NotDirectoryException.class)
                .hasMessageContaining("file");
    }
}
