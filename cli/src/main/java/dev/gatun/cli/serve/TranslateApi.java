package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.ServedModel.Translations;
import java.util.List;

/** {@code POST /translate}: {@code {"text": ["..."]}} to {@code {"translations": [{"text": "..."}]}}, as DeepL has it. */
final class TranslateApi {
    private static final int MAX_TEXTS = 256;

    private final ServedModels models;

    TranslateApi(ServedModels models) {
        this.models = models;
    }

    void handle(Exchange exchange) throws Exception {
        Fields request = exchange.body();
        Translations model = models.find(request, Translations.class, "translation");
        request.require("text");
        List<String> texts = request.strings("text", MAX_TEXTS);
        List<String> translated = model.gate()
                .call(exchange.settings().queue(), () -> model.translator().translateAll(texts));
        if (translated == null) {
            throw ApiException.busy(
                    503, 5, "no turn within " + exchange.settings().queue().toSeconds() + " s");
        }
        ObjectNode root = Json.object();
        root.put("model", model.name());
        ArrayNode translations = root.putArray("translations");
        translated.forEach(text -> translations.addObject().put("text", text));
        exchange.json(200, root);
    }
}
