package dev.gatun.model.encoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.SafetensorsWriter;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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

    /** A BERT of one layer with positions for it, and random weights. */
    private static Path longBert(Path folder) throws IOException {
        Files.writeString(folder.resolve("config.json"), """
            {"model_type": "bert", "hidden_size": 16, "num_attention_heads": 1, "num_hidden_layers": 1,
             "intermediate_size": 32, "vocab_size": 64, "max_position_embeddings": 32768}
            """);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try (Arena arena = Arena.ofConfined()) {
            String embeddings = "embeddings.";
            put(tensors, arena, embeddings + "word_embeddings.weight", 64, 16);
            put(tensors, arena, embeddings + "position_embeddings.weight", 32768, 16);
            put(tensors, arena, embeddings + "token_type_embeddings.weight", 2, 16);
            norm(tensors, arena, embeddings + "LayerNorm");
            String layer = "encoder.layer.0.";
            for (String name : new String[] {"self.query", "self.key", "self.value", "output.dense"}) {
                linear(tensors, arena, layer + "attention." + name, 16, 16);
            }
            norm(tensors, arena, layer + "attention.output.LayerNorm");
            linear(tensors, arena, layer + "intermediate.dense", 32, 16);
            linear(tensors, arena, layer + "output.dense", 16, 32);
            norm(tensors, arena, layer + "output.LayerNorm");
            SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors);
        }
        return folder;
    }

    private static void linear(Map<String, Tensor> tensors, Arena arena, String name, int n, int k) {
        put(tensors, arena, name + ".weight", n, k);
        put(tensors, arena, name + ".bias", n);
    }

    private static void norm(Map<String, Tensor> tensors, Arena arena, String name) {
        put(tensors, arena, name + ".weight", 16);
        put(tensors, arena, name + ".bias", 16);
    }

    private static void put(Map<String, Tensor> tensors, Arena arena, String name, int... dims) {
        var random = new Random(name.hashCode());
        float[] values = new float[Arrays.stream(dims).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        tensors.put(name, Tensor.copyOf(arena, values, dims));
    }

    @Test
    void aTextOf32768TokensTakesMemoryThatGrowsLinearly(@TempDir Path folder) throws IOException {
        int n = 32_768;
        int[][] ids = {new Random(3).ints(n, 0, 64).toArray()};
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
                EncoderModel model = EncoderModel.load(ModelFolder.of(longBert(folder)), backend);
                EncoderSession session = model.newSession(n)) {
            long half = model.plan(n / 2).totalBytes(Lifetime.SESSION);
            long whole = model.plan(n).totalBytes(Lifetime.SESSION);
            // x, what a sublayer reads, queries, keys and values, and the two rows of pooling's weights
            assertThat(whole - half).isEqualTo(n / 2 * (5L * 16 + 2) * Float.BYTES);
            assertThat(whole).isLessThan(16 << 20); // scores of all pairs would be 4 GiB
            session.encode(ids, null, 0, 1);
            float[] hidden = session.hidden().toFloats();
            int finite = 0;
            for (float value : hidden) {
                finite += Float.isFinite(value) ? 1 : 0;
            }
            assertThat(finite).isEqualTo(n * 16);
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
