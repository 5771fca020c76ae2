package dev.gatun.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** One result: at once, in chunks, one by one, beside others, or by way of a fork. */
class DecoderSessionTest {
    private interface Work {
        void run(Decoder model) throws IOException;
    }

    private static void with(String family, Kind kind, int threads, Work work) throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(kind, threads, null));
                DecoderModel model = DecoderModel.load(ModelFolder.of(Path.of("../golden/models", family)), backend)) {
            work.run(model.decoder());
        }
    }

    /** Some ids, the same for the same seed. */
    private static int[] ids(int n, int seed) {
        return IntStream.range(0, n)
                .map(i -> 3 + (i * 37 + seed * 11 + i * i % 7) % 125)
                .toArray();
    }

    private static float[][] atOnce(Decoder model, int[] ids) {
        try (DecoderSession session = model.newSession(new SessionSize(1, ids.length, ids.length, ids.length))) {
            session.prefillKeepingAll(session.newSequence(), ids, 0, ids.length);
            return IntStream.range(0, ids.length)
                    .mapToObj(i -> session.logits(i).toFloats())
                    .toArray(float[][]::new);
        }
    }

    private static void assertSameBits(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            if (Float.floatToRawIntBits(actual[i]) != Float.floatToRawIntBits(expected[i])) {
                throw new AssertionError("logit " + i + ": " + actual[i] + " is not " + expected[i]);
            }
        }
    }

    @Tag("species")
    @ParameterizedTest
    @CsvSource({
        "VECTOR,llama,40",
        "VECTOR,mistral,40",
        "VECTOR,gemma2,40",
        "VECTOR,gpt2,40",
        "VECTOR,gpt-neox,40",
        "VECTOR,phi3,40",
        "VECTOR,qwen3,40",
        "VECTOR,llama3-rope,300",
        "SCALAR,smollm3,40",
        "SCALAR,gemma3,40"
    })
    void anyChunkHasTheBitsOfTheWholePrompt(Kind kind, String family, int n) throws IOException {
        with(family, kind, 2, model -> {
            int[] ids = ids(n, 1);
            float[][] expected = atOnce(model, ids);
            for (int chunk : new int[] {1, 7, 16}) {
                try (DecoderSession session = model.newSession(new SessionSize(1, n, chunk, 1))) {
                    Sequence sequence = session.newSequence();
                    for (int at = 0; at < n; ) { // prefills of 13, each in chunks
                        int to = Math.min(n, at + 13);
                        session.prefill(sequence, ids, at, to);
                        at = to;
                        assertSameBits(session.logits(0).toFloats(), expected[at - 1]);
                    }
                }
            }
        });
    }

    @Test
    void threadsAndJavaBackendsHaveTheSameBits() throws IOException {
        int[] ids = ids(40, 2);
        float[][][] expected = new float[1][][];
        with("llama", Kind.SCALAR, 1, model -> expected[0] = atOnce(model, ids));
        for (int threads : new int[] {1, 2, 3}) {
            with("llama", Kind.VECTOR, threads, model -> {
                float[][] actual = atOnce(model, ids);
                for (int i = 0; i < ids.length; i++) {
                    assertSameBits(actual[i], expected[0][i]);
                }
            });
        }
    }

    @ParameterizedTest
    @CsvSource({"VECTOR,llama3-rope", "SCALAR,llama3-rope", "VECTOR,gemma2", "VECTOR,gpt2"})
    void sequencesInOneStepHaveTheBitsOfEachAlone(Kind kind, String family) throws IOException {
        with(family, kind, 2, model -> {
            int[][] ids = {ids(30, 3), ids(12, 4), ids(21, 5)};
            float[][][] expected = new float[3][][];
            for (int b = 0; b < 3; b++) {
                expected[b] = atOnce(model, ids[b]);
            }
            try (DecoderSession session = model.newSession(SessionSize.of(3, 64))) {
                Sequence[] sequences = new Sequence[3];
                for (int b = 0; b < 3; b++) {
                    sequences[b] = session.newSequence();
                    session.prefill(sequences[b], ids[b], 0, ids[b].length - 5);
                }
                int[] next = new int[3];
                for (int step = 5; step > 0; step--) {
                    for (int b = 0; b < 3; b++) {
                        next[b] = ids[b][ids[b].length - step];
                    }
                    session.decode(sequences, next);
                    for (int b = 0; b < 3; b++) {
                        assertSameBits(session.logits(b).toFloats(), expected[b][ids[b].length - step]);
                    }
                }
            }
        });
    }

    @ParameterizedTest
    @CsvSource({"20", "256", "280"}) // within a page, at its end, in the second one
    void aForkGoesOnByItselfAndLeavesItsOriginAlone(int shared) throws IOException {
        with("llama3-rope", Kind.VECTOR, 2, model -> {
            int n = shared + 8;
            int[] one = ids(n, 6);
            int[] other = one.clone();
            for (int i = shared; i < n; i++) {
                other[i] = 127 - i % 50;
            }
            float[][] expectedOne = atOnce(model, one);
            float[][] expectedOther = atOnce(model, other);
            try (DecoderSession session = model.newSession(SessionSize.of(2, n))) {
                Sequence origin = session.newSequence();
                session.prefill(origin, one, 0, shared);
                Sequence fork = session.fork(origin);
                for (int i = shared; i < n; i++) {
                    session.decode(fork, other[i]);
                    assertSameBits(session.logits(0).toFloats(), expectedOther[i]);
                    session.decode(origin, one[i]);
                    assertSameBits(session.logits(0).toFloats(), expectedOne[i]);
                }
                session.truncate(fork, shared - 3); // and back
                session.prefill(fork, one, shared - 3, n);
                assertSameBits(session.logits(0).toFloats(), expectedOne[n - 1]);
            }
        });
    }

    @Test
    void pagesComeBackWhenSequencesAreReleased() throws IOException {
        with("llama3-rope", Kind.SCALAR, 1, model -> {
            try (DecoderSession session = model.newSession(new SessionSize(1, 300, 64, 1))) { // two pages
                for (int i = 0; i < 3; i++) {
                    Sequence sequence = session.newSequence();
                    session.prefill(sequence, ids(260, i), 0, 260);
                    Sequence fork = session.fork(sequence);
                    assertThatThrownBy(() -> session.decode(fork, 5)).isInstanceOf(MemoryBudgetException.class);
                    session.release(fork);
                    session.decode(sequence, 5);
                    session.release(sequence);
                    assertThatThrownBy(() -> session.decode(sequence, 5)).isInstanceOf(IllegalStateException.class);
                }
            }
        });
    }

    @Test
    void refusesWhatDoesNotFitAndGoesOn() throws IOException {
        with("llama", Kind.SCALAR, 1, model -> {
            assertThatThrownBy(() -> model.newSession(SessionSize.forOne(65)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("64 positions");
            try (DecoderSession session = model.newSession(SessionSize.forOne(8))) {
                Sequence sequence = session.newSequence();
                assertThatThrownBy(() -> session.prefill(sequence, ids(9, 1), 0, 9))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("9 more tokens");
                assertThatThrownBy(() -> session.decode(sequence, 128))
                        .isInstanceOf(IndexOutOfBoundsException.class)
                        .hasMessageContaining("id 128");
                assertThatThrownBy(() -> session.logits(0)).isInstanceOf(IllegalStateException.class);
                session.prefill(sequence, ids(8, 1), 0, 8);
                assertSameBits(session.logits(0).toFloats(), atOnce(model, ids(8, 1))[7]);
                assertThatThrownBy(() -> session.decode(sequence, 3)).isInstanceOf(IllegalArgumentException.class);
                assertThatThrownBy(() -> session.decode(new Sequence[] {sequence, sequence}, new int[] {1, 1}))
                        .isInstanceOf(IllegalArgumentException.class);
            }
        });
    }

    @Test
    void planSaysWhatASessionTakes() throws IOException {
        with("llama", Kind.VECTOR, 2, model -> {
            MemoryPlan plan = model.plan(SessionSize.of(3, 40));
            // 3 sequences x 40 positions x 2 heads x 12, keys and values, 2 layers
            assertThat(plan.items())
                    .contains(new MemoryPlan.Item(
                            "key/value cache", MemoryPlan.Lifetime.SESSION, 3 * 40 * 2 * 12 * 4L * 2 * 2));
        });
    }
}
