package dev.gatun.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.ops.Pick.Timing;
import dev.gatun.ops.PickTable.Shape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PickTableTest {
    private static final Map<Shape, Timing> ENTRIES = Map.of(
            new Shape("linear", 4, 384, 1536), new Timing(true, 1930.1, 812.5),
            new Shape("linear", 0, 384, 384), new Timing(false, 1000, 2000),
            new Shape("attention", 4, 7, 64), new Timing(true, 0.3, 0.2),
            new Shape("attention/4+80", 0, 9, 64), new Timing(false, 5, 70));

    @TempDir
    Path folder;

    private PickTable table;

    @BeforeEach
    void aTable() {
        table = PickTable.in(folder, "a CPU; a JVM; 2 threads");
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        assertThat(table.read()).isEmpty();
        table.write(ENTRIES);
        assertThat(table.read()).isEqualTo(ENTRIES);
        table.write(Map.of());
        assertThat(table.read()).isEmpty();
        assertThat(table.file()).isRegularFile();
        try (var files = Files.list(table.file().getParent())) {
            assertThat(files).containsExactly(table.file());
        }
    }

    @Test
    void anotherMachineHasAnotherFile() throws IOException {
        table.write(ENTRIES);
        PickTable other = PickTable.in(folder, "a CPU; a JVM; 3 threads");
        assertThat(other.read()).isEmpty();
        Files.copy(table.file(), other.file());
        assertThatThrownBy(other::read).isInstanceOf(IOException.class).hasMessageContaining("not written by this");
    }

    @Test
    void aKeyStaysOnItsLine() throws IOException {
        PickTable odd = PickTable.in(folder, "a\nlinear 0 1 1 vector 1.0 1.0\r\0CPU");
        odd.write(ENTRIES);
        assertThat(odd.read()).isEqualTo(ENTRIES);
    }

    @Test
    void aFileThatEndsEarlyOrHasOneWrongByteIsNotRead() throws IOException {
        table.write(ENTRIES);
        byte[] whole = Files.readAllBytes(table.file());
        for (int length = 0; length < whole.length; length++) {
            Files.write(table.file(), java.util.Arrays.copyOf(whole, length));
            assertThatThrownBy(table::read).as("first %d bytes", length).isInstanceOf(IOException.class);
        }
        var random = new Random(1);
        for (int i = 0; i < whole.length; i++) {
            byte[] damaged = whole.clone();
            damaged[i] ^= (byte) (1 << random.nextInt(8));
            Files.write(table.file(), damaged);
            assertThatThrownBy(table::read).as("byte %d", i).isInstanceOf(IOException.class);
        }
        Files.write(table.file(), (new String(whole, StandardCharsets.UTF_8) + "x").getBytes(StandardCharsets.UTF_8));
        assertThatThrownBy(table::read).isInstanceOf(IOException.class);
    }

    @Test
    void aWellFormedFileWithNonsenseInItIsNotRead() throws IOException {
        table.write(Map.of());
        for (String line : List.of(
                "linear 4 384 1536 vector NaN 1930.1",
                "linear -4 384 1536 vector 1.0 1.0",
                "linear 4 99999999999 1536 vector 1.0 1.0",
                "convolution 4 384 1536 vector 1.0 1.0",
                "linear 4 384 1536 scalar 1.0 1.0",
                "")) {
            String text = "gatun picks 1\nkey " + table.key() + "\n" + line + "\n";
            var crc = new java.util.zip.CRC32();
            crc.update(text.getBytes(StandardCharsets.UTF_8));
            Files.writeString(table.file(), text + String.format("end 1 %08x%n", crc.getValue()));
            assertThatThrownBy(table::read).isInstanceOf(IOException.class).hasMessageContaining("line 3");
        }
    }

    @Test
    void whatIsNoFileOrTooLargeIsNotRead() throws IOException {
        Files.createDirectories(table.file());
        assertThatThrownBy(table::read).isInstanceOf(IOException.class).hasMessageContaining("not a file");
        Files.delete(table.file());
        Files.write(table.file(), new byte[2 << 20]);
        assertThatThrownBy(table::read).isInstanceOf(IOException.class).hasMessageContaining("larger");
    }

    @Test
    void manyShapesAreCutToWhatIsRead() throws IOException {
        Map<Shape, Timing> many = new HashMap<>();
        for (int i = 0; i < 10_000; i++) {
            many.put(new Shape("linear", 4, i, 384), new Timing(true, 2, 1));
        }
        table.write(many);
        assertThat(table.read()).hasSize(4096);
    }

    @Test
    void writersAtOnceLeaveOneWholeFile() throws Exception {
        List<Callable<Boolean>> work = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            int nanos = i + 1;
            work.add(() -> {
                for (int j = 0; j < 20; j++) {
                    table.write(Map.of(new Shape("linear", 0, 8, 8), new Timing(true, nanos, nanos)));
                    assertThat(table.read()).hasSize(1);
                }
                return true;
            });
        }
        try (var pool = Executors.newFixedThreadPool(8)) {
            for (var done : pool.invokeAll(work)) {
                assertThat(done.get()).isTrue();
            }
        }
    }
}
