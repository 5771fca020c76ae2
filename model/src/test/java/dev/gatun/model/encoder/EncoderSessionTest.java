package dev.gatun.model.encoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EncoderSessionTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final Path GOLDEN = Path.of("../golden/models");

    private static int[][] sequences(int... lengths) {
        var random = new Random(5);
        int[][] ids = new int[lengths.length][];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = random.ints(lengths[i], 5, 128).toArray();
        }
        return ids;
    }

    @ParameterizedTest
    @ValueSource(strings = {"bert", "albert", "modernbert", "mpnet", "electra"})
    void aSequenceHasTheSameBitsAloneAndInAnyBatch(String family) throws IOException {
        int[][] ids = sequences(3, 40, 1, 17, 64, 2);
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
                EncoderModel model = EncoderModel.load(ModelFolder.of(GOLDEN.resolve(family)), backend);
                EncoderSession batch = model.newSession(200);
                EncoderSession alone = model.newSession(64)) {
            batch.encode(ids, null, 0, ids.length);
            for (int b = 0; b < ids.length; b++) {
                alone.encode(ids, null, b, b + 1);
                assertThat(batch.hidden(b).toFloats()).isEqualTo(alone.hidden(0).toFloats());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"bert", "modernbert", "mpnet"})
    void aBatchOfTheLengthsOfTheLastOneAllocatesNothing(String family) throws IOException {
        int[][] ids = sequences(12, 40, 7);
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null));
                EncoderModel model = EncoderModel.loadSentence(ModelFolder.of(GOLDEN.resolve(family)), backend);
                EncoderSession session = model.newSession(64)) {
            long least = Long.MAX_VALUE; // compiling allocates too, on this thread's account
            for (int i = 0; i < 20_000 && least > 0; i++) {
                long before = THREADS.getCurrentThreadAllocatedBytes();
                session.encode(ids, null, 0, ids.length);
                for (int b = 0; b < ids.length; b++) {
                    session.embedding(b);
                }
                least = Math.min(least, THREADS.getCurrentThreadAllocatedBytes() - before);
            }
            assertThat(least).isZero();
        }
    }

    @Test
    void memoryGrowsWithTokensAndNotWithTheirSquare() throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
                EncoderModel model = EncoderModel.load(ModelFolder.of(GOLDEN.resolve("bert")), backend)) {
            MemoryPlan one = model.plan(1 << 14);
            MemoryPlan two = model.plan(1 << 15);
            long growth = two.totalBytes(Lifetime.SESSION) - one.totalBytes(Lifetime.SESSION);
            // x and the two rows of pooling's weights
            assertThat(growth).isEqualTo((1L << 14) * (48 + 2) * Float.BYTES);
        }
    }

    @Test
    void whatDoesNotFitIsRefused() throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null));
                EncoderModel model = EncoderModel.load(ModelFolder.of(GOLDEN.resolve("bert")), backend);
                EncoderModel images = EncoderModel.load(ModelFolder.of(GOLDEN.resolve("vit")), backend);
                EncoderSession session = model.newSession(100);
                EncoderSession ofImages = images.newSession(34)) {
            assertThatThrownBy(() -> session.hidden()).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> session.encode(sequences(67), null, 0, 1))
                    .hasMessageContainingAll("67 tokens", "1 to 66");
            assertThatThrownBy(() -> session.encode(sequences(60, 60), null, 0, 2))
                    .hasMessageContainingAll("120", "at most 100");
            assertThatThrownBy(() -> session.encode(new int[1][0], null, 0, 1)).hasMessageContaining("0 tokens");
            assertThatThrownBy(() -> session.encodeImages(new float[1])).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> ofImages.encodeImages(new float[7])).hasMessageContaining("7 values");
            assertThatThrownBy(() -> session.encode(new int[][] {{1, 128}}, null, 0, 1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            session.encode(sequences(5), null, 0, 1);
            assertThatThrownBy(() -> session.scoreTokens(new int[] {0}, (i, scores) -> {}))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aSessionTakesToTheByteWhatItSaid() throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
                EncoderModel model = EncoderModel.load(ModelFolder.of(GOLDEN.resolve("albert")), backend)) {
            assertThat(model.plan(64).items())
                    .extracting(MemoryPlan.Item::name)
                    .containsExactly("checkpoint", "packed weights", "activations", "kernel scratch");
            assertThat(Arrays.stream(new int[] {1, 64, 65})
                            .mapToLong(n -> model.plan(n).totalBytes(Lifetime.SESSION)))
                    .isSorted();
        }
    }
}
