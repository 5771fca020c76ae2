package dev.gatun.model.template;

import dev.gatun.model.template.Values.Function;
import dev.gatun.model.template.Values.Namespace;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The functions, the tests and the methods that a template has. */
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

    static @Nullable Object argument(List<@Nullable Object> arguments, int i) {
        if (i >= arguments.size()) {
            throw new TemplateException("an argument is missing");
        }
        return arguments.get(i);
    }

    private static List<Long> range(List<@Nullable Object> arguments) {
        long from = arguments.size() > 1 ? Values.integer(arguments.get(0)) : 0;
        long to = Values.integer(argument(arguments, arguments.size() > 1 ? 1 : 0));
        long step = arguments.size() > 2 ? Values.integer(arguments.get(2)) : 1;
        if (step == 0) {
            throw new TemplateException("range of step 0");
        }
        List<Long> numbers = new ArrayList<>();
        for (long i = from; step > 0 ? i < to : i > to; i += step) { // from, to and step have 32 bits
            if (numbers.size() == MAX_RANGE) {
                throw new TemplateException("range of more than " + MAX_RANGE + " numbers");
            }
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
            case "divisibleby" -> Values.equal(Values.binary("%", value, argument(arguments, 0)), 0L);
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
    static @Nullable Object option(
            List<@Nullable Object> positional,
            Map<String, @Nullable Object> named,
            int place,
            String name,
            @Nullable Object fallback) {
        return place < positional.size() ? positional.get(place) : named.getOrDefault(name, fallback);
    }

    private static Long index(List<?> list, @Nullable Object item) {
        for (int i = 0; i < list.size(); i++) {
            if (Values.equal(list.get(i), item)) {
                return (long) i;
            }
        }
        throw new TemplateException("index: it is not in the list");
    }

    /** A method of a value, or null if it has none of that name. */
    static @Nullable Function method(@Nullable Object of, String name) {
        return switch (of) {
            case String s -> Strings.method(s, name);
            case Map<?, ?> map ->
                switch (name) {
                    case "items" -> (positional, named) -> Filters.pairs(map);
                    case "keys" -> (positional, named) -> new ArrayList<>(map.keySet());
                    case "values" -> (positional, named) -> new ArrayList<>(map.values());
                    case "get" ->
                        (positional, named) -> Values.has(map, argument(positional, 0))
                                ? map.get(positional.getFirst())
                                : positional.size() > 1 ? positional.get(1) : null;
                    default -> null;
                };
            case List<?> list ->
                switch (name) {
                    case "index" -> (positional, named) -> index(list, argument(positional, 0));
                    case "count" ->
                        (positional, named) -> list.stream()
                                .filter(item -> Values.equal(item, argument(positional, 0)))
                                .count();
                    default -> null;
                };
            case null, default -> null;
        };
    }
}
