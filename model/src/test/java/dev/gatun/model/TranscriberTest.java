package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.memory.Tensor;
import dev.gatun.model.Transcriber.Segment;
import dev.gatun.model.Transcriber.Transcription;
import dev.gatun.model.audio.WavBytes;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.SafetensorsFile;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A transcriber over the golden models of speech, whose ids and times are transformers'. */
class TranscriberTest {
    private static final Path GOLDEN = Path.of("../golden/models");

    @TempDir
    Path folder;

    private static Backend backend() {
        return Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
    }

    private static Map<String, Tensor> expected(String family, Arena arena) throws IOException {
        return SafetensorsFile.of(ModelFolder.of(GOLDEN.resolve(family)).open("expected.safetensors", arena))
                .tensors();
    }

    private Path wav(Tensor samples) throws IOException {
        return Files.write(folder.resolve("sound.wav"), WavBytes.of(1, 16, 1, 16_000, samples.toFloats()));
    }

    @ParameterizedTest
    @CsvSource({"whisper,en", "whisper-large,"})
    void aLongFileHasTheSegmentsOfTheReference(String family, String language) throws IOException {
        try (Arena arena = Arena.ofConfined();
                Backend backend = backend();
                Transcriber opened = Transcriber.open(ModelFolder.of(GOLDEN.resolve(family)), backend)) {
            Map<String, Tensor> expected = expected(family, arena);
            Transcriber asked = language == null ? opened : opened.in(language).task("transcribe");
            Transcriber limited = asked.with(asked.generation().withMaxTokens(14));
            List<Double> progress = new ArrayList<>();
            Transcription heard =
                    limited.transcribe(wav(expected.get("long.samples").select(0, 0)), progress::add);
            long[] times = expected.get("long.segment_times").toLongs();
            List<Segment> segments = heard.segments();
            assertThat(segments).hasSizeBetween(2, times.length / 2);
            int at = 0;
            for (Segment segment : segments) { // those of blanks only are left out
                while (Math.abs(times[2 * at] / 100.0 - segment.start()) > 1e-6) {
                    at++;
                }
                assertThat(segment.end())
                        .isCloseTo(times[2 * at] == -100 ? -1 : times[2 * at + 1] / 100.0, within(1e-6));
                assertThat(segment.text()).doesNotContain("<|").isNotBlank();
            }
            assertThat(heard.text()).isNotBlank();
            assertThat(heard.language()).isIn("en", "de", "zh");
            assertThat(progress).isSorted().last().isEqualTo(1.0);
        }
    }

    @Test
    void withTimesOrWithoutAndInATaskTheModelKnows() throws IOException {
        try (Arena arena = Arena.ofConfined();
                Backend backend = backend();
                Transcriber opened = Transcriber.open(ModelFolder.of(GOLDEN.resolve("whisper")), backend)) {
            Path file = wav(expected("whisper", arena).get("batch.samples").select(0, 0));
            Transcriber german =
                    opened.with(opened.generation().withMaxTokens(14)).in("de").task("translate");
            Transcription plain = german.transcribe(file);
            assertThat(plain.segments()).hasSize(1);
            assertThat(plain.segments().getFirst().start()).isZero();
            assertThat(plain.segments().getFirst().end()).isEqualTo(1);
            assertThat(plain.language()).isEqualTo("de");
            assertThat(german.withTimestamps().transcribe(file).segments()).isNotEmpty();
            assertThat(german.transcribe(file)).isEqualTo(plain);
            assertThat(german.with(german.generation().withBeams(4))
                            .transcribe(file)
                            .text())
                    .isNotEqualTo(plain.text());
            assertThatThrownBy(() -> opened.in("fr"))
                    .isInstanceOf(InputException.class)
                    .hasMessage("language fr: the model knows de, en, zh");
            assertThatThrownBy(() -> opened.task("sing"))
                    .isInstanceOf(InputException.class)
                    .hasMessage("task sing: the model knows transcribe, translate");
            assertThatThrownBy(() -> opened.transcribe(Files.writeString(folder.resolve("text.wav"), "no sound")))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("text.wav: not a sound file");
        }
    }

    private Path copy(String family) throws IOException {
        Path copy = Files.createDirectory(folder.resolve("copy"));
        try (Stream<Path> files = Files.list(GOLDEN.resolve(family))) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
        return copy;
    }

    private static void refuses(Path model, String... parts) {
        try (Backend backend = backend()) {
            assertThatThrownBy(() -> Transcriber.open(ModelFolder.of(model), backend))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContainingAll(parts);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "preprocessor_config.json,\"chunk_length\": 1,\"chunk_length\": 2,makes windows of 200 columns",
        "preprocessor_config.json,\"feature_size\": 80,\"feature_size\": 81,feature_size is 81",
        "generation_config.json,no_timestamps_token_id,gone,no_timestamps_token_id is missing",
        "config.json,\"num_mel_bins\": 80,\"num_mel_bins\": 0,num_mel_bins is 0",
        "config.json,\"max_source_positions\": 50,\"max_source_positions\": 49,embed_positions",
        "config.json,\"d_model\": 32,\"d_model\": 33,heads",
    })
    void filesThatDoNotFitTogetherAreOneErrorEach(String file, String from, String to, String message)
            throws IOException {
        Path copy = copy("whisper");
        String text = Files.readString(copy.resolve(file));
        assertThat(text).contains(from);
        Files.writeString(copy.resolve(file), text.replace(from, to));
        refuses(copy, message);
    }

    @Test
    void soundIsForModelsOfSoundAndTextForThoseOfText() {
        refuses(GOLDEN.resolve("marian"), "a model of type marian reads no sound");
        try (Backend backend = backend()) {
            assertThatThrownBy(() -> Translator.open(ModelFolder.of(GOLDEN.resolve("whisper")), backend))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("a model of type whisper reads sound");
        }
    }
}
