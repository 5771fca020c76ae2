package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.SafetensorsWriter;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A packed model computes what the model does, without packing; what is damaged is refused. */
class PackedModelTest {
    private static final Path GOLDEN = Path.of("../golden");

    @TempDir
    Path folder;

    private static Backend open(Kind kind) {
        return Backend.open(new Backend.Options(kind, 1, null));
    }

    private static float[] logits(DecoderModel model) {
        try (model;
                var session = model.decoder().newSession(SessionSize.forOne(16))) {
            var sequence = session.newSequence();
            session.prefill(sequence, new int[] {5, 17, 3, 90, 41}, 0, 5);
            session.decode(sequence, 8);
            return session.logits(0).toFloats();
        }
    }

    private static void assertClose(float[] actual, float[] expected, Kind kind) {
        if (kind != Kind.OPENBLAS && kind != Kind.AUTO) {
            assertThat(actual).isEqualTo(expected);
        } else {
            for (int i = 0; i < expected.length; i++) {
                assertThat(actual[i]).isCloseTo(expected[i], org.assertj.core.data.Offset.offset(1e-3f));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"llama", "gpt2", "gemma3", "phi3", "opt", "gpt-neox", "qwen3-bf16", "smollm3", "phi"})
    void aDecodersFolderHasTheSameBits(String family) throws IOException {
        Path source = GOLDEN.resolve("models").resolve(family);
        Path packed = folder.resolve(family + ".gatun");
        PackedModel.write(source, packed, WeightFormat.AS_STORED);
        for (Kind kind : Stream.concat(Stream.of(Kind.AUTO), Kinds.all()).toList()) {
            try (Backend backend = open(kind)) {
                DecoderModel plain = DecoderModel.load(ModelFolder.of(source), backend);
                DecoderModel model = DecoderModel.load(ModelFolder.of(packed), backend);
                assertThat(model.sha256()).isEqualTo(plain.sha256());
                assertThat(model.eosIds()).isEqualTo(plain.eosIds());
                if (kind == Kind.VECTOR && !family.endsWith("bf16") && !family.startsWith("gemma")) {
                    assertThat(model.packedByteSize())
                            .as("bytes that are not mapped")
                            .isZero();
                }
                assertClose(logits(model), logits(plain), kind);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"Q8_0", "Q4_0", "BF16"})
    void weightsInAnotherFormatHaveTheSameBits(WeightFormat format) throws IOException {
        Path source = GOLDEN.resolve("models/gpt2");
        Path packed = folder.resolve("q.gatun");
        PackedModel.write(source, packed, format);
        try (Backend backend = open(Kind.VECTOR)) {
            float[] expected = logits(DecoderModel.load(ModelFolder.of(source), backend, format));
            assertThat(logits(DecoderModel.load(ModelFolder.of(packed), backend)))
                    .isEqualTo(expected);
            assertThatThrownBy(() -> DecoderModel.load(ModelFolder.of(packed), backend, WeightFormat.Q8_0))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("packed already");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gemma2", "phi3", "gpt2"})
    void aGgufFileHasTheSameBits(String name) throws IOException {
        Path source = GOLDEN.resolve("gguf").resolve(name + ".gguf");
        Path packed = folder.resolve(name + ".gatun");
        PackedModel.write(source, packed, WeightFormat.AS_STORED);
        try (Backend backend = open(Kind.VECTOR);
                GgufModel file = GgufModel.open(source)) {
            float[] expected = logits(DecoderModel.load(file, backend, WeightFormat.AS_STORED));
            assertThat(logits(DecoderModel.load(ModelFolder.of(packed), backend)))
                    .isEqualTo(expected);
        }
    }

    @Test
    void aGgufFilesTokenizerComesAlong() throws IOException {
        Path source = GOLDEN.resolve("spm/llama-spm.gguf");
        Path packed = folder.resolve("spm.gatun");
        PackedModel.write(source, packed, WeightFormat.AS_STORED);
        try (Backend backend = open(Kind.VECTOR);
                TextGenerator plain = TextGenerator.open(source, backend);
                TextGenerator model = TextGenerator.open(packed, backend)) {
            String text = "The lake lifts ships.";
            assertThat(model.tokenizer().encodeIds(text, true))
                    .isEqualTo(plain.tokenizer().encodeIds(text, true));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bert",
                "bert-f16",
                "modernbert",
                "albert",
                "mpnet",
                "bert-mlm",
                "bert-onnx",
                "roberta",
                "electra"
            })
    void anEncoderHasTheSameBits(String family) throws IOException {
        Path source = GOLDEN.resolve("models").resolve(family);
        Path packed = folder.resolve(family + ".gatun");
        PackedModel.write(source, packed, WeightFormat.AS_STORED);
        for (Kind kind : new Kind[] {Kind.VECTOR, Kind.OPENBLAS}) {
            try (Backend backend = open(kind)) {
                assertClose(hidden(packed, backend), hidden(source, backend), kind);
            }
        }
    }

    private static float[] hidden(Path path, Backend backend) throws IOException {
        ModelFolder folder = ModelFolder.of(path);
        try (EncoderModel model = folder.has("modules.json")
                        ? EncoderModel.loadSentence(folder, backend)
                        : EncoderModel.load(folder, backend);
                var session = model.newSession(8)) {
            session.encode(new int[][] {{5, 9, 17, 3}, {4, 2}}, null, 0, 2);
            return session.hidden().toFloats();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"marian", "vaswani"})
    void anEncoderDecoderHasTheSameBits(String family) throws IOException {
        Path source = GOLDEN.resolve("models").resolve(family);
        Path packed = folder.resolve(family + ".gatun");
        PackedModel.write(source, packed, WeightFormat.AS_STORED);
        List<float[]> results = new ArrayList<>();
        try (Backend backend = open(Kind.VECTOR)) {
            for (Path path : new Path[] {source, packed}) {
                try (var model = Seq2SeqModel.load(ModelFolder.of(path), backend);
                        var session = model.transformer().newSession(new Transformer.SessionSize(1, 1, 5, 4, 1))) {
                    session.encode(new int[] {5, 9, 17, 3});
                    session.decode(new int[] {1}, 1);
                    results.add(session.logits(0, 0).toFloats());
                }
            }
        }
        assertThat(results.get(1)).isEqualTo(results.get(0));
    }

    @Test
    void whatIsDamagedIsRefused() throws IOException {
        Path packed = folder.resolve("a.gatun");
        PackedModel.write(GOLDEN.resolve("models/llama"), packed, WeightFormat.AS_STORED);
        byte[] whole = Files.readAllBytes(packed);
        try (Backend backend = open(Kind.VECTOR)) {
            for (int at : new int[] {7, 8, 15, 16, 25, 31, 64, whole.length / 3, whole.length / 2, whole.length - 9}) {
                byte[] damaged = whole.clone();
                damaged[at] ^= 4;
                Files.write(packed, damaged);
                assertThatThrownBy(() -> DecoderModel.load(ModelFolder.of(packed), backend))
                        .as("byte %d of %d", at, whole.length)
                        .isInstanceOf(ModelFormatException.class);
            }
            for (int length : new int[] {7, 30, 64, whole.length / 2, whole.length - 1}) {
                Files.write(packed, Arrays.copyOf(whole, length));
                assertThatThrownBy(() -> DecoderModel.load(ModelFolder.of(packed), backend))
                        .isInstanceOfAny(ModelFormatException.class, IOException.class);
            }
            Files.write(packed, whole);
            DecoderModel.load(ModelFolder.of(packed), backend).close();
        }
        assertThatThrownBy(() -> PackedModel.write(packed, folder.resolve("b.gatun"), WeightFormat.AS_STORED))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("packed model already");
        assertThat(folder.resolve("b.gatun")).doesNotExist();
    }

    @Test
    void aFileIsWholeWheneverItsWriterIsKilled() throws IOException, InterruptedException {
        Path source = GOLDEN.resolve("models/llama");
        Path packed = folder.resolve("killed.gatun");
        try (Backend backend = open(Kind.VECTOR)) {
            float[] expected = logits(DecoderModel.load(ModelFolder.of(source), backend));
            for (int time = 0; time < 3; time++) {
                Process child = ChildJvm.start(
                        PackChild.class, List.of("-XX:TieredStopAtLevel=1"), source.toString(), packed.toString());
                try {
                    assertThat(child.inputReader().readLine()).isEqualTo("packed");
                    Thread.sleep(23L * time + 7);
                } finally {
                    child.destroyForcibly().waitFor();
                }
                assertThat(logits(DecoderModel.load(ModelFolder.of(packed), backend)))
                        .isEqualTo(expected);
            }
        }
        PackedModel.write(source, packed, WeightFormat.AS_STORED);
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).as("no file of a killed one is left").containsExactly(packed);
        }
    }

    /** Two processes have one copy of the pages in memory: each counts for half of what it has mapped (PSS). */
    @Test
    @EnabledOnOs(OS.LINUX)
    void processesShareItsPages() throws IOException {
        Path source = folder.resolve("large");
        Files.createDirectory(source);
        large(source);
        Path packed = folder.resolve("large.gatun");
        PackedModel.write(source, packed, WeightFormat.AS_STORED);
        List<Process> children = new ArrayList<>();
        try {
            for (int i = 0; i < 2; i++) {
                Process child =
                        ChildJvm.start(PackedChild.class, List.of("-XX:TieredStopAtLevel=1"), packed.toString());
                children.add(child);
                assertThat(child.inputReader().readLine()).as("bytes packed").isEqualTo("0");
            }
            for (Process child : children) {
                long rss = mapped(child.pid(), packed, "Rss:");
                assertThat(rss).isGreaterThan(2000);
                assertThat(mapped(child.pid(), packed, "Pss:")).isBetween(rss * 4 / 10, rss * 6 / 10);
            }
        } finally {
            children.forEach(Process::destroyForcibly);
        }
    }

    /** What was packed from is not in memory any more, but for what is read where it lies. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void weightsAreNotInMemoryTwice() throws IOException {
        large(folder);
        Path file = folder.resolve("model.safetensors");
        long size = Files.size(file) >> 10;
        try (Backend backend = open(Kind.VECTOR);
                DecoderModel model = DecoderModel.load(ModelFolder.of(folder), backend)) {
            assertThat(model.packedByteSize() >> 10).isGreaterThan(size / 2);
            assertThat(mapped(ProcessHandle.current().pid(), file, "Rss:")).isLessThan(size / 4);
        }
    }

    /** Kilobytes of a process's mappings of a file. */
    private static long mapped(long pid, Path file, String count) throws IOException {
        long sum = 0;
        boolean own = false;
        for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/smaps"))) {
            if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                own = line.endsWith(file.toRealPath().toString());
            } else if (own && line.startsWith(count)) {
                sum += Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        return sum;
    }

    /** A Llama of some megabytes. */
    private static void large(Path to) throws IOException {
        int d = 512;
        Files.writeString(to.resolve("config.json"), """
            {"model_type": "llama", "hidden_size": 512, "num_hidden_layers": 1, "vocab_size": 64, "num_attention_heads": 8,
             "intermediate_size": 512, "hidden_act": "silu", "max_position_embeddings": 16, "tie_word_embeddings": true}
            """);
        try (Arena arena = Arena.ofConfined()) {
            var tensors = new java.util.LinkedHashMap<String, Tensor>();
            tensors.put("model.embed_tokens.weight", Tensor.allocate(arena, DType.F32, Shape.of(64, d)));
            tensors.put("model.norm.weight", Tensor.allocate(arena, DType.F32, Shape.of(d)));
            String layer = "model.layers.0.";
            for (String name : List.of("input_layernorm", "post_attention_layernorm")) {
                tensors.put(layer + name + ".weight", Tensor.allocate(arena, DType.F32, Shape.of(d)));
            }
            for (String name : List.of(
                    "self_attn.q_proj",
                    "self_attn.k_proj",
                    "self_attn.v_proj",
                    "self_attn.o_proj",
                    "mlp.gate_proj",
                    "mlp.up_proj",
                    "mlp.down_proj")) {
                tensors.put(layer + name + ".weight", Tensor.allocate(arena, DType.F32, Shape.of(d, d)));
            }
            SafetensorsWriter.write(to.resolve("model.safetensors"), tensors);
        }
    }
}
