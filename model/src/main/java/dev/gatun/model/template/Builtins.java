package dev.gatun.model.template;

import dev.gatun.model.template.Values.Function;
import dev.gatun.model.template.Values.Namespace;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BinaryOperator;
import org.jspecify.annotations.Nullable;

/** The functions, filters, tests and methods that a template has. */
// UNDEFINED is one object; NullAway infers the types of lambdas without their @Nullable.
@SuppressWarnings({"ReferenceEquality", "NullAway"})
final class Builtins {
    private static final int MAX_RANGE = 1_000_000;

    /** Looks a test up, for filters that select by one. */
    interface Tests {
        boolean test(String name, @Nullable Object value, List<@Nullable Object> arguments);
    }

    private Builtins() {}

    static Map<String, Function> globals() {
        return Map.of(
                "range", (positional, named) -> range(positional),
                "namespace",
                        (positional, named) -> {
                            var namespace = new Namespace();
                            namespace.putAll(named);
                            return namespace;
                        },
                "dict", (positional, named) -> new LinkedHashMap<Object, @Nullable Object>(named),
                "raise_exception",
                        (positional, named) -> {
                            throw new TemplateException("the template refuses the conversation: "
                                    + (positional.isEmpty() ? "" : Values.text(positional.getFirst())));
                        },
                "strftime_now", (positional, named) -> time(Values.text(argument(positional, 0))));
    }

    private static @Nullable Object argument(List<@Nullable Object> arguments, int i) {
        if (i >= arguments.size()) {
            throw new TemplateException("an argument is missing");
        }
        return arguments.get(i);
    }

    private static List<Long> range(List<@Nullable Object> arguments) {
        long from = arguments.size() > 1 ? Values.integer(arguments.get(0)) : 0;
        long to = Values.integer(argument(arguments, arguments.size() > 1 ? 1 : 0));
        long step = arguments.size() > 2 ? Values.integer(arguments.get(2)) : 1;
        if (step == 0 || Math.abs((to - from) / step) > MAX_RANGE) {
            throw new TemplateException("range of more than " + MAX_RANGE + " numbers, or of step 0");
        }
        List<Long> numbers = new ArrayList<>();
        for (long i = from; step > 0 ? i < to : i > to; i += step) {
            numbers.add(i);
        }
        return numbers;
    }

    private static String time(String format) {
        var now = LocalDateTime.now(ZoneId.systemDefault());
        var text = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%' || i + 1 == format.length()) {
                text.append(c);
                continue;
            }
            String pattern = switch (format.charAt(++i)) {
                case 'd' -> "dd";
                case 'm' -> "MM";
                case 'y' -> "yy";
                case 'Y' -> "yyyy";
                case 'b' -> "MMM";
                case 'B' -> "MMMM";
                case 'a' -> "EEE";
                case 'A' -> "EEEE";
                case 'H' -> "HH";
                case 'M' -> "mm";
                case 'S' -> "ss";
                default -> "";
            };
            text.append(pattern.isEmpty() ? "" : now.format(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH)));
        }
        return text.toString();
    }

    static boolean test(String name, @Nullable Object value, List<@Nullable Object> arguments) {
        return switch (name) {
            case "defined" -> value != Values.UNDEFINED;
            case "undefined" -> value == Values.UNDEFINED;
            case "none" -> value == null;
            case "string" -> value instanceof String;
            case "boolean" -> value instanceof Boolean;
            case "true" -> Boolean.TRUE.equals(value);
            case "false" -> Boolean.FALSE.equals(value);
            case "integer" -> value instanceof Long;
            case "float" -> value instanceof Double;
            case "number" -> value instanceof Long || value instanceof Double || value instanceof Boolean;
            case "mapping" -> value instanceof Map;
            case "sequence" -> value instanceof List || value instanceof String || value instanceof Map;
            case "iterable" -> value instanceof List || value instanceof String || value instanceof Map;
            case "callable" -> value instanceof Function;
            case "odd" -> Values.integer(value) % 2 != 0;
            case "even" -> Values.integer(value) % 2 == 0;
            case "divisibleby" -> Values.integer(value) % Values.integer(argument(arguments, 0)) == 0;
            case "lower" -> Values.text(value).equals(Values.text(value).toLowerCase(Locale.ROOT));
            case "upper" -> Values.text(value).equals(Values.text(value).toUpperCase(Locale.ROOT));
            case "in" -> Values.contains(argument(arguments, 0), value);
            case "sameas" -> value == argument(arguments, 0) || Values.equal(value, argument(arguments, 0));
            case "equalto", "eq" -> Values.equal(value, argument(arguments, 0));
            case "ne" -> !Values.equal(value, argument(arguments, 0));
            case "gt", "greaterthan" -> Values.compare(value, argument(arguments, 0)) > 0;
            case "ge" -> Values.compare(value, argument(arguments, 0)) >= 0;
            case "lt", "lessthan" -> Values.compare(value, argument(arguments, 0)) < 0;
            case "le" -> Values.compare(value, argument(arguments, 0)) <= 0;
            default -> throw new TemplateException("there is no test \"" + name + "\"");
        };
    }

    /** The value of an argument that may stand at a place or be named. */
    private static @Nullable Object option(
            List<@Nullable Object> positional,
            Map<String, @Nullable Object> named,
            int place,
            String name,
            @Nullable Object fallback) {
        return place < positional.size() ? positional.get(place) : named.getOrDefault(name, fallback);
    }

    static @Nullable Object filter(
            Tests tests,
            String name,
            @Nullable Object value,
            List<@Nullable Object> positional,
            Map<String, @Nullable Object> named) {
        return switch (name) {
            case "trim" -> strip(Values.text(value), positional, true, true);
            case "upper" -> Values.text(value).toUpperCase(Locale.ROOT);
            case "lower" -> Values.text(value).toLowerCase(Locale.ROOT);
            case "capitalize" -> capitalized(Values.text(value));
            case "title" -> title(Values.text(value));
            case "string", "safe", "forceescape" -> Values.text(value);
            case "length", "count" -> length(value);
            case "tojson" -> Json.text(value, option(positional, named, 0, "indent", null));
            case "join" -> join(value, positional, named);
            case "default", "d" -> {
                boolean falsy = Values.truth(option(positional, named, 1, "boolean", false));
                boolean missing = falsy ? !Values.truth(value) : value == Values.UNDEFINED;
                yield missing ? option(positional, named, 0, "default_value", "") : value;
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
            case "unique" -> new ArrayList<>(new LinkedHashSet<>(Values.items(value)));
            case "sort" -> sorted(value, positional, named);
            case "int" -> toInteger(value, option(positional, named, 0, "default", 0L));
            case "float" -> toFloat(value, option(positional, named, 0, "default", 0.0));
            case "abs" -> value instanceof Long n ? (Object) Math.abs(n) : (Object) Math.abs(Values.number(value));
            case "round" -> {
                double scale = Math.pow(10, Values.integer(option(positional, named, 0, "precision", 0L)));
                yield Math.rint(Values.number(value) * scale) / scale;
            }
            case "sum" -> fold(value, 0L, (a, b) -> Values.binary("+", a, b));
            case "max" -> fold(value, null, (a, b) -> a == null || Values.compare(a, b) < 0 ? b : a);
            case "min" -> fold(value, null, (a, b) -> a == null || Values.compare(a, b) > 0 ? b : a);
            case "replace" ->
                replace(Values.text(value), Values.text(argument(positional, 0)), Values.text(argument(positional, 1)));
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
                        Values.text(argument(positional, 0)),
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

    private static List<@Nullable Object> pairs(@Nullable Object value) {
        List<@Nullable Object> pairs = new ArrayList<>();
        if (value instanceof Map<?, ?> map) {
            map.forEach((k, v) -> pairs.add(Arrays.asList(k, v)));
        } else if (value != Values.UNDEFINED) {
            throw new TemplateException(Values.kind(value) + " has no items");
        }
        return pairs;
    }

    private static String join(
            @Nullable Object value, List<@Nullable Object> positional, Map<String, @Nullable Object> named) {
        String separator = Values.text(option(positional, named, 0, "d", ""));
        Object attribute = option(positional, named, 1, "attribute", null);
        var text = new StringBuilder();
        String before = "";
        for (Object item : Values.items(value)) {
            text.append(before).append(Values.text(attribute == null ? item : Values.item(item, attribute)));
            before = separator;
            if (text.length() > Interpreter.MAX_OUTPUT) {
                throw new TemplateException("a string of more than " + Interpreter.MAX_OUTPUT + " characters");
            }
        }
        return text.toString();
    }

    private static List<@Nullable Object> sorted(
            @Nullable Object value, List<@Nullable Object> positional, Map<String, @Nullable Object> named) {
        List<@Nullable Object> items = Values.items(value);
        Object attribute = option(positional, named, 2, "attribute", null);
        boolean cased = Values.truth(option(positional, named, 1, "case_sensitive", false));
        Comparator<@Nullable Object> order = (a, b) -> {
            Object x = attribute == null ? a : Values.item(a, attribute);
            Object y = attribute == null ? b : Values.item(b, attribute);
            return !cased && x instanceof String s && y instanceof String t
                    ? s.toLowerCase(Locale.ROOT).compareTo(t.toLowerCase(Locale.ROOT))
                    : Values.compare(x, y);
        };
        items.sort(Values.truth(option(positional, named, 0, "reverse", false)) ? order.reversed() : order);
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
        Object width = option(positional, named, 0, "width", 4L);
        String by = width instanceof String s ? s : " ".repeat(Math.clamp(Values.integer(width), 0, 100));
        boolean first = Values.truth(option(positional, named, 1, "first", false));
        boolean blank = Values.truth(option(positional, named, 2, "blank", false));
        String[] lines = text.split("\n", -1);
        for (int i = 0; i < lines.length; i++) {
            if ((i > 0 || first) && (blank || !lines[i].isEmpty())) {
                lines[i] = by + lines[i];
            }
        }
        return String.join("\n", lines);
    }

    private static List<@Nullable Object> mapped(
            Tests tests,
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
                        Values.text(argument(positional, 0)),
                        item,
                        positional.subList(1, positional.size()),
                        named));
            }
        }
        return result;
    }

    private static List<@Nullable Object> selected(
            Tests tests,
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

    private static String capitalized(String s) {
        return s.isEmpty()
                ? s
                : s.substring(0, 1).toUpperCase(Locale.ROOT) + s.substring(1).toLowerCase(Locale.ROOT);
    }

    private static String title(String s) {
        var text = new StringBuilder();
        boolean start = true;
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            text.append(start ? Character.toUpperCase(c) : Character.toLowerCase(c));
            start = !Character.isLetter(c);
        }
        return text.toString();
    }

    private static String replace(String text, String from, String to) {
        long length = text.length() + (long) text.length() / Math.max(1, from.length()) * to.length();
        if (length > Interpreter.MAX_OUTPUT && text.replace(from, "").length() != text.length()) {
            throw new TemplateException("a string of more than " + Interpreter.MAX_OUTPUT + " characters");
        }
        return text.replace(from, to);
    }

    private static String strip(String text, List<@Nullable Object> chars, boolean left, boolean right) {
        String of = chars.isEmpty() || chars.getFirst() == null ? "" : Values.text(chars.getFirst());
        int from = 0;
        int to = text.length();
        while (left && from < to && isIn(text.charAt(from), of)) {
            from++;
        }
        while (right && to > from && isIn(text.charAt(to - 1), of)) {
            to--;
        }
        return text.substring(from, to);
    }

    private static boolean isIn(char c, String chars) {
        return chars.isEmpty() ? Character.isWhitespace(c) || c == '\u00A0' || c == '\u0085' : chars.indexOf(c) >= 0;
    }

    /** A method of a value, or null if it has none of that name. */
    static @Nullable Function method(@Nullable Object of, String name) {
        return switch (of) {
            case String s -> Strings.method(s, name);
            case Map<?, ?> map ->
                switch (name) {
                    case "items" -> (positional, named) -> pairs(map);
                    case "keys" -> (positional, named) -> new ArrayList<>(map.keySet());
                    case "values" -> (positional, named) -> new ArrayList<>(map.values());
                    case "get" ->
                        (positional, named) -> map.containsKey(argument(positional, 0))
                                ? map.get(positional.getFirst())
                                : positional.size() > 1 ? positional.get(1) : null;
                    default -> null;
                };
            case List<?> list ->
                switch (name) {
                    case "index" -> (positional, named) -> (long) list.indexOf(argument(positional, 0));
                    case "count" ->
                        (positional, named) -> list.stream()
                                .filter(item -> Values.equal(item, argument(positional, 0)))
                                .count();
                    default -> null;
                };
            case null, default -> null;
        };
    }

    /** Methods of strings. */
    private static final class Strings {
        static @Nullable Function method(String s, String name) {
            return switch (name) {
                case "strip" -> (positional, named) -> strip(s, positional, true, true);
                case "lstrip" -> (positional, named) -> strip(s, positional, true, false);
                case "rstrip" -> (positional, named) -> strip(s, positional, false, true);
                case "upper" -> (positional, named) -> s.toUpperCase(Locale.ROOT);
                case "lower" -> (positional, named) -> s.toLowerCase(Locale.ROOT);
                case "capitalize" -> (positional, named) -> capitalized(s);
                case "title" -> (positional, named) -> title(s);
                case "startswith" -> (positional, named) -> any(argument(positional, 0), s::startsWith);
                case "endswith" -> (positional, named) -> any(argument(positional, 0), s::endsWith);
                case "split" -> (positional, named) -> split(s, positional, named, false);
                case "rsplit" -> (positional, named) -> split(s, positional, named, true);
                case "splitlines" ->
                    (positional, named) -> new ArrayList<Object>(s.lines().toList());
                case "replace" ->
                    (positional, named) ->
                            replace(s, Values.text(argument(positional, 0)), Values.text(argument(positional, 1)));
                case "find" -> (positional, named) -> (long) s.indexOf(Values.text(argument(positional, 0)));
                case "rfind" -> (positional, named) -> (long) s.lastIndexOf(Values.text(argument(positional, 0)));
                case "count" ->
                    (positional, named) -> {
                        String of = Values.text(argument(positional, 0));
                        return of.isEmpty()
                                ? s.length() + 1L
                                : (long) (s.length() - s.replace(of, "").length()) / of.length();
                    };
                case "join" -> (positional, named) -> join(argument(positional, 0), List.of(s), Map.of());
                case "format" -> (positional, named) -> format(s, positional, named);
                case "isdigit" ->
                    (positional, named) -> !s.isEmpty() && s.chars().allMatch(Character::isDigit);
                case "isalpha" ->
                    (positional, named) -> !s.isEmpty() && s.chars().allMatch(Character::isLetter);
                case "isspace" -> (positional, named) -> !s.isEmpty() && s.isBlank();
                case "removeprefix" ->
                    (positional, named) -> {
                        String prefix = Values.text(argument(positional, 0));
                        return s.startsWith(prefix) ? s.substring(prefix.length()) : s;
                    };
                case "removesuffix" ->
                    (positional, named) -> {
                        String suffix = Values.text(argument(positional, 0));
                        return s.endsWith(suffix) ? s.substring(0, s.length() - suffix.length()) : s;
                    };
                default -> null;
            };
        }

        /** str.format with {}, {0} and {name}. */
        private static String format(String s, List<@Nullable Object> positional, Map<String, @Nullable Object> named) {
            var text = new StringBuilder();
            int next = 0;
            for (int i = 0; i < s.length(); i++) {
                char c = s.charAt(i);
                if ((c == '{' || c == '}') && i + 1 < s.length() && s.charAt(i + 1) == c) {
                    text.append(c);
                    i++;
                } else if (c == '{') {
                    int end = s.indexOf('}', i);
                    if (end < 0) {
                        throw new TemplateException("format: a bracket does not end");
                    }
                    String field = s.substring(i + 1, end);
                    if (field.isEmpty()) {
                        text.append(Values.text(argument(positional, next++)));
                    } else if (field.chars().allMatch(Character::isDigit) && field.length() < 4) {
                        text.append(Values.text(argument(positional, Integer.parseInt(field))));
                    } else if (named.containsKey(field)) {
                        text.append(Values.text(named.get(field)));
                    } else {
                        throw new TemplateException("format: there is no " + field);
                    }
                    i = end;
                } else {
                    text.append(c);
                }
            }
            return text.toString();
        }

        private interface Check {
            boolean of(String part);
        }

        private static boolean any(@Nullable Object parts, Check check) {
            return parts instanceof List<?> list
                    ? list.stream().anyMatch(part -> check.of(Values.text(part)))
                    : check.of(Values.text(parts));
        }

        private static List<@Nullable Object> split(
                String s, List<@Nullable Object> positional, Map<String, @Nullable Object> named, boolean fromRight) {
            Object separator = option(positional, named, 0, "sep", null);
            int most = Values.integer(option(positional, named, 1, "maxsplit", -1L));
            List<@Nullable Object> parts = new ArrayList<>();
            if (separator == null) {
                for (String word : s.strip().split("\\s+", -1)) {
                    parts.add(word);
                }
                return s.isBlank() ? new ArrayList<>() : parts;
            }
            String cut = Values.text(separator);
            if (cut.isEmpty()) {
                throw new TemplateException("split at an empty string");
            }
            String rest = s;
            while (most < 0 || parts.size() < most) {
                int at = fromRight ? rest.lastIndexOf(cut) : rest.indexOf(cut);
                if (at < 0) {
                    break;
                }
                parts.add(fromRight ? rest.substring(at + cut.length()) : rest.substring(0, at));
                rest = fromRight ? rest.substring(0, at) : rest.substring(at + cut.length());
            }
            parts.add(rest);
            return fromRight ? new ArrayList<>(parts.reversed()) : parts;
        }
    }
}
