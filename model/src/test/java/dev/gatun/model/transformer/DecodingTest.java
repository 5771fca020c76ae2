package dev.gatun.model.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.MemoryPlan;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** One result, for whole models: cached or recomputed, alone or in a batch, at any number of threads. */
class DecodingTest {
    private static final ModelFolder MARIAN = folder("marian");
    private static final int[] SOURCE = {17, 4, 93, 55, 8, 21, 0};
    private static final int[] OTHER = {5, 77, 0};
    private static final int[] TARGET = {119, 3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46, 26, 43, 38, 32, 79, 50};

    private static ModelFolder folder(String family) {
        try {
            return ModelFolder.of(Path.of("../golden/models", family));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private interface Work {
        void run(Transformer model) throws IOException;
    }

    private static void with(ModelFolder folder, Kind kind, int threads, Work work) throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(kind, threads, null));
                Seq2SeqModel model = Seq2SeqModel.load(folder, backend)) {
            work.run(model.transformer());
        }
    }

    /** The logits of every target position, {@code chunk} tokens a call. */
    private static float[][] logits(Transformer model, int chunk, int beams, int row, int[]... sources) {
        try (var session = model.newSession(
                new SessionSize(sources.length, beams, model.config().nSource(), TARGET.length, chunk))) {
            session.encode(sources);
            float[][] logits = new float[TARGET.length][];
            for (int from = 0; from < TARGET.length; from += chunk) {
                int tokens = Math.min(chunk, TARGET.length - from);
                int[] next = Arrays.copyOfRange(TARGET, from, from + tokens);
                session.decode(
                        IntStream.range(0, session.hypotheses())
                                .flatMap(i -> Arrays.stream(next))
                                .toArray(),
                        tokens);
                for (int t = 0; t < tokens; t++) {
                    logits[from + t] = session.logits(row, t).toFloats();
                }
            }
            return logits;
        }
    }

    private static void assertSameBits(float[][] actual, float[][] expected) {
        for (int t = 0; t < expected.length; t++) {
            for (int id = 0; id < expected[t].length; id++) {
                if (Float.floatToRawIntBits(actual[t][id]) != Float.floatToRawIntBits(expected[t][id])) {
                    throw new AssertionError("logit of id " + id + " at step " + t + ": " + actual[t][id] + " is not "
                            + expected[t][id]);
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"SCALAR,marian", "VECTOR,marian", "SCALAR,vaswani", "VECTOR,vaswani", "VECTOR,vaswani-final-norm"})
    void cachedStepsHaveTheBitsOfTheFullRecompute(Kind kind, String family) throws IOException {
        with(folder(family), kind, 2, model -> {
            float[][] full = logits(model, TARGET.length, 1, 0, SOURCE);
            for (int chunk : new int[] {1, 2, 5, 17}) {
                assertSameBits(logits(model, chunk, 1, 0, SOURCE), full);
            }
        });
    }

    @ParameterizedTest
    @EnumSource(
            value = Kind.class,
            names = {"SCALAR", "VECTOR"})
    void aSourceHasTheSameBitsAloneInABatchAndAmongBeams(Kind kind) throws IOException {
        with(MARIAN, kind, 2, model -> {
            float[][] alone = logits(model, 1, 1, 0, OTHER);
            assertSameBits(logits(model, 1, 1, 1, SOURCE, OTHER, SOURCE), alone);
            assertSameBits(logits(model, 1, 3, 4, SOURCE, OTHER), alone);
        });
    }

    @Test
    void threadsAndJavaBackendsHaveTheSameBits() throws IOException {
        float[][][] expected = new float[1][][];
        with(MARIAN, Kind.SCALAR, 1, model -> expected[0] = logits(model, 1, 1, 0, SOURCE, OTHER));
        for (Kind kind : new Kind[] {Kind.SCALAR, Kind.VECTOR}) {
            for (int threads : new int[] {1, 2, 3}) {
                with(
                        MARIAN,
                        kind,
                        threads,
                        model -> assertSameBits(logits(model, 1, 1, 0, SOURCE, OTHER), expected[0]));
            }
        }
    }

    @Test
    void beamsFollowTheirParents() throws IOException {
        with(MARIAN, Kind.VECTOR, 2, model -> {
            try (var session = model.newSession(new SessionSize(1, 2, 8, 8, 1));
                    var plain = model.newSession(new SessionSize(1, 1, 8, 8, 1))) {
                session.encode(SOURCE);
                session.decode(new int[] {119, 119}, 1);
                session.decode(new int[] {3, 14}, 1); // hypotheses 119 3 and 119 14
                session.keep(new int[] {1, 0}, 2);
                session.decode(new int[] {15, 92}, 1); // 119 14 15 and 119 3 92
                plain.encode(SOURCE);
                for (int id : new int[] {119, 14, 15}) {
                    plain.decode(new int[] {id}, 1);
                }
                assertThat(session.logits(0, 0).toFloats())
                        .containsExactly(plain.logits(0, 0).toFloats());
            }
        });
    }

    @Test
    void planSaysWhatASessionTakes() throws IOException {
        with(MARIAN, Kind.VECTOR, 2, model -> {
            SessionSize size = new SessionSize(2, 3, 10, 20, 1);
            MemoryPlan plan = model.plan(size);
            // 6 rows x 20 positions x 32 floats, keys and values, 2 layers; and one of them as it was, with 16
            // positions
            assertThat(plan.items())
                    .contains(new MemoryPlan.Item(
                            "key/value cache", MemoryPlan.Lifetime.SESSION, 6 * 32 * 4L * (20 * 2 * 2 + 16)));
            assertThat(plan.items()).contains(new MemoryPlan.Item("logits", MemoryPlan.Lifetime.SESSION, 6 * 120 * 4L));
            try (TransformerSession session = model.newSession(size)) {
                session.encode(new int[] {5, 6, 0}, new int[] {7, 0});
                assertThat(session.byteSize()).isLessThan(plan.totalBytes());
                for (int i = 0; i < 20; i++) {
                    session.decode(new int[] {9, 9, 9, 9, 9, 9}, 1);
                }
                assertThat(session.byteSize()).isEqualTo(plan.totalBytes());
            }
        });
    }

    @Test
    void refusesWhatDoesNotFit() throws IOException {
        with(MARIAN, Kind.SCALAR, 1, model -> {
            assertThatThrownBy(() -> model.newSession(new SessionSize(1, 1, 65, 4, 1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("64 positions");
            assertThatThrownBy(() -> model.newSession(new SessionSize(0, 1, 4, 4, 1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("at least 1");
            try (var session = model.newSession(new SessionSize(1, 1, 4, 2, 1))) {
                assertThatThrownBy(() -> session.decode(new int[] {1}, 1)).isInstanceOf(IllegalStateException.class);
                assertThatThrownBy(() -> session.encode(new int[] {1, 120}))
                        .isInstanceOf(IndexOutOfBoundsException.class)
                        .hasMessageContaining("id 120")
                        .hasMessageContaining("0 to 119");
                assertThatThrownBy(() -> session.encode(new int[] {1, -1}))
                        .isInstanceOf(IndexOutOfBoundsException.class)
                        .hasMessageContaining("id -1");
                assertThatThrownBy(() -> session.encode(new int[5]))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("5 tokens");
                assertThatThrownBy(() -> session.encode(new int[0])).isInstanceOf(IllegalArgumentException.class);
                session.encode(new int[] {17, 0});
                session.decode(new int[] {119}, 1);
                session.decode(new int[] {3}, 1);
                assertThatThrownBy(() -> session.decode(new int[] {3}, 1))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("room for 2");
            }
        });
    }

    @Test
    void aClosedSessionOrModelThrows() throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null))) {
            Seq2SeqModel model = Seq2SeqModel.load(MARIAN, backend);
            var session = model.transformer().newSession(new SessionSize(1, 1, 8, 8, 1));
            session.encode(SOURCE);
            model.close();
            assertThatThrownBy(() -> session.decode(new int[] {119}, 1)).isInstanceOf(IllegalStateException.class);
            session.close();
            assertThatThrownBy(() -> session.encode(SOURCE)).isInstanceOf(IllegalStateException.class);
        }
    }
}
