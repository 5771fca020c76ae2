package dev.gatun.model.verify;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.model.Kinds;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Every model folder of the golden data, on every backend: the same as {@code gatun verify}. */
class GoldenModelsTest {
    private static final Path MODELS = Path.of("../golden/models");

    @TestFactory
    Stream<DynamicTest> everyFolderOnEveryBackend() throws IOException {
        List<Path> folders;
        try (Stream<Path> found = Files.list(MODELS)) {
            folders = found.sorted().toList();
        }
        assertThat(folders).isNotEmpty();
        return folders.stream()
                .flatMap(folder -> Kinds.all()
                        .map(kind -> DynamicTest.dynamicTest(
                                folder.getFileName() + " on " + kind, () -> verify(folder, kind))));
    }

    private static void verify(Path folder, Kind kind) throws IOException {
        try (Arena arena = Arena.ofConfined();
                Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            Verifier.Report report = Verifier.verify(ModelFolder.of(folder), backend, arena);
            assertThat(report.checks()).isNotEmpty();
            for (Check check : report.checks()) {
                System.out.printf(
                        "%s %s %-40s worst %.3g, tolerance %.3g%n",
                        folder.getFileName(), kind, check.tensor(), check.worst(), check.tolerance());
            }
            assertThat(report.checks()).allMatch(Check::passed);
        }
    }
}
