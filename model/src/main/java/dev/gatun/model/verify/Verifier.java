package dev.gatun.model.verify;

import dev.gatun.memory.Tensor;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.AudioInput;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.SafetensorsFile;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Recomputes every case of a model folder's expected.json and compares with expected.safetensors, each tensor within its own
 * tolerance. The format is described in golden/README.md.
 */
public final class Verifier {
    private Verifier() {}

    /**
     * What came out.
     *
     * @param checks one for each expected output that is not optional or that we computed
     * @param computed what we computed, under the same names, in the arena that was passed in
     */
    public record Report(List<Check> checks, Map<String, Tensor> computed) {
        /** Whether every check passed, and there was one. */
        public boolean passed() {
            return !checks.isEmpty() && checks.stream().allMatch(Check::passed);
        }
    }

    /**
     * Verifies a model.
     *
     * @param folder has the model's files, expected.json and expected.safetensors
     * @param backend computes
     * @param arena where computed tensors live
     * @throws IOException if a file is missing or cannot be read
     * @throws dev.gatun.model.weights.ModelFormatException if a file breaks its format
     */
    public static Report verify(ModelFolder folder, Backend backend, Arena arena) throws IOException {
        JsonConfig json = JsonConfig.read(folder, "expected.json");
        String type = JsonConfig.read(folder, "config.json").requireString("model_type");
        try (Cases model = open(folder, type, backend, arena)) {
            return verify(model, folder, json);
        }
    }

    /** Verifies a decoder that came from elsewhere against the expected values of a folder. */
    static Report verify(DecoderModel model, ModelFolder folder, Arena arena) throws IOException {
        return verify(new DecoderCases(model, arena), folder, JsonConfig.read(folder, "expected.json"));
    }

    private static Report verify(Cases model, ModelFolder folder, JsonConfig json) throws IOException {
        try (Arena mapping = Arena.ofShared()) {
            Map<String, Tensor> expected = SafetensorsFile.of(folder.open("expected.safetensors", mapping))
                    .tensors();
            Map<String, Tensor> computed = new TreeMap<>();
            List<Check> checks = new ArrayList<>();
            JsonConfig cases = json.requireObject("cases");
            for (String name : cases.keys()) {
                JsonConfig oneCase = cases.requireObject(name);
                model.compute(name, oneCase, expected, computed);
                for (String output : oneCase.strings("outputs")) {
                    JsonConfig about = json.requireObject("tensors").requireObject(output);
                    if (computed.containsKey(output) || !about.optionalBoolean("optional", false)) {
                        checks.add(Comparison.compare(output, about, expected, computed.get(output)));
                    }
                }
            }
            return new Report(checks, computed);
        }
    }

    /** A model that can recompute cases; whoever opened it closes it. */
    private interface Cases extends AutoCloseable {
        void compute(String name, JsonConfig about, Map<String, Tensor> expected, Map<String, Tensor> computed)
                throws IOException;

        @Override
        void close();
    }

    private record EncoderCases(EncoderModel model, Arena arena) implements Cases {
        @Override
        public void compute(String name, JsonConfig about, Map<String, Tensor> expected, Map<String, Tensor> computed) {
            new EncoderCase(name, about, expected, model, arena).compute(computed);
        }

        @Override
        public void close() {
            model.close();
        }
    }

    private record DecoderCases(DecoderModel model, Arena arena) implements Cases {
        @Override
        public void compute(String name, JsonConfig about, Map<String, Tensor> expected, Map<String, Tensor> computed) {
            new DecoderCase(name, about, expected, model.decoder(), arena).compute(computed);
        }

        @Override
        public void close() {
            model.close();
        }
    }

    private record Seq2SeqCases(Seq2SeqModel model, ModelFolder folder, Arena arena) implements Cases {
        @Override
        public void compute(String name, JsonConfig about, Map<String, Tensor> expected, Map<String, Tensor> computed)
                throws IOException {
            if (model.transformer().encoder().input() instanceof AudioInput) {
                new SpeechCase(name, about, expected, model, folder, arena).compute(about, computed);
            } else {
                new Seq2SeqCase(name, about, expected, model, arena).compute(computed);
            }
        }

        @Override
        public void close() {
            model.close();
        }
    }

    private static Cases open(ModelFolder folder, String type, Backend backend, Arena arena) throws IOException {
        if (DecoderModel.families().contains(type)) {
            return new DecoderCases(DecoderModel.load(folder, backend), arena);
        }
        return EncoderModel.types().contains(type)
                ? new EncoderCases(EncoderModel.load(folder, backend), arena)
                : new Seq2SeqCases(Seq2SeqModel.load(folder, backend), folder, arena);
    }
}
