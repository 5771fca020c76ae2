package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.template.ChatTemplate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The tools of a request, and how a model calls them: its chat template shows them to it, and tells it to answer with JSON, within
 * {@code <tool_call>} (Hermes, Qwen, SmolLM3) or bare (Llama). Where a call is asked for, the text is constrained to be one.
 */
final class Tools {
    private static final String OPEN = "<tool_call>";
    private static final String CLOSE = "</tool_call>";
    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9_.-]{1,64}");
    private static final Pattern WORD = Pattern.compile("\\btools\\b");
    private static final int MAX_TOOLS = 128;

    /** A call that a text makes. */
    record Call(String id, String name, String arguments) {}

    /** What a text is: words, and calls. */
    record Parsed(String content, List<Call> calls) {}

    /** Who decides whether there is a call. */
    private enum Choice {
        MODEL,
        REQUIRED,
        NAMED
    }

    private final JsonNode tools;
    private final Map<String, JsonNode> parameters; // by name, those that may be called
    private final Choice choice;
    private final boolean marked; // calls are within <tool_call>
    private final String argumentsField;

    private Tools(JsonNode tools, Map<String, JsonNode> parameters, Choice choice, String template) {
        this.tools = tools;
        this.parameters = parameters;
        this.choice = choice;
        this.marked = template.contains(OPEN);
        this.argumentsField = !marked && template.contains("parameters") ? "parameters" : "arguments";
    }

    /** What a request has of tools; null if there are none, or they are not to be used. */
    static @Nullable Tools of(Fields request, ChatTemplate template) {
        ArrayNode array = request.array("tools");
        JsonNode choice = request.get("tool_choice");
        if (array == null || array.isEmpty()) {
            if (choice != null
                    && !choice.asText().equals("none")
                    && !choice.asText().equals("auto")) {
                throw request.wrong("tool_choice", "only with tools");
            }
            return null;
        }
        if (array.size() > MAX_TOOLS) {
            throw request.wrong("tools", "at most " + MAX_TOOLS);
        }
        Map<String, JsonNode> parameters = new LinkedHashMap<>();
        for (int i = 0; i < array.size(); i++) {
            Fields tool = request.within(array.get(i), "tools[" + i + "]");
            if (!tool.requireString("type").equals("function")) {
                throw tool.wrong("type", "only function is supported");
            }
            Fields function = tool.within(tool.require("function"), "function");
            String name = function.requireString("name");
            if (!NAME.matcher(name).matches()) {
                throw function.wrong("name", "must be 1 to 64 letters, digits, _, . or -");
            }
            parameters.put(name, TextOptions.parameters(function.get("parameters")));
        }
        if (!WORD.matcher(template.source()).find()) {
            throw request.wrong("tools", "the model's chat template knows none");
        }
        if (choice == null || choice.isTextual()) {
            String text = choice == null ? "auto" : choice.textValue();
            return switch (text) {
                case "none" -> null;
                case "auto" -> new Tools(array, parameters, Choice.MODEL, template.source());
                case "required" -> new Tools(array, parameters, Choice.REQUIRED, template.source());
                default -> throw request.wrong("tool_choice", "must be none, auto, required, or name a function");
            };
        }
        Fields named = request.within(choice, "tool_choice");
        String name = named.within(named.require("function"), "function").requireString("name");
        JsonNode only = parameters.get(name);
        if (only == null) {
            throw named.wrong("function.name", "no tool has the name " + name);
        }
        return new Tools(array, Map.of(name, only), Choice.NAMED, template.source());
    }

    /** For the template's variable {@code tools}. */
    @Nullable
    Object variable() {
        return Json.value(tools);
    }

    /** Whether the text has to be a call: then it follows {@link #opening}, and is within {@link #constraint}. */
    boolean forced() {
        return choice != Choice.MODEL;
    }

    /** Whether the client has named the function, and knows that it will be called. */
    boolean named() {
        return choice == Choice.NAMED;
    }

    /** What a call begins with, before its JSON. */
    String opening() {
        return marked ? OPEN + "\n" : "";
    }

    /** The JSON of one call. */
    Constraint constraint() {
        ObjectNode root = Json.object();
        ArrayNode any = root.putArray("anyOf");
        parameters.forEach((name, schema) -> {
            ObjectNode call = any.addObject();
            call.put("type", "object");
            ObjectNode properties = call.putObject("properties");
            properties.putObject("name").put("const", name);
            properties.set(argumentsField, schema);
            call.putArray("required").add("name").add(argumentsField);
            call.put("additionalProperties", false);
        });
        return Constraint.jsonSchema(Json.text(any.size() == 1 ? any.get(0) : root));
    }

    /** How much of a text that is not done may be shown: it will not turn out to be a call. */
    int certain(String text) {
        if (forced()) {
            return 0;
        }
        if (!marked) {
            return text.isBlank() || text.stripLeading().startsWith("{") ? 0 : text.length();
        }
        int at = text.indexOf(OPEN);
        if (at >= 0) {
            return at;
        }
        for (int n = Math.min(OPEN.length() - 1, text.length()); n > 0; n--) {
            if (text.endsWith(OPEN.substring(0, n))) {
                return text.length() - n;
            }
        }
        return text.length();
    }

    /** What a whole text is. What looks like a call and is none stays text. */
    Parsed parse(String text) {
        if (forced() || !marked) {
            Call call = call(text);
            return call == null ? new Parsed(text, List.of()) : new Parsed("", List.of(call));
        }
        List<Call> calls = new ArrayList<>();
        int first = text.indexOf(OPEN);
        for (int at = first; at >= 0; at = text.indexOf(OPEN, at + 1)) {
            int close = text.indexOf(CLOSE, at);
            Call call = call(text.substring(at + OPEN.length(), close < 0 ? text.length() : close));
            if (call == null) {
                return new Parsed(text, List.of());
            }
            calls.add(call);
        }
        return new Parsed(first < 0 ? text : text.substring(0, first).stripTrailing(), calls);
    }

    private @Nullable Call call(String json) {
        if (!(Json.tryRead(json.strip()) instanceof ObjectNode object)) {
            return null;
        }
        String name = object.path("name").asText();
        if (!parameters.containsKey(name)) {
            return null;
        }
        JsonNode arguments = object.has("arguments") ? object.get("arguments") : object.get("parameters");
        return new Call(Ids.next("call_"), name, arguments == null ? "{}" : Json.text(arguments));
    }
}
