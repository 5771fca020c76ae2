package dev.gatun.model.verify;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.GgufModel;
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

/** What llama.cpp's converter makes of a checkpoint computes what the checkpoint does (golden/gguf, tools/golden/convert_gguf.py). */
class GgufModelsTest {
    @TestFactory
    Stream<DynamicTest> aConvertedCheckpointGivesTheExpectedValues() throws IOException {
        List<Path> files;
        try (Stream<Path> found = Files.list(Path.of("../golden/gguf"))) {
            files = found.sorted().toList();
        }
        assertThat(files).hasSizeGreaterThan(10);
        return files.stream()
                .map(file -> DynamicTest.dynamicTest(String.valueOf(file.getFileName()), () -> verify(file)));
    }

    private static void verify(Path file) throws IOException {
        String family = String.valueOf(file.getFileName()).replace(".gguf", "");
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null));
                GgufModel gguf = GgufModel.open(file);
                DecoderModel model = DecoderModel.load(gguf, backend, WeightFormat.AS_STORED)) {
            Verifier.Report report = Verifier.verify(model, ModelFolder.of(Path.of("../golden/models", family)), arena);
            assertThat(report.checks()).hasSizeGreaterThan(10).allMatch(Check::passed);
        }
    }
}
