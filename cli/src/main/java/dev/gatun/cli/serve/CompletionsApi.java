package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.ServedModel.Texts;
import dev.gatun.cli.serve.engine.GeneratedText.Part;
import dev.gatun.cli.serve.engine.GeneratedText.Token;
import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.generate.Sampler.Candidate;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** {@code POST /v1/completions}: goes on from texts. */
final class CompletionsApi {
    private static final int MAX_PROMPTS = 64;
    private static final int MAX_TOKENS = 16; // as OpenAI has it where a request says nothing

    private final ServedModels models;

    CompletionsApi(ServedModels models) {
        this.models = models;
    }

    void handle(Exchange exchange) throws IOException, InterruptedException {
        Fields request = exchange.body();
        Texts model = models.find(request, Texts.class, "texts");
        request.refuse("best_of", 1);
        if (request.flag("echo", false)) {
            throw request.wrong("echo", "is not supported");
        }
        if (request.get("suffix") != null) {
            throw request.wrong("suffix", "is not supported");
        }
        int alternatives = request.integer("logprobs", 0, TextOptions.MAX_ALTERNATIVES, -1);
        TextOptions options = TextOptions.of(
                request,
                request.integer("max_tokens", 1, Integer.MAX_VALUE, MAX_TOKENS),
                alternatives >= 0,
                Math.max(0, alternatives));
        List<int[]> prompts = prompts(request, model);
        Constraint format = TextOptions.format(request);
        TextRun.run(
                exchange,
                model.engine(),
                prompts,
                format == null ? options : options.with(format),
                new Answer(model, Ids.next("cmpl-"), System.currentTimeMillis() / 1000));
    }

    private static List<int[]> prompts(Fields request, Texts model) {
        JsonNode prompt = request.require("prompt");
        if (prompt.isArray() && !prompt.isEmpty() && prompt.get(0).isNumber()) {
            return List.of(Ids.tokens(request, "prompt", prompt, vocab(model)));
        }
        List<int[]> prompts = new ArrayList<>();
        if (prompt.isArray() && !prompt.isEmpty() && prompt.get(0).isArray() && prompt.size() <= MAX_PROMPTS) {
            for (int i = 0; i < prompt.size(); i++) {
                prompts.add(Ids.tokens(request, "prompt[" + i + "]", prompt.get(i), vocab(model)));
            }
            return prompts;
        }
        for (String text : request.strings("prompt", MAX_PROMPTS)) {
            prompts.add(model.encode(text, true));
        }
        if (prompts.isEmpty()) {
            throw request.wrong("prompt", "is empty");
        }
        return prompts;
    }

    private static int vocab(Texts model) {
        return model.generator().decoder().config().vocab();
    }

    private record Answer(Texts model, String id, long created) implements TextAnswer {
        @Override
        public ObjectNode empty() {
            ObjectNode node = Json.object();
            node.put("id", id);
            node.put("object", "text_completion");
            node.put("created", created);
            node.put("model", model.name());
            node.putArray("choices");
            return node;
        }

        private ObjectNode choice(ObjectNode into, int index, String text, List<Token> tokens) {
            ObjectNode choice = into.withArray("choices").addObject();
            choice.put("text", text);
            choice.put("index", index);
            if (tokens.isEmpty()) {
                choice.putNull("logprobs");
            } else {
                choice.set("logprobs", logProbabilities(tokens));
            }
            choice.putNull("finish_reason");
            return choice;
        }

        @Override
        public ObjectNode whole(List<Finished> choices) {
            ObjectNode node = empty();
            for (int i = 0; i < choices.size(); i++) {
                Finished text = choices.get(i);
                choice(node, i, text.result().text(), text.tokens())
                        .put("finish_reason", Ids.finish(text.result().end()));
            }
            return node;
        }

        @Override
        public List<ObjectNode> first(int choice) {
            return List.of();
        }

        @Override
        public List<ObjectNode> part(int choice, Part part) {
            ObjectNode node = empty();
            ObjectNode one = choice(node, choice, part.text(), part.tokens());
            if (part.result() != null) {
                one.put("finish_reason", Ids.finish(part.result().end()));
            }
            return List.of(node);
        }

        private ObjectNode logProbabilities(List<Token> tokens) {
            ObjectNode node = Json.object();
            ArrayNode texts = node.putArray("tokens");
            ArrayNode values = node.putArray("token_logprobs");
            ArrayNode top = node.putArray("top_logprobs");
            for (Token token : tokens) {
                texts.add(model.textOf(token.id()));
                values.add(token.logProbability());
                ObjectNode others = top.addObject();
                for (Candidate candidate : token.mostProbable()) {
                    others.put(model.textOf(candidate.id()), candidate.logProbability());
                }
            }
            return node;
        }
    }
}
