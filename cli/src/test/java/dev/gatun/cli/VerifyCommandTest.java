package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.model.weights.SafetensorsFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VerifyCommandTest {
    private static final Path MARIAN = Path.of("../golden/models/marian");

    @ParameterizedTest
    @CsvSource({"marian, openblas", "marian, scalar", "vaswani, openblas", "vaswani, vector"})
    void goldenModelsPassWithALineForEachTensor(String model, String backend) {
        Path folder = Path.of("../golden/models", model);
        List<String> lines = Outcome.of("verify", folder.toString(), "--backend", backend)
                .isDone()
                .lines();
        assertThat(lines.getFirst()).matches("tensor +worst error +tolerance +result");
        int checks = lines.size() - 2;
        assertThat(lines.subList(1, checks + 1)).allMatch(line -> line.matches("\\S+ +[0-9.e-]+ +[0-9.e-]+ +ok"));
        assertThat(lines.getLast())
                .startsWith(folder + ": " + checks + " of " + checks + " tensors ok; " + backend + " products");
    }

    @Test
    void aTensorBeyondItsToleranceFailsWithExitCode1(@TempDir Path folder) throws IOException {
        copy(MARIAN, folder);
        Path expected = folder.resolve("expected.json");
        // No float32 forward pass of another order of sums has the reference's very bits.
        Files.writeString(
                expected, Files.readString(expected).replaceAll("\"tolerance\": [0-9.e-]+", "\"tolerance\": 0"));
        Outcome outcome = Outcome.of("verify", folder.toString());
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.err()).isEmpty();
        assertThat(outcome.lines()).anyMatch(line -> line.matches("batch\\.logits +[1-9][0-9.e-]+ +0  FAIL"));
        assertThat(outcome.lines().getLast()).matches(".*: \\d+ of \\d+ tensors ok, \\d+ FAIL; .*");
    }

    @Test
    void dumpWritesWhatWasComputedUnderTheSameNames(@TempDir Path folder) throws IOException {
        Path dump = folder.resolve("computed.safetensors");
        Outcome outcome = Outcome.of("verify", MARIAN.toString(), "--dump", dump.toString())
                .isDone();
        try (Arena arena = Arena.ofConfined()) {
            var computed = SafetensorsFile.open(dump, arena).tensors();
            var expected = SafetensorsFile.open(MARIAN.resolve("expected.safetensors"), arena)
                    .tensors();
            for (String line : outcome.lines().subList(1, outcome.lines().size() - 1)) {
                String name = line.substring(0, line.indexOf(' '));
                assertThat(computed).containsKey(name);
                assertThat(computed.get(name).shape())
                        .isEqualTo(expected.get(name).shape());
                assertThat(computed.get(name).dtype())
                        .isEqualTo(expected.get(name).dtype());
            }
            assertThat(computed.get("batch.greedy_ids").toLongs())
                    .isEqualTo(expected.get("batch.greedy_ids").toLongs());
        }
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(dump);
        }
    }

    @Test
    void dumpIntoAMissingFolderIsAnErrorBeforeAnythingIsComputed(@TempDir Path folder) {
        Path dump = folder.resolve("missing").resolve("computed.safetensors");
        Outcome.of("verify", MARIAN.toString(), "--dump", dump.toString())
                .refusesWith("--dump " + dump + ": there is no folder " + dump.getParent());
        Outcome.of("verify", MARIAN.toString(), "--dump", folder.toString()).refusesWith(folder + ": is a folder");
    }

    @Test
    void aMissingFolderOrFileIsAnErrorThatNamesIt(@TempDir Path folder) {
        Outcome.of("verify").refusesWith("missing required parameter: 'DIR'; see gatun verify --help");
        Outcome.of("verify", "no-such-folder").refusesWith("no-such-folder: no such model folder");
        Outcome.of("verify", folder.toString()).refusesWith(folder.resolve("expected.json") + ": no such file");
        Outcome.of("verify", MARIAN.toString(), "and another").refusesWith("'and another'");
    }

    @Test
    void aFolderWithoutConfigIsAnError(@TempDir Path folder) throws IOException {
        copy(MARIAN, folder);
        Files.delete(folder.resolve("config.json"));
        Outcome.of("verify", folder.toString()).refusesWith(folder.resolve("config.json") + ": no such file");
    }

    @Test
    void truncatedWeightsAreAnErrorThatNamesTheFile(@TempDir Path folder) throws IOException {
        copy(MARIAN, folder);
        Path weights = folder.resolve("model.safetensors");
        byte[] whole = Files.readAllBytes(weights);
        Files.write(weights, java.util.Arrays.copyOf(whole, whole.length / 2));
        Outcome.of("verify", folder.toString()).refusesWith(weights.toString());
    }

    @Test
    void aReferenceWithNothingToCompareIsAnError(@TempDir Path folder) throws IOException {
        copy(MARIAN, folder);
        Files.writeString(folder.resolve("expected.json"), "{\"cases\": {}, \"tensors\": {}}");
        Outcome.of("verify", folder.toString()).refusesWith("expected.json: has no outputs to compare with");
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }
}
