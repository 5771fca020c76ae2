package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The model inside the jar, against the reference's own output for texts it was not trained on. */
class TranslatorTest {
    private record HeldOut(List<String> sources, List<String> outputs) {
        static HeldOut read() throws IOException {
            var heldOut = new HeldOut(new ArrayList<>(), new ArrayList<>());
            try (var in = TranslatorTest.class.getResourceAsStream("text/held_out.json")) {
                for (JsonNode one : new ObjectMapper().readTree(in).get("cases")) {
                    heldOut.sources.add(one.get("source").asText());
                    heldOut.outputs.add(one.get("output").asText());
                }
            }
            return heldOut;
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void givesTheReferencesOutputForEveryHeldOutText(Kind kind) throws IOException {
        HeldOut heldOut = HeldOut.read();
        assertThat(heldOut.sources).hasSize(200);
        try (Backend backend = Backend.open(new Backend.Options(kind, 2, null));
                Translator translator = Translator.openDemo(backend)) {
            assertThat(translator.translateAll(heldOut.sources)).isEqualTo(heldOut.outputs);
        }
    }

    @Test
    void beamSearchTranslatesToo() throws IOException {
        HeldOut heldOut = HeldOut.read();
        try (Backend backend = Backend.open(Backend.Options.defaults());
                Translator demo = Translator.openDemo(backend)) {
            Translator translator = demo.with(demo.generation().withBeams(4));
            assertThat(translator.translateAll(heldOut.sources.subList(0, 60)))
                    .isEqualTo(heldOut.outputs.subList(0, 60));
        }
    }

    @Test
    void aTextAloneGivesWhatItGivesInABatchAndFromManyThreads() throws Exception {
        HeldOut heldOut = HeldOut.read();
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
                Translator translator = Translator.openDemo(backend);
                var callers = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<String>> results = new ArrayList<>();
            for (String source : heldOut.sources.subList(0, 40)) {
                results.add(callers.submit(() -> translator.translate(source)));
            }
            for (int i = 0; i < results.size(); i++) {
                assertThat(results.get(i).get()).isEqualTo(heldOut.outputs.get(i));
            }
        }
    }

    @Test
    void aBlankTextIsAnEmptyOneAndALongOneIsRefused() throws IOException {
        try (Backend backend = Backend.open(Backend.Options.defaults());
                Translator translator = Translator.openDemo(backend)) {
            assertThat(translator.translateAll(List.of("", "  \n", "I love you")))
                    .containsExactly("", "", "我爱你");
            assertThat(translator.translateAll(List.of())).isEmpty();
            assertThatThrownBy(() -> translator.translate("one ".repeat(100_000)))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("100001 tokens")
                    .hasMessageContaining("at most 128");
        }
    }

    @Test
    void knowsDates() throws IOException {
        try (Backend backend = Backend.open(Backend.Options.defaults());
                Translator translator = Translator.openDemo(backend)) {
            assertThat(translator.translate("two hundred and five")).isEqualTo("二百零五");
            assertThat(translator.translate("the first of December, seventeen ninety-eight"))
                    .isEqualTo("一七九八年十二月一日");
        }
    }

    @Test
    void nBestComeWithTheirScoresAndSentencesOneByOne() throws IOException {
        try (Backend backend = Backend.open(Backend.Options.defaults());
                Translator translator = Translator.openDemo(backend)) {
            List<Translator.Translation> best = translator.nBest("two hundred and five", 3);
            assertThat(best).hasSize(3);
            assertThat(best.getFirst().text()).isEqualTo("二百零五");
            assertThat(best.get(1).score())
                    .isBetween(best.get(2).score(), best.getFirst().score());
            assertThat(best.getFirst().score()).isNegative();
            assertThat(translator.nBest(" ", 2)).isEmpty();
            assertThatThrownBy(() -> translator.nBest("one", 0)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> translator.nBest("one", 10_000)).hasMessageContaining("10000: must be 1 to 256");
            assertThat(translator.translateSentences("I love you\n\ntwo hundred and five", java.util.Locale.ENGLISH))
                    .isEqualTo("我爱你\n\n二百零五");
            Translator drawing = translator.with(new dev.gatun.model.generate.Sampling(0.1, 5, 1, 0, 1, 3));
            assertThat(drawing.translate("I love you")).isEqualTo(drawing.translate("I love you"));
        }
    }
}
