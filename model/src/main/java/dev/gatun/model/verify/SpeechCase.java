package dev.gatun.model.verify;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.audio.LogMel;
import dev.gatun.model.generate.BeamSearch;
import dev.gatun.model.generate.BeamSearch.Hypothesis;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.SpeechGeneration;
import dev.gatun.model.generate.SpeechGeneration.Segment;
import dev.gatun.model.generate.SpeechPrompt;
import dev.gatun.model.generate.TokenRules;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.AudioInput;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.transformer.TransformerSession;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Recomputes one case of a model of speech from samples: spectrogram, hidden states, teacher-forced logits, the language, and what is
 * heard, greedily and with beam search, with times and without.
 */
final class SpeechCase {
    private final String name;
    private final Map<String, Tensor> expected;
    private final Seq2SeqModel model;
    private final Transformer transformer;
    private final Arena arena;
    private final LogMel logMel;
    private final SpeechPrompt prompt;
    private final JsonConfig settings;
    private final int window;
    private final Tensor[] features; // [columns, bins] of each sound

    SpeechCase(
            String name,
            JsonConfig about,
            Map<String, Tensor> expected,
            Seq2SeqModel model,
            ModelFolder folder,
            Arena arena)
            throws IOException {
        this.name = name;
        this.expected = expected;
        this.model = model;
        this.transformer = model.transformer();
        this.arena = arena;
        this.settings = about.requireObject("generation");
        AudioInput input = (AudioInput) transformer.encoder().input();
        this.logMel = LogMel.read(folder, input.bins());
        this.window = input.frames();
        this.prompt = SpeechPrompt.read(
                JsonConfig.read(folder, "generation_config.json"),
                transformer.config().vocab());
        Tensor samples = input(about, "samples");
        features = new Tensor[samples.dim(0)];
        Arrays.setAll(features, b -> logMel.of(samples.select(0, b).toFloats(), arena));
    }

    private Tensor input(JsonConfig about, String tensor) {
        Tensor value = expected.get(name + "." + tensor);
        if (value == null || value.rank() != 2) {
            throw new ModelFormatException(about.file() + ": case " + name + " has no " + tensor + " [batch, n]");
        }
        return value;
    }

    void compute(JsonConfig about, Map<String, Tensor> computed) {
        computed.put(name + ".input_features", transposed());
        teacherForced(input(about, "decoder_input_ids"), computed);
        Tensor languages = Tensor.allocate(arena, DType.I64, Shape.of(features.length, 1));
        List<List<Integer>> timed = new ArrayList<>();
        List<List<Integer>> bounds = new ArrayList<>();
        for (int b = 0; b < features.length; b++) {
            int language;
            try (TransformerSession session = session(1)) {
                language = generation(model.generation())
                        .detect(session, features[b], prompt.languages().values());
            }
            languages.setLong(language, b, 0);
            List<Integer> ids = new ArrayList<>();
            List<Integer> times = new ArrayList<>();
            for (Segment segment : heard(b, language)) {
                Arrays.stream(segment.ids()).forEach(ids::add);
                times.add((int) Math.round(segment.start() * 100));
                times.add((int) Math.round(segment.end() * 100));
            }
            timed.add(ids);
            bounds.add(times);
        }
        computed.put(name + ".language_ids", languages);
        computed.put(name + ".timestamp_ids", table(timed, model.generation().padId()));
        computed.put(name + ".segment_times", table(bounds, -100));
        if (expected.containsKey(name + ".greedy_ids")) {
            untimed(languages, computed);
        }
    }

    private List<Segment> heard(int b, int language) {
        GenerationConfig config = config(language, true);
        try (TransformerSession session = session(1)) {
            return generation(config.withRules(config.rules().withTimestamps(prompt.timestamps())))
                    .run(session, features[b], features[b].dim(0), (frames, of) -> {});
        }
    }

    private void untimed(Tensor languages, Map<String, Tensor> computed) {
        int beams = settings.requireInt("num_beams", 1, GenerationConfig.MAX_BEAMS);
        List<List<Integer>> greedy = new ArrayList<>();
        List<List<Integer>> best = new ArrayList<>();
        Tensor scores = Tensor.allocate(arena, DType.F32, Shape.of(features.length));
        for (int b = 0; b < features.length; b++) {
            GenerationConfig config = config((int) languages.getLong(b, 0), false);
            try (TransformerSession session = session(1)) {
                List<Segment> segments = generation(config).run(session, features[b], window, (frames, of) -> {});
                greedy.add(Arrays.stream(segments.getFirst().ids()).boxed().toList());
            }
            try (TransformerSession session = session(beams)) {
                session.encode(features[b].reshape(1, window, logMel.bins()));
                Hypothesis hypothesis = new BeamSearch(config.withBeams(beams))
                        .run(session)
                        .getFirst()
                        .getFirst();
                best.add(Arrays.stream(hypothesis.ids())
                        .filter(id -> !config.isEos(id))
                        .boxed()
                        .toList());
                scores.setFloat(hypothesis.score(), b);
            }
        }
        computed.put(name + ".greedy_ids", table(greedy, model.generation().padId()));
        computed.put(name + ".beam_ids", table(best, model.generation().padId()));
        computed.put(name + ".beam_scores", scores);
    }

    private SpeechGeneration generation(GenerationConfig config) {
        return new SpeechGeneration(config, window, (double) logMel.hop() / logMel.rate());
    }

    private GenerationConfig config(int detected, boolean times) {
        @Nullable String language = settings.has("language") ? settings.requireString("language") : null;
        @Nullable String task = settings.has("task") ? settings.requireString("task") : null;
        return model.generation()
                .withMaxTokens(settings.requireInt("max_new_tokens", 1, 10_000))
                .withPrompt(prompt.ids(language, task, language == null ? detected : TokenRules.NONE, times));
    }

    private TransformerSession session(int beams) {
        var config = transformer.config();
        return transformer.newSession(new SessionSize(1, beams, config.nSource(), config.nTarget(), 1));
    }

    private Tensor transposed() {
        int columns = features[0].dim(0);
        Tensor all = Tensor.allocate(arena, DType.F32, Shape.of(features.length, logMel.bins(), columns));
        for (int b = 0; b < features.length; b++) {
            all.select(0, b).copyFrom(features[b].transpose(0, 1));
        }
        return all;
    }

    private void teacherForced(Tensor ids, Map<String, Tensor> computed) {
        int n = ids.dim(1);
        int batch = features.length;
        var size = new SessionSize(batch, 1, transformer.config().nSource(), n, n);
        try (var session = transformer.newSession(size, (tensor, index, value) -> {
            if (tensor.contains("hidden_state")) {
                String indexed = tensor.endsWith("hidden_states") ? tensor + "." + index : tensor;
                computed.put(name + "." + indexed, copy(value));
            }
        })) {
            Tensor windows = Tensor.allocate(arena, DType.F32, Shape.of(batch, window, logMel.bins()));
            for (int b = 0; b < batch; b++) {
                windows.select(0, b).copyFrom(features[b].slice(0, 0, window));
            }
            session.encode(windows);
            session.decode(
                    Arrays.stream(ids.toLongs()).mapToInt(Math::toIntExact).toArray(), n);
            computed.put(name + ".logits", copy(session.logits()));
        }
    }

    private Tensor copy(Tensor value) {
        Tensor copy = Tensor.allocate(arena, DType.F32, value.shape());
        copy.copyFrom(value);
        return copy;
    }

    private Tensor table(List<List<Integer>> rows, int fill) {
        int n = rows.stream().mapToInt(List::size).max().orElse(0);
        Tensor table = Tensor.allocate(arena, DType.I64, Shape.of(rows.size(), n));
        for (int i = 0; i < rows.size(); i++) {
            for (int j = 0; j < n; j++) {
                table.setLong(j < rows.get(i).size() ? rows.get(i).get(j) : fill, i, j);
            }
        }
        return table;
    }
}
