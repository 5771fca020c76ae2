package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.gatun.memory.MappedFile;
import dev.gatun.model.TextEmbedder;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** MiniLM-L6-v2 from its jar, against ONNX Runtime on the same file. */
class MiniLmTest {
    private static final int LINES = 1000;

    private static ModelFolder folder() throws IOException {
        return Objects.requireNonNull(NamedModel.of(NamedModel.DEFAULT)).folder();
    }

    /** Lines of 1 to 16 words, and a few that have to be cut: words of our own documentation. */
    private static List<String> lines(int count) throws IOException {
        String[] words = Files.readString(Path.of("../docs/TRANSFORMER.md")).split("\\s+");
        var random = new Random(17);
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int n = i % 100 == 99 ? 300 : 1 + random.nextInt(16);
            int from = random.nextInt(words.length - n);
            lines.add(String.join(" ", Arrays.copyOfRange(words, from, from + n)));
        }
        return lines;
    }

    @Test
    void aThousandLinesHaveTheVectorsOfOnnxRuntime() throws IOException, OrtException {
        List<String> lines = lines(LINES);
        ModelFolder folder = folder();
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
                TextEmbedder embedder = TextEmbedder.open(folder, backend);
                HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.open(folder, 256);
                Arena arena = Arena.ofConfined();
                OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            float[][] vectors = embedder.embedAll(lines);
            MappedFile file = folder.open("model.onnx", arena);
            options.setIntraOpNumThreads(2);
            double worst = 0;
            try (OrtSession session = OrtEnvironment.getEnvironment().createSession(file.name(), options)) {
                for (int i = 0; i < LINES; i++) {
                    float[] reference = embed(session, tokenizer.encodeIds(lines.get(i)));
                    for (int j = 0; j < reference.length; j++) {
                        worst = Math.max(worst, Math.abs(reference[j] - vectors[i][j]));
                    }
                }
            }
            System.out.println("worst difference to ONNX Runtime of " + LINES + " lines: " + worst);
            assertThat(worst).isLessThan(1e-5);
        }
    }

    /** The mean of the hidden states, normalised. */
    private static float[] embed(OrtSession session, int[] ids) throws OrtException {
        long[] ones = new long[ids.length];
        Arrays.fill(ones, 1);
        long[][] inputs = {Arrays.stream(ids).asLongStream().toArray(), ones, new long[ids.length]};
        long[] shape = {1, ids.length};
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        try (OnnxTensor words = OnnxTensor.createTensor(environment, LongBuffer.wrap(inputs[0]), shape);
                OnnxTensor mask = OnnxTensor.createTensor(environment, LongBuffer.wrap(inputs[1]), shape);
                OnnxTensor types = OnnxTensor.createTensor(environment, LongBuffer.wrap(inputs[2]), shape);
                OrtSession.Result result =
                        session.run(Map.of("input_ids", words, "attention_mask", mask, "token_type_ids", types))) {
            float[][] hidden = ((float[][][]) result.get(0).getValue())[0];
            double[] mean = new double[hidden[0].length];
            for (float[] row : hidden) {
                for (int i = 0; i < mean.length; i++) {
                    mean[i] += row[i] / (double) hidden.length;
                }
            }
            double length = Math.sqrt(Arrays.stream(mean).map(x -> x * x).sum());
            float[] vector = new float[mean.length];
            for (int i = 0; i < vector.length; i++) {
                vector[i] = (float) (mean[i] / length);
            }
            return vector;
        }
    }

    @Test
    void aTextHasTheSameBitsAloneInABatchOf64AndAtOneToThreeThreads() throws IOException {
        List<String> lines = lines(64);
        float[][] first = null;
        for (int threads = 1; threads <= 3; threads++) {
            try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, threads, null));
                    TextEmbedder embedder = TextEmbedder.open(folder(), backend)) {
                float[][] batch = embedder.embedAll(lines);
                first = first == null ? batch : first;
                for (int i = 0; i < batch.length; i++) {
                    assertThat(batch[i]).isEqualTo(first[i]);
                    assertThat(embedder.embed(lines.get(i))).isEqualTo(first[i]);
                }
            }
        }
    }

    /** In a process of its own, whose heap does not grow: after other tests it did by more than is looked for here. */
    @Test
    void loadingAHundredTimesGivesTheMemoryBack() throws Exception {
        List<String> heap = List.of("-XX:+UseSerialGC", "-Xms128m", "-Xmx128m", "-XX:+AlwaysPreTouch");
        Process process = ChildJvm.of(heap, Loading.class.getName())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String[] resident;
        try (InputStream out = process.getInputStream()) {
            resident = new String(out.readAllBytes(), StandardCharsets.US_ASCII)
                    .strip()
                    .split(" ");
        }
        assertThat(process.waitFor()).isZero();
        long before = Long.parseLong(resident[0]);
        long after = Long.parseLong(resident[1]);
        System.out.printf("resident: %,d bytes before, %,d after 100 loads%n", before, after);
        assertThat(after).isLessThan(before + before / 20);
    }

    /** Loads the model and closes it a hundred times; prints the resident memory before and after. */
    static final class Loading {
        private Loading() {}

        public static void main(String[] args) throws IOException {
            ModelFolder folder = folder();
            try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
                for (int i = 0; i < 40; i++) { // until the JVM has compiled what it will
                    load(folder, backend);
                }
                long before = resident();
                for (int i = 0; i < 100; i++) {
                    load(folder, backend);
                }
                System.out.println(before + " " + resident());
            }
        }
    }

    private static void load(ModelFolder folder, Backend backend) throws IOException {
        try (TextEmbedder embedder = TextEmbedder.open(folder, backend)) {
            assertThat(embedder.dimensions()).isEqualTo(384);
        }
    }

    /** What the process has in memory, pages of mapped files included. */
    private static long resident() throws IOException {
        System.gc();
        String status = Files.readString(Path.of("/proc/self/status"));
        String resident = status.lines()
                .filter(line -> line.startsWith("VmRSS"))
                .findFirst()
                .orElseThrow();
        return Long.parseLong(resident.replaceAll("\\D", "")) * 1024;
    }
}
