package dev.gatun.cli.serve.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.cli.serve.engine.GeneratedText.EngineFailure;
import dev.gatun.cli.serve.engine.GeneratedText.Part;
import dev.gatun.cli.serve.engine.TextEngine.Size;
import dev.gatun.model.InputException;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.generate.TextGeneration.End;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Texts of an engine are those that they are alone, bit for bit, whoever else is there. */
class TextEngineTest {
    private static final long LONG = 20_000_000_000L;

    private final AtomicInteger preempted = new AtomicInteger();
    private final AtomicInteger known = new AtomicInteger();
    private final EngineObserver observer = new EngineObserver() {
        @Override
        public void preempted() {
            preempted.incrementAndGet();
        }

        @Override
        public void started(long waited, int promptTokens, int knownTokens) {
            known.addAndGet(knownTokens);
        }
    };

    private static Backend backend;
    private static TextGenerator generator;

    @BeforeAll
    static void open(@TempDir Path folder) throws IOException {
        backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
        generator = TextGenerator.open(TinyLlama.withPositions(folder, 1024), backend);
    }

    @AfterAll
    static void close() {
        generator.close();
        backend.close();
    }

    private static int[] ids(String prompt) {
        return generator.tokenizer().encodeIds(prompt, true);
    }

    private static Settings settings(int maxTokens, Sampling sampling, boolean logProbabilities) {
        return new Settings(maxTokens, sampling, List.of(), Set.of(), logProbabilities, 0);
    }

    /** Prompts and settings of all kinds: short, long, greedy, drawn, penalised, constrained. */
    private static List<Map.Entry<String, Settings>> mixed() {
        List<Map.Entry<String, Settings>> all = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            String prompt = "The vocabulary of page " + i + " says " + "what a page is, ".repeat(i * i % 11);
            Settings settings = switch (i % 4) {
                case 0 -> settings(20 + 3 * i, Sampling.GREEDY, false);
                case 1 -> settings(25, new Sampling(0.9, 0, 1, 0, 1, i), true);
                case 2 -> settings(20 + 3 * i, new Sampling(1.2, 20, 0.9, 0.01, 1.1, i), false);
                default ->
                    settings(30, new Sampling(1, 0, 1, 0, 1, i), true)
                            .with(Constraint.regex("[a-z]{5,20}( [0-9]{2,9}){1,3}"));
            };
            all.add(Map.entry(prompt, settings));
        }
        return all;
    }

    private void assertSame(Result actual, Result expected) {
        assertThat(actual.ids()).containsExactly(expected.ids());
        assertThat(actual.text()).isEqualTo(expected.text());
        assertThat(actual.logProbabilities()).containsExactly(expected.logProbabilities());
        assertThat(actual.end()).isEqualTo(expected.end());
        assertThat(actual.promptTokens()).isEqualTo(expected.promptTokens());
    }

    private static Result whole(GeneratedText text) throws InterruptedException {
        StringBuilder parts = new StringBuilder();
        while (true) {
            Part part = text.next(LONG);
            assertThat(part).as("no part in time").isNotNull();
            parts.append(part.text());
            if (part.result() != null) {
                assertThat(parts.toString()).isEqualTo(part.result().text());
                return part.result();
            }
        }
    }

    /** Runs all in one batch that each joins some steps after the one before. */
    private List<Result> batched(List<Map.Entry<String, Settings>> all, Size size, int apart) throws Exception {
        List<GeneratedText> texts = new ArrayList<>();
        try (RunningBatch batch = new RunningBatch(generator.decoder().newSession(size.session()), 2, observer)) {
            Map<Integer, Job> waiting = new HashMap<>();
            int next = 0;
            for (int step = 0; next < all.size() || batch.size() > 0; step++) {
                if (next < all.size() && step >= apart * next) {
                    int[] prompt = ids(all.get(next).getKey());
                    Settings settings = all.get(next).getValue();
                    var text = new GeneratedText();
                    Job job = waiting.computeIfAbsent(
                            next,
                            _ -> new Job(
                                    text,
                                    generator.newContinuation(prompt, settings.maxTokens(), settings, text::add),
                                    settings.logProbabilities() ? 2 : -1));
                    if (batch.admit(job)) {
                        texts.add(job.text());
                        next++;
                    }
                }
                batch.step();
            }
        }
        List<Result> results = new ArrayList<>();
        for (GeneratedText text : texts) {
            results.add(whole(text));
        }
        return results;
    }

    private void assertAsAlone(List<Map.Entry<String, Settings>> all, List<Result> results) {
        assertThat(results).hasSameSizeAs(all);
        for (int i = 0; i < all.size(); i++) {
            assertSame(
                    results.get(i),
                    generator.generate(all.get(i).getKey(), all.get(i).getValue()));
        }
    }

    @Test
    void aTextIsTheSameWhoeverSharesItsBatch() throws Exception {
        List<Map.Entry<String, Settings>> all = mixed();
        List<Result> results = batched(all, new Size(8, 1024, 8 * 1024, 0), 2);
        assertAsAlone(all, results);
        assertThat(preempted).hasValue(0);
        assertThat(known.get()).as("prompts begin alike").isGreaterThan(50);
    }

    @Test
    void aTextThatHadToGiveItsPagesBackIsTheSame() throws Exception {
        List<Map.Entry<String, Settings>> all = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Sampling sampling = i % 2 == 0 ? Sampling.GREEDY : new Sampling(1, 0, 1, 0, 1, i);
            all.add(Map.entry(i + " page ".repeat(60 + 10 * i), settings(230, sampling, i % 2 == 1)));
        }
        List<Result> results = batched(all, new Size(4, 1024, 1000, 0), 1);
        assertAsAlone(all, results);
        assertThat(preempted).hasPositiveValue();
    }

    /** All pages there are hold what was computed for the text before: it goes, and its page is not to be copied. */
    @Test
    void aTextThatBeginsLikeTheOneBeforeMayNeedItsLastPage() throws Exception {
        List<Map.Entry<String, Settings>> all = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            all.add(Map.entry("The vocabulary of a page says " + i, settings(20, Sampling.GREEDY, false)));
        }
        assertAsAlone(all, batched(all, new Size(1, 60, 60, 0), 1));
        assertAsAlone(all, batched(all, new Size(3, 60, 60, 0), 1));
        assertThat(known).hasPositiveValue();
    }

    @Test
    void manyCallersAtOnceGetTheirOwnTexts() throws Exception {
        List<Map.Entry<String, Settings>> all = mixed();
        try (TextEngine engine = TextEngine.start("test", generator, new Size(4, 512, 4 * 512, 100), observer)) {
            List<GeneratedText> texts = new ArrayList<>();
            for (int round = 0; round < 2; round++) {
                for (var one : all) {
                    texts.add(engine.submit(ids(one.getKey()), one.getValue(), 0));
                }
            }
            List<Result> results = new ArrayList<>();
            for (int i = 0; i < texts.size(); i++) {
                Result result = whole(texts.get(i));
                if (i < all.size()) {
                    results.add(result);
                } else {
                    assertSame(result, results.get(i % all.size()));
                }
            }
            assertAsAlone(all, results);
            assertThat(engine.drain(Duration.ofSeconds(10))).isTrue();
            assertThatThrownBy(() -> engine.submit(ids("a"), Settings.DEFAULT, 0))
                    .isInstanceOf(IllegalStateException.class);
            assertThat(engine.state().active()).isZero();
        }
    }

    @Test
    void tokensHaveTheirLogProbabilitiesAndAlternatives() throws Exception {
        try (TextEngine engine = TextEngine.start("test", generator, new Size(2, 256, 512, 2), observer)) {
            Settings settings = settings(6, Sampling.GREEDY, true);
            GeneratedText text = engine.submit(ids("The vocabulary"), settings, 3);
            List<GeneratedText.Token> tokens = new ArrayList<>();
            Result result = null;
            while (result == null) {
                Part part = text.next(LONG);
                tokens.addAll(part.tokens());
                result = part.result();
            }
            assertThat(tokens).hasSize(6);
            for (int i = 0; i < 6; i++) {
                GeneratedText.Token token = tokens.get(i);
                assertThat(token.id()).isEqualTo(result.ids()[i]);
                assertThat(token.logProbability()).isEqualTo(result.logProbabilities()[i]);
                assertThat(token.mostProbable()).hasSize(3);
                assertThat(token.mostProbable().getFirst().id()).as("greedy").isEqualTo(token.id());
                assertThat(token.mostProbable().getFirst().logProbability()).isEqualTo(token.logProbability());
                assertThat(token.mostProbable().get(1).logProbability())
                        .isLessThanOrEqualTo(token.logProbability())
                        .isGreaterThanOrEqualTo(token.mostProbable().get(2).logProbability());
            }
        }
    }

    @Test
    void whatIsCancelledStopsAndMakesRoom() throws Exception {
        try (TextEngine engine = TextEngine.start("test", generator, new Size(1, 1024, 1024, 1), observer)) {
            Settings endless = settings(1000, new Sampling(1, 0, 1, 0, 1, 7), false);
            GeneratedText first = engine.submit(ids("The"), endless, 0);
            while (!first.isStarted()) {
                Thread.sleep(1);
            }
            GeneratedText second = engine.submit(ids("A page"), settings(3, Sampling.GREEDY, false), 0);
            assertThatThrownBy(() -> engine.submit(ids("A page"), endless, 0))
                    .isInstanceOf(BusyException.class)
                    .hasMessageContaining("1 texts wait already");
            first.cancel();
            assertThat(whole(second).ids()).hasSize(3);
            while (engine.state().active() > 0) {
                Thread.sleep(1);
            }
            GeneratedText third = engine.submit(ids("The"), endless, 0);
            GeneratedText fourth = engine.submit(ids("Fourth"), endless, 0);
            fourth.cancel(); // while it waits
            third.cancel();
            assertThat(engine.drain(Duration.ofSeconds(10))).isTrue();
            assertThat(engine.state().freePages()).isLessThanOrEqualTo(4);
        }
    }

    @Test
    void closeTellsThoseWhoWait() {
        GeneratedText text;
        try (TextEngine engine = TextEngine.start("test", generator, new Size(1, 1024, 1024, 5), observer)) {
            Settings endless = settings(1000, new Sampling(1, 0, 1, 0, 1, 7), false);
            engine.submit(ids("The"), endless, 0);
            text = engine.submit(ids("A page"), endless, 0);
        }
        assertThatThrownBy(() -> {
                    while (text.next(LONG) != null) {}
                })
                .isInstanceOf(EngineFailure.class)
                .hasMessageContaining("the engine ends");
    }

    @Test
    void whatDoesNotFitIsRefusedAndAnEmptyTextIsAText() throws Exception {
        try (TextEngine engine = TextEngine.start("test", generator, new Size(1, 40, 40, 5), observer)) {
            assertThatThrownBy(() -> engine.submit(ids("page ".repeat(50)), Settings.DEFAULT, 0))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("to leave room");
            Result cut = whole(engine.submit(ids("The page"), settings(1000, Sampling.GREEDY, false), 0));
            assertThat(cut.end()).isEqualTo(End.LENGTH);
            assertThat(cut.promptTokens() + cut.ids().length).isEqualTo(40);
            Settings nothing = Settings.DEFAULT.with(Constraint.regex(""));
            assertThat(whole(engine.submit(ids("The page"), nothing, 0)).text()).isEmpty();
        }
    }
}
