package dev.gatun.model.verify;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.generate.BeamSearch;
import dev.gatun.model.generate.BeamSearch.Hypothesis;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.GreedySearch;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Recomputes one case of an encoder-decoder: hidden states, teacher-forced logits, greedy and beam search. */
final class Seq2SeqCase {
    private final String name;
    private final JsonConfig about;
    private final Map<String, Tensor> expected;
    private final Seq2SeqModel model;
    private final Transformer transformer;
    private final Arena arena;
    private final int[][] sources;
    private final int nSource;

    Seq2SeqCase(String name, JsonConfig about, Map<String, Tensor> expected, Seq2SeqModel model, Arena arena) {
        this.name = name;
        this.about = about;
        this.expected = expected;
        this.model = model;
        this.transformer = model.transformer();
        this.arena = arena;
        Tensor ids = input("input_ids");
        Tensor mask = input("attention_mask");
        this.nSource = ids.dim(1);
        this.sources = new int[ids.dim(0)][];
        for (int b = 0; b < sources.length; b++) {
            int length = (int) Arrays.stream(mask.select(0, b).toLongs()).sum();
            sources[b] = ints(ids.select(0, b).slice(0, 0, length));
        }
    }

    private Tensor input(String tensor) {
        Tensor value = expected.get(name + "." + tensor);
        if (value == null || value.rank() != 2 || value.dtype().isFloat()) {
            throw new ModelFormatException(
                    about.file() + ": case " + name + " has no integers " + tensor + " [batch, n]");
        }
        return value;
    }

    private static int[] ints(Tensor ids) {
        return Arrays.stream(ids.toLongs()).mapToInt(Math::toIntExact).toArray();
    }

    void compute(Map<String, Tensor> computed) {
        teacherForced(computed);
        firstLogits(computed);
        JsonConfig generation = about.requireObject("generation");
        if (generation.has("greedy")) {
            greedy(generation.requireObject("greedy"), computed);
        }
        if (generation.has("beam")) {
            beam(generation.requireObject("beam"), computed);
        }
    }

    private void teacherForced(Map<String, Tensor> computed) {
        Tensor ids = input("decoder_input_ids");
        int n = ids.dim(1);
        var size = new SessionSize(sources.length, 1, nSource, n, n);
        try (var session = transformer.newSession(size, (tensor, index, value) -> {
            if (tensor.contains("hidden_state")) {
                String indexed = tensor.endsWith("hidden_states") ? tensor + "." + index : tensor;
                computed.put(name + "." + indexed, padded(value, tensor.startsWith("encoder") ? nSource : n));
            }
        })) {
            session.encode(sources);
            session.decode(ints(ids), n);
            Tensor logits = f32(sources.length, n, transformer.config().vocab());
            for (int b = 0; b < sources.length; b++) {
                for (int t = 0; t < n; t++) {
                    logits.select(0, b).select(0, t).copyFrom(session.logits(b, t));
                }
            }
            computed.put(name + ".logits", logits);
        }
    }

    private void firstLogits(Map<String, Tensor> computed) {
        int[] start = new int[sources.length];
        Arrays.fill(start, model.generation().startId());
        try (var session = transformer.newSession(new SessionSize(sources.length, 1, nSource, 1, 1))) {
            session.encode(sources);
            session.decode(start, 1);
            Tensor logits = f32(sources.length, transformer.config().vocab());
            for (int b = 0; b < sources.length; b++) {
                logits.select(0, b).copyFrom(session.logits(b, 0));
            }
            computed.put(name + ".first_logits", logits);
        }
    }

    private void greedy(JsonConfig settings, Map<String, Tensor> computed) {
        GenerationConfig config = limited(settings);
        try (var session = transformer.newSession(new SessionSize(sources.length, 1, nSource, config.maxTokens(), 1))) {
            session.encode(sources);
            Tensor logits =
                    f32(sources.length, config.maxTokens(), transformer.config().vocab());
            int[][] targets = new GreedySearch(config)
                    .run(
                            session,
                            (b, step, scores) ->
                                    logits.select(0, b).select(0, step).copyFrom(scores));
            int steps = steps(targets, "greedy_ids");
            int[][] mask = Arrays.stream(targets)
                    .map(target -> IntStream.range(0, target.length).map(i -> 1).toArray())
                    .toArray(int[][]::new);
            computed.put(name + ".greedy_ids", integers(targets, steps, config.padId()));
            computed.put(name + ".greedy_mask", integers(mask, steps, 0));
            int made = Math.min(steps, config.maxTokens());
            computed.put(name + ".greedy_logits", padded(logits.slice(1, 0, made), steps));
        }
    }

    private void beam(JsonConfig settings, Map<String, Tensor> computed) {
        int beams = settings.requireInt("num_beams", 1, GenerationConfig.MAX_BEAMS);
        GenerationConfig config = limited(settings).withBeams(beams).withLengthPenalty((float)
                settings.optionalDouble("length_penalty", 1, -100, 100));
        try (var session =
                transformer.newSession(new SessionSize(sources.length, beams, nSource, config.maxTokens(), 1))) {
            session.encode(sources);
            List<List<Hypothesis>> results = new BeamSearch(config).run(session);
            int[][] best = results.stream().map(nBest -> nBest.getFirst().ids()).toArray(int[][]::new);
            computed.put(name + ".beam_ids", integers(best, steps(best, "beam_ids"), config.padId()));
            Tensor scores = f32(results.size());
            Tensor nBestScores = f32(results.size(), beams);
            int[][] all =
                    results.stream().flatMap(List::stream).map(Hypothesis::ids).toArray(int[][]::new);
            for (int b = 0; b < results.size(); b++) {
                scores.setFloat(results.get(b).getFirst().score(), b);
                for (int i = 0; i < beams; i++) {
                    nBestScores.setFloat(results.get(b).get(i).score(), b, i);
                }
            }
            computed.put(name + ".beam_scores", scores);
            if (expected.containsKey(name + ".beam_nbest_ids")) {
                computed.put(name + ".beam_nbest_scores", nBestScores);
                int steps = steps(all, "beam_nbest_ids");
                Tensor flat = integers(all, steps, config.padId());
                computed.put(name + ".beam_nbest_ids", flat.reshape(results.size(), beams, steps));
            }
        }
    }

    private GenerationConfig limited(JsonConfig settings) {
        return model.generation().withMaxTokens(settings.requireInt("max_new_tokens", 1, 10_000));
    }

    /** Ids of the longest target, or as many as the reference has: some references pad up to the limit. */
    private int steps(int[][] targets, String output) {
        int longest =
                Arrays.stream(targets).mapToInt(target -> target.length).max().orElse(0);
        Tensor reference = expected.get(name + "." + output);
        return reference == null ? longest : Math.max(longest, reference.dim(-1));
    }

    private Tensor f32(int... dims) {
        return Tensor.allocate(arena, DType.F32, Shape.of(dims));
    }

    /** A copy of value [B, T, D] as [B, n, D], zeros beyond T. */
    private Tensor padded(Tensor value, int n) {
        Tensor copy = f32(value.dim(0), n, value.dim(2));
        copy.slice(1, 0, value.dim(1)).copyFrom(value);
        return copy;
    }

    /** Rows of ids as I64 [rows, n], filled up with {@code padId}. */
    private Tensor integers(int[][] rows, int n, int padId) {
        Tensor tensor = Tensor.allocate(arena, DType.I64, Shape.of(rows.length, n));
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < n; j++) {
                tensor.setLong(j < rows[i].length ? rows[i][j] : padId, i, j);
            }
        }
        return tensor;
    }
}
