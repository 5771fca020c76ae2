package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.ServedModel.Texts;
import dev.gatun.cli.serve.engine.Gate;
import dev.gatun.model.decoder.AttentionMap;
import dev.gatun.model.decoder.Decoder;

/** {@code POST /attention}: what the tokens of a short text see of each other, in the heads of a layer. For the page. */
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
        AttentionMap map = gate.call(exchange.settings().queue(), () -> AttentionMap.of(decoder, ids));
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
        ArrayNode weights = root.putArray("weights"); // of all heads: little pictures beside the large one
        for (int h = 0; h < map.heads(); h++) {
            matrix(weights.addArray(), map.weights(layer, h));
        }
        matrix(root.putArray("scores"), map.scores(layer, head));
        rows(root.putArray("queries"), map.queries(layer, head), map.headDim());
        rows(root.putArray("keys"), map.keys(layer, head), map.headDim());
        exchange.json(200, root);
    }

    private static void matrix(ArrayNode into, float[][] values) {
        for (float[] row : values) {
            ArrayNode array = into.addArray();
            for (float value : row) {
                array.add(Math.round(value * PRECISION) / PRECISION);
            }
        }
    }

    private static void rows(ArrayNode into, float[] values, int width) {
        for (int at = 0; at < values.length; at += width) {
            ArrayNode row = into.addArray();
            for (int i = 0; i < width; i++) {
                row.add(Math.round(values[at + i] * PRECISION) / PRECISION);
            }
        }
    }
}
