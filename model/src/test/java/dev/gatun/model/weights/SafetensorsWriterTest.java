package dev.gatun.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {
    private final Arena arena = Arena.ofConfined();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        arena.close();
    }

    @Test
    void whatIsWrittenIsReadBack() throws IOException {
        Path file = folder.resolve("out.safetensors");
        Tensor matrix = Tensor.copyOf(arena, new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
        Tensor ids = Tensor.allocate(arena, DType.I64, Shape.of(1, 2));
        ids.segment().fill((byte) 1);
        Tensor flags = Tensor.allocate(arena, DType.BOOL, Shape.of(3));
        SafetensorsWriter.write(
                file,
                Map.of(
                        "b.matrix",
                        matrix,
                        "turned",
                        matrix.transpose(0, 1),
                        "naïve \"名\"",
                        ids,
                        "flags",
                        flags,
                        "scalar",
                        matrix.select(0, 1).select(0, 2),
                        "none",
                        Tensor.allocate(arena, DType.F16, Shape.of(0, 4))));
        Map<String, Tensor> back = SafetensorsFile.open(file, arena).tensors();
        assertThat(back.keySet()).containsExactly("naïve \"名\"", "b.matrix", "scalar", "turned", "none", "flags");
        assertThat(back.get("b.matrix").toFloats()).containsExactly(1, 2, 3, 4, 5, 6);
        assertThat(back.get("turned")).hasToString("F32[3,2]");
        assertThat(back.get("turned").toFloats()).containsExactly(1, 4, 2, 5, 3, 6);
        assertThat(back.get("naïve \"名\"").toLongs()).containsOnly(0x0101010101010101L);
        assertThat(back.get("scalar").getFloat()).isEqualTo(6);
        assertThat(back.get("none")).hasToString("F16[0,4]");
        assertThat(back.get("naïve \"名\"").segment().address() % Long.BYTES).isZero();
    }

    @Test
    void aCheckpointWrittenAgainHasTheSameTensors() throws IOException {
        Map<String, Tensor> golden = SafetensorsFile.open(
                        SafetensorsFileTest.GOLDEN.resolve("marian/model.safetensors"), arena)
                .tensors();
        SafetensorsWriter.write(folder.resolve("again.safetensors"), golden);
        Map<String, Tensor> back =
                SafetensorsFile.open(folder.resolve("again.safetensors"), arena).tensors();
        assertThat(back.keySet()).isEqualTo(golden.keySet());
        golden.forEach((name, tensor) -> assertThat(back.get(name).segment().mismatch(tensor.segment()))
                .as(name)
                .isEqualTo(-1));
    }

    @Test
    void aFileIsReplacedAsAWholeAndNothingIsLeftBeside() throws IOException {
        Path file = folder.resolve("out.safetensors");
        SafetensorsWriter.write(file, Map.of());
        SafetensorsWriter.write(file, Map.of("a", Tensor.copyOf(arena, new float[] {1}, 1)));
        assertThat(SafetensorsFile.open(file, arena).tensors()).containsOnlyKeys("a");
        assertThat(folder).isDirectoryContaining(path -> path.equals(file));
        assertThat(Files.list(folder)).hasSize(1);
    }

    @Test
    void whatCannotBeWrittenIsRefusedBeforeAFileIsMade() {
        Path file = folder.resolve("out.safetensors");
        Tensor tensor = Tensor.copyOf(arena, new float[] {1}, 1);
        for (String name : new String[] {"", "__metadata__", "n".repeat(1025)}) {
            assertThatThrownBy(() -> SafetensorsWriter.write(file, Map.of(name, tensor)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("cannot be a tensor's name");
        }
        Tensor strided = Tensor.allocate(arena, DType.F16, Shape.of(2, 3)).transpose(0, 1);
        assertThatThrownBy(() -> SafetensorsWriter.write(file, Map.of("a", strided)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("tensor a", "F16[3,2]", "strided");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void aFolderThatDoesNotExistIsAnIoError() {
        assertThatThrownBy(() -> SafetensorsWriter.write(folder.resolve("none/out.safetensors"), Map.of()))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("none");
    }
}
