package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.ServedModel.Texts;
import dev.gatun.cli.serve.Tools.Call;
import dev.gatun.cli.serve.Tools.Parsed;
import dev.gatun.cli.serve.engine.GeneratedText.Part;
import dev.gatun.cli.serve.engine.GeneratedText.Token;
import dev.gatun.model.generate.Sampler.Candidate;
import dev.gatun.model.generate.TextGeneration.End;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Chat completions, and their chunks. */
final class ChatAnswer implements TextAnswer {
    private final String id = Ids.next("chatcmpl-");
    private final long created = System.currentTimeMillis() / 1000;
    private final Texts model;
    private final @Nullable Tools tools;
    private final boolean logProbabilities;
    private final StringBuilder[] texts; // where they may be calls: so far
    private final int[] shown; // characters of them

    ChatAnswer(Texts model, @Nullable Tools tools, TextOptions options) {
        this.model = model;
        this.tools = tools;
        this.logProbabilities = options.settings().logProbabilities();
        texts = new StringBuilder[options.choices()];
        shown = new int[options.choices()];
        for (int i = 0; i < texts.length; i++) {
            texts[i] = new StringBuilder();
        }
    }

    private ObjectNode node(String object) {
        ObjectNode node = Json.object();
        node.put("id", id);
        node.put("object", object);
        node.put("created", created);
        node.put("model", model.name());
        node.putArray("choices");
        return node;
    }

    @Override
    public ObjectNode empty() {
        return node("chat.completion.chunk");
    }

    @Override
    public ObjectNode whole(List<Finished> choices) {
        ObjectNode node = node("chat.completion");
        for (int i = 0; i < choices.size(); i++) {
            Finished text = choices.get(i);
            ObjectNode choice = node.withArray("choices").addObject();
            choice.put("index", i);
            ObjectNode message = choice.putObject("message");
            message.put("role", "assistant");
            Parsed parsed = parse(text.result().text());
            if (parsed.calls().isEmpty()) {
                message.put("content", parsed.content());
            } else {
                message.put("content", parsed.content().isEmpty() ? null : parsed.content());
                ArrayNode calls = message.putArray("tool_calls");
                parsed.calls().forEach(call -> call(calls.addObject(), call));
            }
            message.putNull("refusal");
            logProbabilities(choice, text.tokens());
            choice.put("finish_reason", finish(text.result().end(), parsed));
        }
        return node;
    }

    private Parsed parse(String text) {
        return tools == null ? new Parsed(text, List.of()) : tools.parse(text);
    }

    private String finish(End end, Parsed parsed) {
        boolean called = tools != null && !tools.named() && !parsed.calls().isEmpty();
        return called ? "tool_calls" : Ids.finish(end);
    }

    private static void call(ObjectNode node, Call call) {
        node.put("id", call.id());
        node.put("type", "function");
        node.putObject("function").put("name", call.name()).put("arguments", call.arguments());
    }

    private ObjectNode chunk(int choice, ObjectNode delta, List<Token> tokens, @Nullable String finish) {
        ObjectNode node = empty();
        ObjectNode one = node.withArray("choices").addObject();
        one.put("index", choice);
        one.set("delta", delta);
        logProbabilities(one, tokens);
        one.put("finish_reason", finish);
        return node;
    }

    @Override
    public List<ObjectNode> first(int choice) {
        ObjectNode delta = Json.object();
        delta.put("role", "assistant");
        delta.put("content", "");
        return List.of(chunk(choice, delta, List.of(), null));
    }

    @Override
    public List<ObjectNode> part(int choice, Part part) {
        StringBuilder text = texts[choice];
        String more = part.text();
        Parsed parsed = new Parsed("", List.of());
        if (tools != null) {
            text.append(more);
            int certain = tools.certain(text.toString());
            if (part.result() != null) {
                parsed = tools.parse(text.toString());
                certain = Math.max(shown[choice], parsed.calls().isEmpty() ? text.length() : certain);
            }
            more = text.substring(shown[choice], Math.max(shown[choice], certain));
            shown[choice] += more.length();
        }
        List<ObjectNode> chunks = new ArrayList<>();
        if (!more.isEmpty() || !part.tokens().isEmpty()) {
            ObjectNode delta = Json.object();
            delta.put("content", more);
            chunks.add(chunk(choice, delta, part.tokens(), null));
        }
        for (int i = 0; i < parsed.calls().size(); i++) {
            ObjectNode delta = Json.object();
            ObjectNode call = delta.putArray("tool_calls").addObject();
            call.put("index", i);
            call(call, parsed.calls().get(i));
            chunks.add(chunk(choice, delta, List.of(), null));
        }
        if (part.result() != null) {
            chunks.add(
                    chunk(choice, Json.object(), List.of(), finish(part.result().end(), parsed)));
        }
        return chunks;
    }

    private void logProbabilities(ObjectNode choice, List<Token> tokens) {
        if (!logProbabilities || tokens.isEmpty()) {
            choice.putNull("logprobs");
            return;
        }
        ObjectNode node = choice.putObject("logprobs");
        ArrayNode content = node.putArray("content");
        node.putNull("refusal");
        for (Token token : tokens) {
            ObjectNode one = content.addObject();
            token(one, token.id(), token.logProbability());
            ArrayNode top = one.putArray("top_logprobs");
            for (Candidate candidate : token.mostProbable()) {
                token(top.addObject(), candidate.id(), candidate.logProbability());
            }
        }
    }

    private void token(ObjectNode node, int id, double logProbability) {
        node.put("token", model.textOf(id));
        node.put("logprob", Math.max(logProbability, -9999)); // as OpenAI writes what is next to impossible
        ArrayNode bytes = node.putArray("bytes");
        for (byte b : model.bytesOf(id)) {
            bytes.add(b & 0xff);
        }
    }
}
