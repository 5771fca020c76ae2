package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.ServedModel.Scores;
import dev.gatun.model.Reranker.Ranked;
import java.util.ArrayList;
import java.util.List;

/** {@code POST /v1/rerank}: texts by how well they answer a query, in the shape that Cohere and Jina share. */
final class RerankApi {
    private static final int MAX_DOCUMENTS = 1000;

    private final ServedModels models;

    RerankApi(ServedModels models) {
        this.models = models;
    }

    void handle(Exchange exchange) throws Exception {
        Fields request = exchange.body();
        Scores model = models.find(request, Scores.class, "reranking");
        String query = request.requireString("query");
        request.require("documents");
        List<String> documents = documents(request);
        int top = request.integer("top_n", 1, Integer.MAX_VALUE, documents.size());
        boolean texts = request.flag("return_documents", true);
        List<Ranked> ranked = model.gate()
                .call(exchange.settings().queue(), () -> model.reranker().rank(query, documents));
        if (ranked == null) {
            throw ApiException.busy(
                    503, 5, "no turn within " + exchange.settings().queue().toSeconds() + " s");
        }
        ObjectNode root = Json.object();
        root.put("id", Ids.next("rerank-"));
        root.put("model", model.name());
        ArrayNode results = root.putArray("results");
        for (Ranked one : ranked.subList(0, Math.min(top, ranked.size()))) {
            ObjectNode result = results.addObject();
            result.put("index", one.index());
            result.put("relevance_score", one.score());
            if (texts) {
                result.putObject("document").put("text", one.text());
            }
        }
        exchange.json(200, root);
    }

    /** Strings, or objects with a text. */
    private static List<String> documents(Fields request) {
        ArrayNode array = request.array("documents");
        if (array == null || array.isEmpty() || array.size() > MAX_DOCUMENTS) {
            throw request.wrong("documents", "must be 1 to " + MAX_DOCUMENTS + " texts");
        }
        List<String> documents = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
            JsonNode document = array.get(i);
            documents.add(
                    document.isTextual()
                            ? document.textValue()
                            : request.within(document, "documents[" + i + "]").requireString("text"));
        }
        return documents;
    }
}
