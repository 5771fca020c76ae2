package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.ServedModel.Texts;
import dev.gatun.cli.serve.engine.Gate;
import dev.gatun.model.decoder.AttentionMap;
import dev.gatun.model.decoder.Decoder;
import java.util.Locale;

/**
 * {@code POST /attention}: what the tokens of a short text see of each other in the heads of a layer, and how that comes about. For
 * the page. With {@code "times": true} also what the operators took.
 */
final class AttentionApi {
    private static final int MAX_TOKENS = 96;
    private static final int WAITING = 16;
    private static final double PRECISION = 1e4;

    private final ServedModels models;
    private final Gate gate = new Gate(1, WAITING);

    AttentionApi(ServedModels models) {
        this.models = models;
    }

    void handle(Exchange exchange) throws Exception {
        Fields request = exchange.body();
        Texts model = models.find(request, Texts.class, "attention");
        Decoder decoder = model.generator().decoder();
        int[] ids = model.encode(request.requireString("text"), true);
        int most = Math.min(MAX_TOKENS, decoder.config().nPositions());
        if (ids.length < 1 || ids.length > most) {
            throw request.wrong("text", "has " + ids.length + " tokens, must have 1 to " + most);
        }
        int layer = request.integer("layer", 0, decoder.config().nLayers() - 1, 0);
        boolean timed = request.flag("times", false);
        var times = new OperatorTimes();
        AttentionMap map = gate.call(exchange.settings().queue(), () -> {
            try (OperatorTimes.Watch _ = timed ? times.watch() : () -> {}) {
                return AttentionMap.of(decoder, ids);
            }
        });
        if (map == null) {
            throw ApiException.busy(503, 5, "no turn in time: too much to do");
        }
        int head = request.integer("head", 0, map.heads() - 1, 0);
        ObjectNode root = Json.object();
        root.put("model", model.name());
        ArrayNode tokens = root.putArray("tokens");
        for (int id : ids) {
            tokens.add(model.generator().tokenizer().decodeAll(id));
        }
        root.put("layers", map.layers());
        root.put("heads", map.heads());
        root.put("head_dim", map.headDim());
        root.put("layer", layer);
        root.put("head", head);
        show(root, map, layer, head);
        if (timed) {
            times.write(root.putArray("times"));
        }
        exchange.json(200, root);
    }

    private static void show(ObjectNode root, AttentionMap map, int layer, int head) {
        ArrayNode weights = root.putArray("weights"); // of all heads: little pictures beside the large one
        for (int h = 0; h < map.heads(); h++) {
            matrix(weights.addArray(), map.weights(layer, h));
        }
        float[][] scores = map.scores(layer, head);
        matrix(root.putArray("scores"), scores);
        ArrayNode masked = root.putArray("masked"); // null is hidden
        for (int i = 0; i < scores.length; i++) {
            ArrayNode row = masked.addArray();
            for (int j = 0; j < scores.length; j++) {
                if (j < map.firstKey(layer, i) || j > i) {
                    row.addNull();
                } else {
                    row.add(rounded(scores[i][j]));
                }
            }
        }
        rows(root.putArray("queries"), map.queries(layer, head), map.headDim());
        rows(root.putArray("keys"), map.keys(layer, head), map.headDim());
        root.put("position_kind", map.positions(layer).name().toLowerCase(Locale.ROOT));
        matrix(root.putArray("positions"), map.positionRows(layer));
    }

    private static double rounded(float value) {
        return Math.round(value * PRECISION) / PRECISION;
    }

    private static void matrix(ArrayNode into, float[][] values) {
        for (float[] row : values) {
            ArrayNode array = into.addArray();
            for (float value : row) {
                array.add(rounded(value));
            }
        }
    }

    private static void rows(ArrayNode into, float[] values, int width) {
        for (int at = 0; at < values.length; at += width) {
            ArrayNode row = into.addArray();
            for (int i = 0; i < width; i++) {
                row.add(rounded(values[at + i]));
            }
        }
    }
}
