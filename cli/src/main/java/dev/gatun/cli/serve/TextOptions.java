package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.generate.TextGeneration.Settings;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * What a request asks of texts.
 *
 * @param settings of the first; the others differ in their seed
 * @param choices texts
 * @param alternatives to name beside each token, where the settings ask for log-probabilities
 * @param stream whether the answer is a stream of events
 * @param usage whether such a stream ends with how many tokens it took
 */
record TextOptions(Settings settings, int choices, int alternatives, boolean stream, boolean usage) {
    private static final int MAX_CHOICES = 16;
    private static final int MAX_STOPS = 16;
    static final int MAX_ALTERNATIVES = 20;

    /**
     * Reads what both kinds of requests have.
     *
     * @param maxTokens tokens of a text at most
     * @param logProbabilities whether they are asked for
     */
    static TextOptions of(Fields request, int maxTokens, boolean logProbabilities, int alternatives) {
        request.refuse("presence_penalty", 0);
        request.refuse("frequency_penalty", 0);
        JsonNode bias = request.get("logit_bias");
        if (bias != null && !bias.isEmpty()) {
            throw request.wrong("logit_bias", "is not supported");
        }
        List<String> stop = request.strings("stop", MAX_STOPS);
        if (stop.contains("")) {
            throw request.wrong("stop", "must not be empty");
        }
        Long seed = request.longer("seed");
        Sampling sampling;
        try {
            sampling = new Sampling(
                    request.number("temperature", 1),
                    request.integer("top_k", 0, Integer.MAX_VALUE, 0),
                    request.number("top_p", 1),
                    request.number("min_p", 0),
                    request.number("repetition_penalty", 1),
                    seed == null ? ThreadLocalRandom.current().nextLong() : seed);
        } catch (IllegalArgumentException e) {
            throw ApiException.invalid(null, String.valueOf(e.getMessage()));
        }
        boolean stream = request.flag("stream", false);
        Fields streamOptions = request.object("stream_options");
        if (streamOptions != null && !stream) {
            throw request.wrong("stream_options", "only with stream");
        }
        return new TextOptions(
                new Settings(maxTokens, sampling, stop, Set.of(), logProbabilities, 0),
                request.integer("n", 1, MAX_CHOICES, 1),
                alternatives,
                stream,
                streamOptions != null && streamOptions.flag("include_usage", false));
    }

    TextOptions with(Constraint constraint) {
        return new TextOptions(settings.with(constraint), choices, alternatives, stream, usage);
    }

    /** The settings of one of the texts. */
    Settings settings(int choice) {
        Sampling s = settings.sampling();
        return choice == 0
                ? settings
                : settings.with(new Sampling(
                        s.temperature(), s.topK(), s.topP(), s.minP(), s.repetitionPenalty(), s.seed() + choice));
    }

    /** What {@code response_format} says a text has to be; null for anything. */
    static @Nullable Constraint format(Fields request) {
        Fields format = request.object("response_format");
        if (format == null) {
            return null;
        }
        String type = format.requireString("type");
        return switch (type) {
            case "text" -> null;
            case "json_object" -> Constraint.jsonSchema("{\"type\":\"object\"}");
            case "json_schema" -> {
                Fields named = format.within(format.require("json_schema"), "json_schema");
                JsonNode schema = named.require("schema");
                yield Constraint.jsonSchema(Json.text(schema));
            }
            default -> throw format.wrong("type", "must be text, json_object or json_schema");
        };
    }

    /** A schema without what says nothing of values. */
    static JsonNode parameters(@Nullable JsonNode schema) {
        if (schema instanceof ObjectNode object && !object.isEmpty()) {
            return object;
        }
        ObjectNode none = Json.object();
        none.put("type", "object");
        none.putObject("properties");
        none.put("additionalProperties", false);
        return none;
    }
}
