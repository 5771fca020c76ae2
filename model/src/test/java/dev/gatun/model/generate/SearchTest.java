package dev.gatun.model.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.generate.BeamSearch.Hypothesis;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a search gives for a source does not depend on what else is in the batch, nor on when the others end. */
class SearchTest {
    private static final int SOURCES = 13;

    private static int[][] sources() {
        Random random = new Random(7);
        int[][] sources = new int[SOURCES][];
        for (int i = 0; i < SOURCES; i++) {
            sources[i] = random.ints(1 + random.nextInt(20), 3, 100).toArray();
        }
        return sources;
    }

    private static List<List<Hypothesis>> beams(Seq2SeqModel model, GenerationConfig config, int[]... sources) {
        int longest = Arrays.stream(sources).mapToInt(s -> s.length).max().orElse(1);
        var size = new SessionSize(sources.length, config.beams(), longest, config.maxTokens(), 1);
        try (var session = model.transformer().newSession(size)) {
            session.encode(sources);
            return new BeamSearch(config).run(session);
        }
    }

    private static int[][] greedy(Seq2SeqModel model, GenerationConfig config, Sampling sampling, int[]... sources) {
        int longest = Arrays.stream(sources).mapToInt(s -> s.length).max().orElse(1);
        try (var session =
                model.transformer().newSession(new SessionSize(sources.length, 1, longest, config.maxTokens(), 1))) {
            session.encode(sources);
            return new GreedySearch(config, sampling).run(session);
        }
    }

    private static Seq2SeqModel load(String family, Backend backend) throws IOException {
        return Seq2SeqModel.load(ModelFolder.of(Path.of("../golden/models", family)), backend);
    }

    @ParameterizedTest
    @CsvSource({"marian,VECTOR", "bart,VECTOR", "t5,VECTOR", "gated-t5,SCALAR", "bart,SCALAR"})
    void aBatchHasTheBitsOfOneAtATime(String family, Kind kind) throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(kind, 2, null));
                Seq2SeqModel model = load(family, backend)) {
            int[][] sources = sources();
            GenerationConfig greedy = model.generation().withMaxTokens(30);
            Sampling drawn = new Sampling(1.2, 30, 0.95, 0, 1, 11);
            int[][] greedyIds = greedy(model, greedy, Sampling.GREEDY, sources);
            int[][] drawnIds = greedy(model, greedy, drawn, sources);
            List<List<Hypothesis>> best = beams(model, greedy.withBeams(3), sources);
            List<Integer> lengths = new ArrayList<>();
            for (int i = 0; i < SOURCES; i++) {
                assertThat(greedyIds[i]).isEqualTo(greedy(model, greedy, Sampling.GREEDY, sources[i])[0]);
                assertThat(drawnIds[i]).isEqualTo(greedy(model, greedy, drawn, sources[i])[0]);
                List<Hypothesis> alone =
                        beams(model, greedy.withBeams(3), sources[i]).getFirst();
                assertThat(best.get(i)).hasSameSizeAs(alone);
                for (int j = 0; j < alone.size(); j++) {
                    assertThat(best.get(i).get(j).ids()).isEqualTo(alone.get(j).ids());
                    assertThat(best.get(i).get(j).score())
                            .isEqualTo(alone.get(j).score());
                }
                lengths.add(greedyIds[i].length);
            }
            assertThat(lengths.stream().distinct())
                    .as("targets that end at different steps")
                    .hasSizeGreaterThan(2);
        }
    }

    @Test
    void rulesHold() throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null));
                Seq2SeqModel model = load("bart", backend)) {
            TokenRules rules = new TokenRules(
                    50, 51, new int[] {9}, new int[] {60}, List.of(new int[] {7}, new int[] {50, 15}), 2, 1f, null);
            GenerationConfig config =
                    model.generation().withRules(rules).withTokens(5, 12).withBeams(4);
            List<int[]> targets = new ArrayList<>(List.of(greedy(model, config, Sampling.GREEDY, sources())));
            beams(model, config, sources()).forEach(best -> best.forEach(hypothesis -> targets.add(hypothesis.ids())));
            for (int[] ids : targets) {
                assertThat(ids[0]).isEqualTo(50);
                assertThat(ids).doesNotContain(7, 9).hasSizeBetween(6, 12);
                assertThat(ids[1]).isNotIn(15, 60);
                if (ids.length == 12) {
                    assertThat(ids[11]).isEqualTo(51);
                }
                for (int i = 1; i < ids.length - 1; i++) {
                    for (int j = 1; j < i; j++) {
                        assertThat(ids[i] == ids[j] && ids[i - 1] == ids[j - 1])
                                .as("a pair twice")
                                .isFalse();
                    }
                }
            }
        }
    }

    @Test
    void refusesSettingsOutOfRange() {
        GenerationConfig config = GenerationConfig.greedy(0, 1, 2, 10);
        assertThatThrownBy(() -> config.withBeams(0)).hasMessage("beams 0: must be 1 to 256");
        assertThatThrownBy(() -> config.withBeams(10_000)).hasMessage("beams 10000: must be 1 to 256");
        assertThatThrownBy(() -> config.withMaxTokens(0)).hasMessage("maxTokens 0: must be at least 1");
        assertThatThrownBy(() -> config.withTokens(-1, 5)).hasMessage("minTokens -1: must not be negative");
        assertThatThrownBy(() -> TokenRules.FREE.withNoRepeatNgram(-1)).isInstanceOf(IllegalArgumentException.class);
    }
}
