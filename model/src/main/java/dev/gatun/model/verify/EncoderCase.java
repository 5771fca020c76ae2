package dev.gatun.model.verify;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.encoder.EncoderSession;
import dev.gatun.model.encoder.Pooling;
import dev.gatun.model.encoder.Task;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Recomputes one case of an encoder: hidden states, pooled vectors, and what its head says; as one packed batch. */
final class EncoderCase {
    private final String name;
    private final JsonConfig about;
    private final Map<String, Tensor> expected;
    private final EncoderModel model;
    private final Arena arena;

    EncoderCase(String name, JsonConfig about, Map<String, Tensor> expected, EncoderModel model, Arena arena) {
        this.name = name;
        this.about = about;
        this.expected = expected;
        this.model = model;
        this.arena = arena;
    }

    void compute(Map<String, Tensor> computed) {
        if (model.isOfImages()) {
            images(computed);
        } else {
            texts(computed);
        }
    }

    private void texts(Map<String, Tensor> computed) {
        Tensor ids = input("input_ids", 2);
        Tensor mask = input("attention_mask", 2);
        Tensor types = expected.get(name + ".token_type_ids");
        int[] lengths = new int[ids.dim(0)];
        int[][] sequences = new int[lengths.length][];
        int[][] typeIds = new int[lengths.length][];
        for (int b = 0; b < lengths.length; b++) {
            lengths[b] = (int) Arrays.stream(mask.select(0, b).toLongs()).sum();
            sequences[b] = ints(ids, b, lengths[b]);
            typeIds[b] = types == null ? new int[lengths[b]] : ints(types, b, lengths[b]);
        }
        int tokens = Arrays.stream(lengths).sum();
        int width = ids.dim(1);
        try (EncoderSession session = model.newSession(
                tokens, (i, value) -> computed.put(name + ".hidden_states." + i, padded(value, lengths, width)))) {
            session.encode(sequences, typeIds, 0, lengths.length);
            outputs(session, lengths, width, computed);
        }
    }

    private void images(Map<String, Tensor> computed) {
        Tensor pixels = input("pixel_values", 4);
        int images = pixels.dim(0);
        int tokens = model.config().nPositions();
        int[] lengths = IntStream.range(0, images).map(i -> tokens).toArray();
        float[][] values = new float[images][];
        Arrays.setAll(values, i -> pixels.select(0, i).toFloats());
        try (EncoderSession session = model.newSession(
                images * tokens,
                (i, value) -> computed.put(name + ".hidden_states." + i, padded(value, lengths, tokens)))) {
            session.encodeImages(values);
            outputs(session, lengths, tokens, computed);
        }
    }

    private Tensor input(String tensor, int rank) {
        Tensor value = expected.get(name + "." + tensor);
        if (value == null || value.rank() != rank) {
            throw new ModelFormatException(
                    about.file() + ": case " + name + " has no " + tensor + " of " + rank + " dimensions");
        }
        return value;
    }

    private static int[] ints(Tensor ids, int row, int n) {
        return Arrays.stream(ids.select(0, row).slice(0, 0, n).toLongs())
                .mapToInt(Math::toIntExact)
                .toArray();
    }

    private void outputs(EncoderSession session, int[] lengths, int width, Map<String, Tensor> computed) {
        int sequences = lengths.length;
        int d = model.config().dModel();
        computed.put(name + ".last_hidden_state", padded(session.hidden(), lengths, width));
        pool(session, Pooling.MEAN, true, "mean_pooled_normalized", computed);
        pool(session, Pooling.CLS, false, "cls_pooled", computed);
        pool(session, Pooling.CLS, true, "cls_pooled_normalized", computed);
        Tensor pooled = f32(sequences, d);
        if (session.poolerOutput(pooled)) {
            computed.put(name + ".pooler_output", pooled);
        }
        if (model.task() == Task.CLASSIFY) {
            Tensor logits = f32(sequences, model.labels().size());
            session.scoreSequences((b, scores) -> logits.select(0, b).copyFrom(scores));
            computed.put(name + ".logits", logits);
        } else if (model.task() != Task.FEATURES) {
            tokenLogits(session, lengths, width, computed);
        }
    }

    private void pool(
            EncoderSession session, Pooling mode, boolean normalize, String output, Map<String, Tensor> computed) {
        Tensor all = f32(session.sequences(), model.config().dModel());
        for (int b = 0; b < session.sequences(); b++) {
            Tensor row = all.slice(0, b, b + 1);
            session.pool(mode, b, row);
            if (normalize) {
                session.normalize(row);
            }
        }
        computed.put(name + "." + output, all);
    }

    private void tokenLogits(EncoderSession session, int[] lengths, int width, Map<String, Tensor> computed) {
        int tokens = Arrays.stream(lengths).sum();
        Tensor[] packed = {null};
        session.scoreTokens(IntStream.range(0, tokens).toArray(), (i, scores) -> {
            Tensor all = packed[0] == null ? f32(tokens, scores.dim(0)) : packed[0];
            packed[0] = all;
            all.select(0, i).copyFrom(scores);
        });
        Tensor logits = padded(packed[0], lengths, width);
        if (model.task() == Task.ANSWER) {
            computed.put(name + ".start_logits", column(logits, 0));
            computed.put(name + ".end_logits", column(logits, 1));
        } else {
            computed.put(name + ".logits", logits);
        }
    }

    private Tensor column(Tensor logits, int index) {
        Tensor column = f32(logits.dim(0), logits.dim(1));
        column.copyFrom(logits.select(2, index));
        return column;
    }

    private Tensor f32(int... dims) {
        return Tensor.allocate(arena, DType.F32, Shape.of(dims));
    }

    /** Packed rows [N, D] as [B, width, D], zeros beyond each sequence's end. */
    private Tensor padded(@Nullable Tensor packed, int[] lengths, int width) {
        if (packed == null) {
            throw new IllegalStateException("no rows");
        }
        Tensor all = f32(lengths.length, width, packed.dim(1));
        int from = 0;
        for (int b = 0; b < lengths.length; b++) {
            all.select(0, b).slice(0, 0, lengths[b]).copyFrom(packed.slice(0, from, from + lengths[b]));
            from += lengths[b];
        }
        return all;
    }
}
