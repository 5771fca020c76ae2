package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.SafetensorsWriter;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TextEmbedderTest {
    private static final List<String> TEXTS = List.of(
            "the ship is in the lock",
            "water",
            "",
            "the lake lifts the ship of the lake and the lock of the water is in the lake",
            "a b c d e f g h i j k l m n o p q r s t u v w x y z");

    @TempDir
    private Path temp;

    private static Backend backend(Kind kind, int threads) {
        return Backend.open(new Backend.Options(kind, threads, null));
    }

    private Path folder(String model) throws IOException {
        return EncoderFolder.copy(model, temp.resolve(model));
    }

    private static void module(Path folder, String list) throws IOException {
        Files.writeString(
                folder.resolve("modules.json"), "[{\"path\": \"\", \"type\": \"a.Transformer\"}, " + list + "]");
    }

    private static void pooling(Path folder, String flags) throws IOException {
        Files.createDirectories(folder.resolve("1_Pooling"));
        Files.writeString(folder.resolve("1_Pooling/config.json"), "{" + flags + "}");
    }

    @ParameterizedTest
    @EnumSource(
            value = Kind.class,
            names = {"VECTOR", "SCALAR"})
    void aTextHasTheSameBitsAloneInABatchAndAtAnyNumberOfThreads(Kind kind) throws IOException {
        Path folder = folder("mpnet");
        float[][] first = null;
        for (int threads = 1; threads <= 3; threads++) {
            try (Backend backend = backend(kind, threads);
                    TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(folder), backend)) {
                float[][] batch = embedder.embedAll(TEXTS);
                first = first == null ? batch : first;
                for (int i = 0; i < batch.length; i++) {
                    assertThat(batch[i]).isEqualTo(first[i]);
                    assertThat(embedder.embed(TEXTS.get(i))).isEqualTo(first[i]);
                }
            }
        }
    }

    @Test
    void vectorsAreWrittenWhereTheCallerWantsThem() throws IOException {
        try (Backend backend = backend(Kind.VECTOR, 1);
                TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(folder("bert")), backend);
                Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(TEXTS.size() * 48L * Float.BYTES);
            embedder.embedInto(TEXTS, out);
            float[] all = Tensor.of(out, DType.F32, Shape.of(TEXTS.size(), 48)).toFloats();
            float[][] wanted = embedder.embedAll(TEXTS);
            for (int i = 0; i < wanted.length; i++) {
                assertThat(Arrays.copyOfRange(all, i * 48, (i + 1) * 48)).isEqualTo(wanted[i]);
            }
            MemorySegment small = arena.allocate(47L * Float.BYTES);
            assertThatThrownBy(() -> embedder.embedInto(List.of("water"), small))
                    .isInstanceOf(ShapeException.class);
        }
    }

    @Test
    void poolingDenseLayersAndNormalisationFollowTheFolder() throws IOException {
        Path folder = folder("bert");
        try (Backend backend = backend(Kind.VECTOR, 2)) {
            float[] mean = embed(folder, backend);
            pooling(
                    folder,
                    "\"pooling_mode_cls_token\": true, \"pooling_mode_max_tokens\": true, "
                            + "\"pooling_mode_mean_tokens\": true, \"pooling_mode_lasttoken\": true");
            module(folder, "{\"path\": \"1_Pooling\", \"type\": \"a.Pooling\"}");
            float[] all = embed(folder, backend);
            assertThat(all).hasSize(4 * 48);
            assertThat(Arrays.copyOfRange(all, 96, 144)).isEqualTo(mean);
            for (int i = 0; i < 48; i++) { // the first and the last token are two of those with the largest
                assertThat(all[48 + i]).isGreaterThanOrEqualTo(Math.max(all[i], all[144 + i]));
            }

            pooling(folder, "\"pooling_mode_mean_tokens\": true");
            Files.createDirectories(folder.resolve("2_Dense"));
            Files.writeString(folder.resolve("2_Dense/config.json"), """
                {"in_features": 48, "out_features": 2, "bias": true,
                 "activation_function": "torch.nn.modules.activation.Tanh"}\
                """);
            float[] weight = new float[96];
            weight[5] = 0.5f;
            weight[48 + 7] = -2;
            try (Arena arena = Arena.ofConfined()) {
                SafetensorsWriter.write(
                        folder.resolve("2_Dense/model.safetensors"),
                        Map.of(
                                "linear.weight", Tensor.copyOf(arena, weight, 2, 48),
                                "linear.bias", Tensor.copyOf(arena, new float[] {0.25f, 0}, 2)));
            }
            module(
                    folder,
                    "{\"path\": \"1_Pooling\", \"type\": \"a.Pooling\"},{\"path\": \"2_Dense\", \"type\":"
                            + " \"a.Dense\"}, {\"path\": \"3\", \"type\": \"a.Normalize\"}");
            double a = Math.tanh(0.5 * mean[5] + 0.25);
            double b = Math.tanh(-2 * mean[7]);
            float[] dense = embed(folder, backend);
            assertThat(dense).hasSize(2);
            assertThat((double) dense[0]).isCloseTo(a / Math.hypot(a, b), within(1e-6));
            assertThat((double) dense[1]).isCloseTo(b / Math.hypot(a, b), within(1e-6));
        }
    }

    private static float[] embed(Path folder, Backend backend) throws IOException {
        try (TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(folder), backend)) {
            return embedder.embed(TEXTS.getFirst());
        }
    }

    @Test
    void promptsAndLimitsFollowTheFolder() throws IOException {
        Path folder = folder("bert");
        Files.writeString(folder.resolve("config_sentence_transformers.json"), """
            {"prompts": {"query": "the lake ", "none": ""}, "default_prompt_name": "query"}\
            """);
        Files.writeString(folder.resolve("sentence_bert_config.json"), "{\"max_seq_length\": 16}");
        try (Backend backend = backend(Kind.VECTOR, 1);
                TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(folder), backend)) {
            assertThat(embedder.maxTokens()).isEqualTo(16);
            assertThat(embedder.countTokens(TEXTS.get(4))).isEqualTo(16);
            float[] plain = embedder.embedAll(List.of("the lake water"), "none")[0];
            assertThat(embedder.embed("water")).isEqualTo(plain);
            assertThat(embedder.embedAll(List.of("water"), "query")[0]).isEqualTo(plain);
            assertThatThrownBy(() -> embedder.embedAll(List.of("water"), "passage"))
                    .isInstanceOf(InputException.class)
                    .hasMessageContainingAll("passage", "query");
        }
    }

    @Test
    void textsThatAreNoneAreRefusedByTheirNumber() throws IOException {
        try (Backend backend = backend(Kind.VECTOR, 1);
                TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(folder("bert")), backend)) {
            assertThatThrownBy(() -> embedder.embedAll(List.of("water", "a \ud83d b")))
                    .isInstanceOf(InputException.class)
                    .hasMessageContainingAll("text 2 of 2", "lone surrogate", "U+D83D", "char 2");
            assertThatThrownBy(() -> embedder.embed("x".repeat(10_000_000)))
                    .isInstanceOf(InputException.class)
                    .hasMessageContainingAll("10000000 chars", "at most 4194304");
        }
    }

    @Test
    void aTokenizerThatDoesNotBelongToTheWeightsIsNamed() throws IOException {
        Path folder = folder("bert");
        String tokenizer = Files.readString(folder.resolve("tokenizer.json"));
        Files.writeString(folder.resolve("tokenizer.json"), tokenizer.replace("\"water\": 9", "\"water\": 900"));
        try (Backend backend = backend(Kind.VECTOR, 1);
                TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(folder), backend)) {
            assertThatThrownBy(() -> embedder.embed("water"))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContainingAll("900", "128");
        }
    }

    @Test
    void aReplacedModelDropsNoCallAndAClosedOneThrows() throws Exception {
        Path one = folder("bert");
        Path other = folder("bert-f16");
        try (Backend backend = backend(Kind.VECTOR, 2);
                ExecutorService callers = Executors.newFixedThreadPool(4)) {
            TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(one), backend);
            float[] before = embedder.embed(TEXTS.get(3));
            float[] after = embed(other, backend, TEXTS.get(3));
            var done = new AtomicBoolean();
            Callable<Integer> caller = () -> {
                int calls = 0;
                while (!done.get()) {
                    float[] vector = embedder.embed(TEXTS.get(3));
                    assertThat(Arrays.equals(vector, before) || Arrays.equals(vector, after))
                            .isTrue();
                    calls++;
                }
                return calls;
            };
            List<Future<Integer>> results = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                results.add(callers.submit(caller));
            }
            for (int i = 0; i < 30; i++) {
                embedder.replace(ModelFolder.of(i % 2 == 0 ? other : one));
            }
            done.set(true);
            for (Future<Integer> result : results) {
                assertThat(result.get()).isPositive();
            }
            assertThat(embedder.embed(TEXTS.get(3))).isEqualTo(before);
            embedder.close();
            embedder.close();
            assertThatThrownBy(() -> embedder.embed("water"))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("the embedder is closed");
        }
    }

    private static float[] embed(Path folder, Backend backend, String text) throws IOException {
        try (TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(folder), backend)) {
            return embedder.embed(text);
        }
    }

    @Test
    void similarityIsTheCosine() {
        assertThat(TextEmbedder.similarity(new float[] {1, 0}, new float[] {2, 0}))
                .isEqualTo(1);
        assertThat(TextEmbedder.similarity(new float[] {1, 0}, new float[] {0, 5}))
                .isZero();
        assertThat(TextEmbedder.similarity(new float[] {0, 0}, new float[] {0, 5}))
                .isZero();
        assertThatThrownBy(() -> TextEmbedder.similarity(new float[2], new float[3]))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
