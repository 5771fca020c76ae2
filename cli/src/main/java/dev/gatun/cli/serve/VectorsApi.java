package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.ServedModel.Vectors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import java.util.List;

/** {@code POST /v1/embeddings}: vectors of texts. */
final class VectorsApi {
    private static final int MAX_TEXTS = 2048; // as OpenAI has it

    private final ServedModels models;

    VectorsApi(ServedModels models) {
        this.models = models;
    }

    void handle(Exchange exchange) throws IOException, InterruptedException {
        Fields request = exchange.body();
        Vectors model = models.find(request, Vectors.class, "embeddings");
        String format = request.string("encoding_format");
        if (format != null && !format.equals("float") && !format.equals("base64")) {
            throw request.wrong("encoding_format", "must be float or base64");
        }
        int dimensions = model.embedder().dimensions();
        if (request.integer("dimensions", 1, Integer.MAX_VALUE, dimensions) != dimensions) {
            throw request.wrong("dimensions", "the model has " + dimensions);
        }
        int[][] ids = ids(request, model);
        float[][] vectors = model.engine().embed(ids, exchange.settings().queue());
        if (vectors == null) {
            throw ApiException.busy(
                    503, 5, "no vectors within " + exchange.settings().queue().toSeconds() + " s: too much to do");
        }
        int tokens = 0;
        ObjectNode root = Json.object();
        root.put("object", "list");
        ArrayNode data = root.putArray("data");
        for (int i = 0; i < ids.length; i++) {
            tokens += ids[i].length;
            ObjectNode one = data.addObject();
            one.put("object", "embedding");
            one.put("index", i);
            if ("base64".equals(format)) {
                one.put("embedding", base64(vectors[i]));
            } else {
                ArrayNode numbers = one.putArray("embedding");
                for (float value : vectors[i]) {
                    numbers.add(value);
                }
            }
        }
        root.put("model", model.name());
        root.putObject("usage").put("prompt_tokens", tokens).put("total_tokens", tokens);
        exchange.json(200, root);
    }

    private static int[][] ids(Fields request, Vectors model) {
        JsonNode input = request.require("input");
        if (input.isArray() && !input.isEmpty() && !input.get(0).isTextual()) {
            throw request.wrong("input", "only texts are supported, as tokens of other models mean nothing here");
        }
        List<String> texts = request.strings("input", MAX_TEXTS);
        if (texts.isEmpty()) {
            throw request.wrong("input", "is empty");
        }
        return model.embedder().tokenize(texts, request.string("prompt_name"));
    }

    private static String base64(float[] vector) {
        ByteBuffer bytes = ByteBuffer.allocate(vector.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(vector);
        return Base64.getEncoder().encodeToString(bytes.array());
    }
}
