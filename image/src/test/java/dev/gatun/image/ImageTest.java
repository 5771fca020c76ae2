package dev.gatun.image;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageTest {
    private static final Path IMAGE = Path.of(Objects.requireNonNull(System.getProperty("gatun.image")));

    @TempDir
    private Path folder;

    private record Outcome(int code, String out, String err) {}

    @Test
    void theScriptEmbedsOnAMachineWithoutJavaAndSaysNothingElse() throws Exception {
        Outcome outcome = start(List.of(script().toString(), "embed", "hello world", "--backend", "vector"));
        assertEmbedded(outcome);
    }

    @Test
    void theJarNeedsNoOptions() throws Exception {
        Path java = IMAGE.resolve("runtime/bin/java");
        Path jar = IMAGE.resolve("lib/gatun.jar");
        assertEmbedded(start(List.of(java.toString(), "-jar", jar.toString(), "embed", "hello world")));
        Outcome translated = start(List.of(java.toString(), "-jar", jar.toString(), "translate", "I love you"));
        assertThat(translated).isEqualTo(new Outcome(0, "我爱你\n", ""));
    }

    @Test
    void itKnowsItsVersion() throws Exception {
        Outcome outcome = start(List.of(script().toString(), "--version"));
        assertThat(outcome.out()).matches("gatun \\d+\\.\\d+\\.\\d+.*\n");
        assertThat(outcome.err()).isEmpty();
    }

    /** The numbers of sentence-transformers for all-MiniLM-L6-v2, and 384 of them. */
    private static void assertEmbedded(Outcome outcome) {
        assertThat(outcome.err()).isEmpty();
        assertThat(outcome.code()).isZero();
        double[] vector = Arrays.stream(outcome.out().strip().split(" "))
                .mapToDouble(Double::parseDouble)
                .toArray();
        assertThat(vector).hasSize(384);
        assertThat(vector[0]).isCloseTo(-0.0345, offset(1e-4));
        assertThat(Arrays.stream(vector).map(x -> x * x).sum()).isCloseTo(1, offset(1e-4));
    }

    private static Path script() {
        boolean windows = System.getProperty("os.name").startsWith("Windows");
        return IMAGE.resolve(windows ? "bin/gatun.cmd" : "bin/gatun");
    }

    private Outcome start(List<String> command) throws IOException, InterruptedException {
        Path err = folder.resolve("stderr");
        ProcessBuilder builder = new ProcessBuilder(new ArrayList<>(command)).redirectError(err.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("JAVA") || name.startsWith("JDK_JAVA"));
        builder.environment().put("DJL_CACHE_DIR", folder.resolve("djl").toString()); // the tokenizer's
        if (Files.isDirectory(Path.of("/usr/bin"))) {
            builder.environment().put("PATH", bin().toString());
        }
        Process process = builder.start();
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), UTF_8);
        return new Outcome(process.waitFor(), out, Files.readString(err));
    }

    /** A PATH with what the script asks for, and no Java. */
    private Path bin() throws IOException {
        Path bin = Files.createDirectories(folder.resolve("bin"));
        for (String tool : List.of("sh", "dirname", "readlink")) {
            Path link = bin.resolve(tool);
            if (!Files.exists(link)) {
                Path real = Path.of("/usr/bin", tool);
                Files.createSymbolicLink(link, Files.exists(real) ? real : Path.of("/bin", tool));
            }
        }
        return bin;
    }
}
