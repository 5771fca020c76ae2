package dev.gatun.model.verify;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.decoder.Decoder;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Map;

/**
 * Recomputes one case of a decoder: hidden states and logits of its prompts, which are padded on the left, and greedy generation.
 * Positions count from the first valid token, so a prompt is computed without its padding.
 */
final class DecoderCase {
    private final String name;
    private final JsonConfig about;
    private final Map<String, Tensor> expected;
    private final Decoder model;
    private final Arena arena;
    private final int[][] prompts;
    private final int nPrompt;

    DecoderCase(String name, JsonConfig about, Map<String, Tensor> expected, Decoder model, Arena arena) {
        this.name = name;
        this.about = about;
        this.expected = expected;
        this.model = model;
        this.arena = arena;
        Tensor ids = input("input_ids");
        Tensor mask = input("attention_mask");
        this.nPrompt = ids.dim(1);
        this.prompts = new int[ids.dim(0)][];
        for (int b = 0; b < prompts.length; b++) {
            long[] row = ids.select(0, b).toLongs();
            int padding =
                    nPrompt - (int) Arrays.stream(mask.select(0, b).toLongs()).sum();
            prompts[b] = Arrays.stream(row, padding, nPrompt)
                    .mapToInt(Math::toIntExact)
                    .toArray();
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

    void compute(Map<String, Tensor> computed) {
        for (int b = 0; b < prompts.length; b++) {
            prompt(b, computed);
        }
        JsonConfig generation = about.requireObject("generation");
        if (generation.has("greedy")) {
            greedy(generation.requireObject("greedy").requireInt("max_new_tokens", 1, 10_000), computed);
        }
    }

    private void prompt(int b, Map<String, Tensor> computed) {
        int n = prompts[b].length;
        int padding = nPrompt - n;
        try (DecoderSession session = model.newSession(new SessionSize(1, n, n, n), (tensor, index, value) -> {
            if (!tensor.endsWith("hidden_states") && !tensor.equals("last_hidden_state")) {
                return;
            }
            String key = name + "." + (tensor.endsWith("hidden_states") ? tensor + "." + index : tensor);
            all(computed, key, value.dim(2))
                    .select(0, b)
                    .slice(0, padding, nPrompt)
                    .copyFrom(value.select(0, 0));
        })) {
            session.prefillKeepingAll(session.newSequence(), prompts[b], 0, n);
            Tensor logits = all(computed, name + ".logits", model.config().vocab());
            for (int t = 0; t < n; t++) {
                logits.select(0, b).select(0, padding + t).copyFrom(session.logits(t));
            }
        }
    }

    private Tensor all(Map<String, Tensor> computed, String key, int width) {
        return computed.computeIfAbsent(
                key, k -> Tensor.allocate(arena, DType.F32, Shape.of(prompts.length, nPrompt, width)));
    }

    private void greedy(int maxTokens, Map<String, Tensor> computed) {
        int batch = prompts.length;
        Tensor ids = Tensor.allocate(arena, DType.I64, Shape.of(batch, maxTokens));
        Tensor logits = Tensor.allocate(
                arena, DType.F32, Shape.of(batch, maxTokens, model.config().vocab()));
        int nCtx = Math.min(nPrompt + maxTokens, model.config().nPositions());
        try (DecoderSession session = model.newSession(SessionSize.of(batch, nCtx))) {
            Sequence[] sequences = new Sequence[batch];
            int[] last = new int[batch];
            for (int b = 0; b < batch; b++) {
                sequences[b] = session.newSequence();
                session.prefill(sequences[b], prompts[b], 0, prompts[b].length);
                last[b] = take(session, 0, logits, ids, b, 0);
            }
            for (int step = 1; step < maxTokens; step++) {
                session.decode(sequences, last);
                for (int b = 0; b < batch; b++) {
                    last[b] = take(session, b, logits, ids, b, step);
                }
            }
        }
        computed.put(name + ".greedy_ids", ids);
        computed.put(name + ".greedy_logits", logits);
    }

    private static int take(DecoderSession session, int row, Tensor logits, Tensor ids, int b, int step) {
        logits.select(0, b).select(0, step).copyFrom(session.logits(row));
        int id = session.argMax(row);
        ids.setLong(id, b, step);
        return id;
    }
}
