package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Messages of a request as chat templates want them: Python's values, content as text, arguments of calls as objects. */
final class Conversation {
    private static final Set<String> ROLES = Set.of("system", "user", "assistant", "tool");
    private static final int MAX_MESSAGES = 4096;

    private Conversation() {}

    static List<Map<String, @Nullable Object>> messages(Fields request) {
        request.require("messages");
        ArrayNode array = request.array("messages");
        if (array == null || array.isEmpty() || array.size() > MAX_MESSAGES) {
            throw request.wrong("messages", "must be an array of 1 to " + MAX_MESSAGES + " messages");
        }
        List<Map<String, @Nullable Object>> messages = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
            messages.add(message(request.within(array.get(i), "messages[" + i + "]")));
        }
        return messages;
    }

    private static Map<String, @Nullable Object> message(Fields fields) {
        String role = fields.requireString("role");
        if (role.equals("developer")) {
            role = "system"; // what templates know it as
        }
        if (!ROLES.contains(role)) {
            throw fields.wrong("role", "must be system, developer, user, assistant or tool");
        }
        Map<String, @Nullable Object> message = new LinkedHashMap<>();
        message.put("role", role);
        ArrayNode calls = fields.array("tool_calls");
        boolean calling = false;
        if (calls != null && !calls.isEmpty()) {
            calling = true;
            message.put("tool_calls", calls(fields, calls));
        }
        message.put("content", content(fields, calling));
        for (String name : new String[] {"name", "tool_call_id", "reasoning_content"}) {
            String value = fields.string(name);
            if (value != null) {
                message.put(name, value);
            }
        }
        return message;
    }

    private static String content(Fields fields, boolean mayBeMissing) {
        JsonNode content = mayBeMissing ? fields.get("content") : fields.require("content");
        if (content == null) {
            return "";
        }
        if (content.isTextual()) {
            return content.textValue();
        }
        ArrayNode parts = fields.array("content");
        var text = new StringBuilder();
        for (int i = 0; parts != null && i < parts.size(); i++) {
            Fields part = fields.within(parts.get(i), "content[" + i + "]");
            if (!part.requireString("type").equals("text")) {
                throw part.wrong("type", "only text is supported");
            }
            text.append(part.requireString("text"));
        }
        return text.toString();
    }

    private static List<Map<String, @Nullable Object>> calls(Fields fields, ArrayNode array) {
        List<Map<String, @Nullable Object>> calls = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
            Fields call = fields.within(array.get(i), "tool_calls[" + i + "]");
            Fields function = call.within(call.require("function"), "function");
            String arguments = function.requireString("arguments");
            JsonNode parsed = Json.tryRead(arguments);
            Map<String, @Nullable Object> inner = new LinkedHashMap<>();
            inner.put("name", function.requireString("name"));
            inner.put("arguments", parsed == null ? arguments : Json.value(parsed));
            Map<String, @Nullable Object> outer = new LinkedHashMap<>();
            outer.put("id", call.string("id"));
            outer.put("type", "function");
            outer.put("function", inner);
            calls.add(outer);
        }
        return calls;
    }
}
