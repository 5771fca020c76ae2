package dev.gatun.model.template;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BinaryOperator;
import org.jspecify.annotations.Nullable;

/** The filters that a template has. */
// UNDEFINED is one object; NullAway infers the types of lambdas without their @Nullable.
@SuppressWarnings({"ReferenceEquality", "NullAway"})
final class Filters {
    private Filters() {}

    /** What a filter makes of a value. */
    static @Nullable Object filter(
            Builtins.Tests tests,
            String name,
            @Nullable Object value,
            List<@Nullable Object> positional,
            Map<String, @Nullable Object> named) {
        return switch (name) {
            case "trim" -> Strings.strip(Values.text(value), positional, true, true);
            case "upper" -> Values.text(value).toUpperCase(Locale.ROOT);
            case "lower" -> Values.text(value).toLowerCase(Locale.ROOT);
            case "capitalize" -> Strings.capitalized(Values.text(value));
            case "title" -> Strings.title(Values.text(value));
            case "string", "safe", "forceescape" -> Values.text(value);
            case "length", "count" -> length(value);
            case "tojson" -> Json.text(value, Builtins.option(positional, named, 0, "indent", null));
            case "join" -> join(value, positional, named);
            case "default", "d" -> {
                boolean falsy = Values.truth(Builtins.option(positional, named, 1, "boolean", false));
                boolean missing = falsy ? !Values.truth(value) : value == Values.UNDEFINED;
                yield missing ? Builtins.option(positional, named, 0, "default_value", "") : value;
            }
            case "first" ->
                Values.items(value).isEmpty()
                        ? Values.UNDEFINED
                        : Values.items(value).getFirst();
            case "last" ->
                Values.items(value).isEmpty()
                        ? Values.UNDEFINED
                        : Values.items(value).getLast();
            case "list" -> Values.items(value);
            case "items" -> pairs(value);
            case "dictsort" -> {
                List<@Nullable Object> pairs = pairs(value);
                pairs.sort((a, b) -> Values.compare(Values.item(a, 0L), Values.item(b, 0L)));
                yield pairs;
            }
            case "reverse" -> {
                List<@Nullable Object> items = Values.items(value).reversed();
                yield value instanceof String ? join(items, List.of(), Map.of()) : new ArrayList<>(items);
            }
            case "unique" -> {
                List<@Nullable Object> items = Values.items(value);
                items.forEach(Values::key);
                yield new ArrayList<>(new LinkedHashSet<>(items));
            }
            case "sort" -> sorted(value, positional, named);
            case "int" -> toInteger(value, Builtins.option(positional, named, 0, "default", 0L));
            case "float" -> toFloat(value, Builtins.option(positional, named, 0, "default", 0.0));
            case "abs" -> value instanceof Long n ? (Object) Math.abs(n) : (Object) Math.abs(Values.number(value));
            case "round" -> {
                double scale = Math.pow(10, Values.integer(Builtins.option(positional, named, 0, "precision", 0L)));
                yield Math.rint(Values.number(value) * scale) / scale;
            }
            case "sum" -> fold(value, 0L, (a, b) -> Values.binary("+", a, b));
            case "max" -> fold(value, null, (a, b) -> a == null || Values.compare(a, b) < 0 ? b : a);
            case "min" -> fold(value, null, (a, b) -> a == null || Values.compare(a, b) > 0 ? b : a);
            case "replace" ->
                Strings.replace(
                        Values.text(value),
                        Values.text(Builtins.argument(positional, 0)),
                        Values.text(Builtins.argument(positional, 1)));
            case "indent" -> indent(Values.text(value), positional, named);
            case "escape", "e" ->
                Values.text(value)
                        .replace("&", "&amp;")
                        .replace("<", "&lt;")
                        .replace(">", "&gt;")
                        .replace("'", "&#39;")
                        .replace("\"", "&#34;");
            case "map" -> mapped(tests, value, positional, named);
            case "select", "reject" -> selected(tests, value, null, positional, name.equals("select"));
            case "selectattr", "rejectattr" ->
                selected(
                        tests,
                        value,
                        Values.text(Builtins.argument(positional, 0)),
                        positional.subList(1, positional.size()),
                        name.equals("selectattr"));
            default -> throw new TemplateException("there is no filter \"" + name + "\"");
        };
    }

    private static @Nullable Object fold(
            @Nullable Object value, @Nullable Object start, BinaryOperator<@Nullable Object> by) {
        Object result = start;
        for (Object item : Values.items(value)) {
            result = by.apply(result, item);
        }
        return result;
    }

    private static Object length(@Nullable Object value) {
        return value instanceof String s
                ? (long) s.codePointCount(0, s.length())
                : (long) Values.items(value).size();
    }

    static List<@Nullable Object> pairs(@Nullable Object value) {
        List<@Nullable Object> pairs = new ArrayList<>();
        if (value instanceof Map<?, ?> map) {
            map.forEach((k, v) -> pairs.add(Arrays.asList(k, v)));
        } else if (value != Values.UNDEFINED) {
            throw new TemplateException(Values.kind(value) + " has no items");
        }
        return pairs;
    }

    static String join(@Nullable Object value, List<@Nullable Object> positional, Map<String, @Nullable Object> named) {
        String separator = Values.text(Builtins.option(positional, named, 0, "d", ""));
        Object attribute = Builtins.option(positional, named, 1, "attribute", null);
        var text = new StringBuilder();
        String before = "";
        for (Object item : Values.items(value)) {
            text.append(before).append(Values.text(attribute == null ? item : Values.item(item, attribute)));
            before = separator;
            Values.checkLength(text.length());
        }
        return text.toString();
    }

    private static List<@Nullable Object> sorted(
            @Nullable Object value, List<@Nullable Object> positional, Map<String, @Nullable Object> named) {
        List<@Nullable Object> items = Values.items(value);
        Object attribute = Builtins.option(positional, named, 2, "attribute", null);
        boolean cased = Values.truth(Builtins.option(positional, named, 1, "case_sensitive", false));
        Comparator<@Nullable Object> order = (a, b) -> {
            Object x = attribute == null ? a : Values.item(a, attribute);
            Object y = attribute == null ? b : Values.item(b, attribute);
            return !cased && x instanceof String s && y instanceof String t
                    ? s.toLowerCase(Locale.ROOT).compareTo(t.toLowerCase(Locale.ROOT))
                    : Values.compare(x, y);
        };
        items.sort(Values.truth(Builtins.option(positional, named, 0, "reverse", false)) ? order.reversed() : order);
        return items;
    }

    private static @Nullable Object toInteger(@Nullable Object value, @Nullable Object fallback) {
        try {
            return value instanceof String s
                    ? (Object) Long.parseLong(s.strip())
                    : (Object) (long) Values.number(value);
        } catch (NumberFormatException | TemplateException e) {
            return fallback;
        }
    }

    private static @Nullable Object toFloat(@Nullable Object value, @Nullable Object fallback) {
        try {
            return value instanceof String s ? Double.parseDouble(s.strip()) : Values.number(value);
        } catch (NumberFormatException | TemplateException e) {
            return fallback;
        }
    }

    private static String indent(String text, List<@Nullable Object> positional, Map<String, @Nullable Object> named) {
        Object width = Builtins.option(positional, named, 0, "width", 4L);
        String by = width instanceof String s ? s : " ".repeat(Math.clamp(Values.integer(width), 0, 100));
        boolean first = Values.truth(Builtins.option(positional, named, 1, "first", false));
        boolean blank = Values.truth(Builtins.option(positional, named, 2, "blank", false));
        var out = new StringBuilder();
        for (int from = 0; from <= text.length(); ) {
            int end = text.indexOf('\n', from);
            int to = end < 0 ? text.length() : end;
            if ((from > 0 || first) && (blank || to > from)) {
                out.append(by);
            }
            out.append(text, from, to).append(end < 0 ? "" : "\n");
            Values.checkLength(out.length());
            from = to + 1;
        }
        return out.toString();
    }

    private static List<@Nullable Object> mapped(
            Builtins.Tests tests,
            @Nullable Object value,
            List<@Nullable Object> positional,
            Map<String, @Nullable Object> named) {
        List<@Nullable Object> result = new ArrayList<>();
        for (Object item : Values.items(value == null ? List.of() : value)) { // as in Jinja: none is no items
            if (named.containsKey("attribute")) {
                Object found = Values.item(item, named.get("attribute"));
                result.add(found == Values.UNDEFINED && named.containsKey("default") ? named.get("default") : found);
            } else {
                result.add(filter(
                        tests,
                        Values.text(Builtins.argument(positional, 0)),
                        item,
                        positional.subList(1, positional.size()),
                        named));
            }
        }
        return result;
    }

    private static List<@Nullable Object> selected(
            Builtins.Tests tests,
            @Nullable Object value,
            @Nullable String attribute,
            List<@Nullable Object> test,
            boolean wanted) {
        List<@Nullable Object> result = new ArrayList<>();
        for (Object item : Values.items(value == null ? List.of() : value)) {
            Object of = attribute == null ? item : Values.item(item, attribute);
            boolean passes = test.isEmpty()
                    ? Values.truth(of)
                    : tests.test(operatorTest(Values.text(test.getFirst())), of, test.subList(1, test.size()));
            if (passes == wanted) {
                result.add(item);
            }
        }
        return result;
    }

    private static String operatorTest(String name) {
        return switch (name) {
            case "==" -> "eq";
            case "!=" -> "ne";
            case ">" -> "gt";
            case ">=" -> "ge";
            case "<" -> "lt";
            case "<=" -> "le";
            default -> name;
        };
    }
}
