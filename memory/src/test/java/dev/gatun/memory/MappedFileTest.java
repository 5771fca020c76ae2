package dev.gatun.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MappedFileTest {
    @TempDir
    private Path folder;

    private Path file(byte... bytes) throws IOException {
        return Files.write(folder.resolve("weights.bin"), bytes);
    }

    @Test
    void hasTheBytesOfTheFileReadOnly() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MappedFile file = MappedFile.open(file((byte) 1, (byte) 2, (byte) 3), arena);
            assertThat(file.byteSize()).isEqualTo(3);
            assertThat(file.bytes(1, 2)).containsExactly(2, 3);
            assertThat(file.name()).endsWith("weights.bin");
            assertThat(file.segment().isMapped()).isTrue();
            assertThatThrownBy(() -> file.segment().set(ValueLayout.JAVA_BYTE, 0, (byte) 9))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void anEmptyFileIsEmptyAndStillClosesWithItsArena() throws IOException {
        Arena arena = Arena.ofConfined();
        MappedFile file = MappedFile.open(file(), arena);
        assertThat(file.byteSize()).isZero();
        assertThat(file.stream(0, 0).read()).isEqualTo(-1);
        arena.close();
        assertThatThrownBy(() -> file.segment().fill((byte) 0))
                .isInstanceOfAny(IllegalStateException.class, IllegalArgumentException.class);
        assertThat(file.segment().scope().isAlive()).isFalse();
    }

    @Test
    void aMissingFileAndAFolderAreIoErrorsThatNameThem() {
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> MappedFile.open(folder.resolve("none.bin"), arena))
                    .isInstanceOf(NoSuchFileException.class)
                    .hasMessageContaining("none.bin");
            assertThatThrownBy(() -> MappedFile.open(folder, arena))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining(folder.toString());
        }
    }

    @Test
    void useAfterCloseThrowsFromThisThreadAndFromAnother() throws IOException {
        Arena arena = Arena.ofShared();
        MappedFile file = MappedFile.open(file(new byte[16]), arena);
        Tensor tensor = file.tensor(0, DType.F32, Shape.of(4));
        InputStream stream = file.stream(0, 16);
        arena.close();
        assertThatThrownBy(() -> file.getLong(0)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> tensor.getFloat(0)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(stream::read).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() ->
                        CompletableFuture.supplyAsync(() -> tensor.getFloat(0)).join())
                .hasCauseInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> MappedFile.open(folder.resolve("weights.bin"), arena))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void tensorsAreViewsAtAnyByteAndEndWithinTheFile() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MappedFile file = MappedFile.open(file((byte) 9, (byte) 0, (byte) 0, (byte) 0x80, (byte) 0x3F), arena);
            Tensor one = file.tensor(1, DType.F32, Shape.of(1));
            assertThat(one.getFloat(0)).isEqualTo(1);
            assertThat(one.segment().address()).isEqualTo(file.segment().address() + 1);
            assertThatThrownBy(() -> file.tensor(2, DType.F32, Shape.of(1))).isInstanceOf(ShapeException.class);
            assertThatThrownBy(() -> file.tensor(6, DType.U8, Shape.of(0)))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> file.getLong(0)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void getLongIsLittleEndian() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            byte[] bytes = {0, 1, 2, 0, 0, 0, 0, 0, (byte) 0x80};
            assertThat(MappedFile.open(file(bytes), arena).getLong(1)).isEqualTo(0x8000000000000201L);
        }
    }

    @Test
    void streamsAPart() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            InputStream stream = MappedFile.open(file(new byte[] {1, 2, -3, 4, 5}), arena).stream(1, 3);
            assertThat(stream.read()).isEqualTo(2);
            assertThat(stream.read(new byte[0])).isZero();
            assertThat(stream.readAllBytes()).containsExactly(-3, 4);
            assertThat(stream.read()).isEqualTo(-1);
            assertThat(stream.read(new byte[1])).isEqualTo(-1);
        }
    }

    @Test
    void copiesAStreamOfExactlyTheSizeItShouldHave() throws IOException {
        byte[] bytes = new byte[200_000];
        bytes[199_999] = 7;
        try (Arena arena = Arena.ofConfined()) {
            MappedFile file = MappedFile.read("demo", new ByteArrayInputStream(bytes), bytes.length, arena);
            assertThat(file.bytes(0, bytes.length)).isEqualTo(bytes);
            assertThat(file.segment().isReadOnly()).isTrue();
            assertThatThrownBy(() -> MappedFile.read("demo", new ByteArrayInputStream(bytes), 200_001, arena))
                    .isInstanceOf(EOFException.class)
                    .hasMessageContainingAll("demo", "200000 of 200001");
            assertThatThrownBy(() -> MappedFile.read("demo", new ByteArrayInputStream(bytes), 199_999, arena))
                    .isInstanceOf(IOException.class)
                    .hasMessageContainingAll("demo", "199999");
        }
    }
}
