package dev.gatun.model.template;

import dev.gatun.model.weights.JsonStrings;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** JSON as Python's json.dumps writes it with ensure_ascii false. */
final class Json {
    private Json() {}

    static String text(@Nullable Object value, @Nullable Object indent) {
        var out = new StringBuilder();
        int by = indent == null ? -1 : Values.integer(indent);
        write(value, by, 0, out);
        return out.toString();
    }

    private static void write(@Nullable Object value, int indent, int depth, StringBuilder out) {
        Values.checkNested(depth, out);
        switch (value) {
            case null -> out.append("null");
            case Boolean b -> out.append(b);
            case Long n -> out.append(n);
            case Double d -> out.append(Values.decimal(d));
            case String s -> JsonStrings.appendQuoted(s, out);
            case List<?> list -> {
                out.append('[');
                String before = "";
                for (Object item : list) {
                    out.append(before);
                    line(indent, depth + 1, out);
                    write(item, indent, depth + 1, out);
                    before = indent < 0 ? ", " : ",";
                }
                if (!list.isEmpty()) {
                    line(indent, depth, out);
                }
                out.append(']');
            }
            case Map<?, ?> map -> {
                out.append('{');
                String before = "";
                for (var entry : map.entrySet()) {
                    out.append(before);
                    line(indent, depth + 1, out);
                    JsonStrings.appendQuoted(Values.text(entry.getKey()), out);
                    out.append(": ");
                    write(entry.getValue(), indent, depth + 1, out);
                    before = indent < 0 ? ", " : ",";
                }
                if (!map.isEmpty()) {
                    line(indent, depth, out);
                }
                out.append('}');
            }
            default -> throw new TemplateException(Values.kind(value) + " has no JSON");
        }
    }

    private static void line(int indent, int depth, StringBuilder out) {
        if (indent >= 0) {
            out.append('\n').append(" ".repeat(Math.min(indent, 20) * depth));
        }
    }
}
