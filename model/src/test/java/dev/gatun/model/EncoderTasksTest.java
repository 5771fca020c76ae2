package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What encoders with heads say of texts and images, against transformers (tools/golden/encoder_tasks.py). */
class EncoderTasksTest {
    private static final float TOLERANCE = 1e-5f;

    private static JsonNode expected;
    private static List<String> texts;
    private static Backend backend;

    @TempDir
    private Path temp;

    @BeforeAll
    static void open() throws IOException {
        try (InputStream in = EncoderFolder.resource("expected.json")) {
            expected = new ObjectMapper().readTree(in);
        }
        texts = StreamSupport.stream(expected.get("texts").spliterator(), false)
                .map(JsonNode::asText)
                .toList();
        backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    private ModelFolder folder(String model) throws IOException {
        return ModelFolder.of(EncoderFolder.copy(model, temp.resolve(model)));
    }

    @Test
    void textsAreClassified() throws IOException {
        try (TextClassifier classifier = TextClassifier.open(folder("xlm-roberta"), backend)) {
            assertThat(classifier.labels()).containsExactly("O", "PER", "LOC");
            List<List<ScoredLabel>> labels = classifier.classifyAll(texts);
            for (int i = 0; i < labels.size(); i++) {
                assertThat(labels.get(i)).isSortedAccordingTo((a, b) -> Float.compare(b.score(), a.score()));
                for (ScoredLabel label : labels.get(i)) {
                    int id = classifier.labels().indexOf(label.label());
                    assertThat((double) label.score())
                            .isCloseTo(expected.get("classify").get(i).get(id).asDouble(), within((double) TOLERANCE));
                }
                assertThat(classifier.classify(texts.get(i))).isEqualTo(labels.get(i));
            }
        }
    }

    @Test
    void textsAreRankedByHowTheyAnswerAQuery() throws IOException {
        try (Reranker reranker = Reranker.open(folder("bert-classify"), backend)) {
            float[] scores = reranker.scores("the lake", texts);
            for (int i = 0; i < scores.length; i++) {
                assertThat((double) scores[i])
                        .isCloseTo(expected.get("rerank").get(i).asDouble(), within((double) TOLERANCE));
            }
            assertThat(reranker.rank("the lake", texts))
                    .isSortedAccordingTo((a, b) -> Float.compare(b.score(), a.score()))
                    .hasSameSizeAs(texts);
        }
    }

    @Test
    void namesAreFoundWithTheirPlaces() throws IOException {
        try (TokenClassifier classifier = TokenClassifier.open(folder("electra"), backend)) {
            for (int i = 0; i < texts.size(); i++) {
                List<TokenClassifier.Entity> entities = classifier.entities(texts.get(i));
                JsonNode wanted = expected.get("entities").get(i);
                assertThat(entities).hasSize(wanted.size());
                for (int j = 0; j < wanted.size(); j++) {
                    TokenClassifier.Entity entity = entities.get(j);
                    JsonNode reference = wanted.get(j);
                    assertThat(entity.label()).isEqualTo(reference.get(0).asText());
                    assertThat((double) entity.score())
                            .isCloseTo(reference.get(1).asDouble(), within((double) TOLERANCE));
                    // The reference counts characters, of which one here takes two chars.
                    int[] characters = texts.get(i).codePoints().toArray();
                    String text = new String(
                            characters,
                            reference.get(2).asInt(),
                            reference.get(3).asInt() - reference.get(2).asInt());
                    assertThat(entity.text()).isEqualTo(text);
                    assertThat(texts.get(i).substring(entity.start(), entity.end()))
                            .isEqualTo(text);
                }
            }
        }
    }

    @Test
    void gapsAreFilled() throws IOException {
        try (FillMask fillMask = FillMask.open(folder("bert-mlm"), backend)) {
            List<List<FillMask.Candidate>> gaps = fillMask.fill("the [MASK] is in the [MASK]", 3);
            assertThat(gaps).hasSize(2);
            for (int i = 0; i < 2; i++) {
                for (int j = 0; j < 3; j++) {
                    JsonNode reference = expected.get("gaps").get(i).get(j);
                    assertThat(gaps.get(i).get(j).id())
                            .isEqualTo(reference.get(0).asInt());
                    assertThat((double) gaps.get(i).get(j).score())
                            .isCloseTo(reference.get(1).asDouble(), within((double) TOLERANCE));
                }
            }
            assertThatThrownBy(() -> fillMask.fill("no gap", 3))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("no [MASK]");
        }
    }

    @Test
    void questionsAreAnsweredWithWordsOfTheText() throws IOException {
        try (QuestionAnswerer answerer = QuestionAnswerer.open(folder("bert-qa"), backend)) {
            QuestionAnswerer.Answer answer = answerer.answer("what lifts the ship?", texts.get(3));
            JsonNode reference = expected.get("answer");
            assertThat((double) answer.score()).isCloseTo(reference.get(0).asDouble(), within((double) TOLERANCE));
            assertThat(answer.start()).isEqualTo(reference.get(1).asInt());
            assertThat(answer.end()).isEqualTo(reference.get(2).asInt());
            assertThat(answer.text()).isEqualTo(texts.get(3).substring(answer.start(), answer.end()));
        }
    }

    @Test
    void aTextLongerThanTheModelIsReadInWindows() throws IOException {
        try (QuestionAnswerer answerer = QuestionAnswerer.open(folder("bert-qa"), backend)) {
            String text = "the lake is water. ".repeat(40);
            QuestionAnswerer.Answer answer = answerer.answer("what is the lake?", text);
            assertThat(answer.text())
                    .isEqualTo(text.substring(answer.start(), answer.end()))
                    .isNotEmpty();
            assertThatThrownBy(() -> answerer.answer("what is ".repeat(40), text))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("leaves");
        }
    }

    @Test
    void imagesAreResizedAsPillowDoesIt() throws IOException {
        Path image = temp.resolve("noise.png");
        try (InputStream in = EncoderFolder.resource("noise.png")) {
            Files.copy(in, image);
        }
        for (int resample = 2; resample <= 3; resample++) {
            Files.writeString(temp.resolve("preprocessor_config.json"), """
                {"size": {"height": 32, "width": 32}, "resample": %d,
                 "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.6, 0.7]}
                """.formatted(resample));
            var preprocessor = ImagePreprocessor.read(ModelFolder.of(temp), 32);
            float[] pixels = preprocessor.pixels(ImagePreprocessor.image(image));
            JsonNode reference = expected.get("pixels" + resample);
            int i = 0;
            for (int c = 0; c < 3; c++) {
                for (int y = 0; y < 32; y += 7) {
                    for (int x = 0; x < 32; x += 5) {
                        // Pillow's weights are integers of 22 bits: one step of 255 where a value lies on the border.
                        assertThat((double) pixels[(c * 32 + y) * 32 + x])
                                .isCloseTo(reference.get(i++).asDouble(), within(1 / 255.0 / 0.5 + 1e-6));
                    }
                }
            }
        }
    }

    @Test
    void imagesAreClassifiedAndWhatIsNoImageIsRefused() throws IOException {
        Path folder = EncoderFolder.copy("deit", temp.resolve("deit"));
        Files.writeString(folder.resolve("preprocessor_config.json"), "{\"size\": {\"height\": 32, \"width\": 32}}");
        Path image = temp.resolve("noise.png");
        try (InputStream in = EncoderFolder.resource("noise.png")) {
            Files.copy(in, image);
        }
        try (ImageClassifier classifier = ImageClassifier.open(ModelFolder.of(folder), backend)) {
            List<ScoredLabel> labels = classifier.classify(image);
            assertThat(labels).extracting(ScoredLabel::label).containsExactlyInAnyOrder("O", "PER", "LOC");
            assertThat(labels.stream().mapToDouble(ScoredLabel::score).sum()).isCloseTo(1, within(1e-6));
            assertThatThrownBy(() -> classifier.classify(folder.resolve("config.json")))
                    .isInstanceOf(InputException.class)
                    .hasMessageContainingAll("config.json", "not an image");
        }
    }

    @Test
    void aModelForAnotherTaskIsRefused() throws IOException {
        ModelFolder folder = folder("bert-mlm");
        assertThatThrownBy(() -> TextClassifier.open(folder, backend))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("MASKED_LM", "CLASSIFY");
        ModelFolder three = folder("xlm-roberta");
        assertThatThrownBy(() -> Reranker.open(three, backend))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("3 labels");
    }
}
