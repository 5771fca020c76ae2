package dev.gatun.model.template;

import dev.gatun.model.template.Values.Function;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The methods of strings, and what they share with filters. */
@SuppressWarnings("NullAway") // it infers the types of lambdas without their @Nullable
final class Strings {
    private Strings() {}

    static @Nullable Function method(String s, String name) {
        return switch (name) {
            case "strip" -> (positional, named) -> strip(s, positional, true, true);
            case "lstrip" -> (positional, named) -> strip(s, positional, true, false);
            case "rstrip" -> (positional, named) -> strip(s, positional, false, true);
            case "upper" -> (positional, named) -> s.toUpperCase(Locale.ROOT);
            case "lower" -> (positional, named) -> s.toLowerCase(Locale.ROOT);
            case "capitalize" -> (positional, named) -> capitalized(s);
            case "title" -> (positional, named) -> title(s);
            case "startswith" -> (positional, named) -> any(Builtins.argument(positional, 0), s::startsWith);
            case "endswith" -> (positional, named) -> any(Builtins.argument(positional, 0), s::endsWith);
            case "split" -> (positional, named) -> split(s, positional, named, false);
            case "rsplit" -> (positional, named) -> split(s, positional, named, true);
            case "splitlines" ->
                (positional, named) -> {
                    Values.checkItems(s.chars().filter(c -> c == '\n').count());
                    return new ArrayList<Object>(s.lines().toList());
                };
            case "replace" ->
                (positional, named) -> replace(
                        s,
                        Values.text(Builtins.argument(positional, 0)),
                        Values.text(Builtins.argument(positional, 1)));
            case "find" -> (positional, named) -> (long) s.indexOf(Values.text(Builtins.argument(positional, 0)));
            case "rfind" -> (positional, named) -> (long) s.lastIndexOf(Values.text(Builtins.argument(positional, 0)));
            case "count" ->
                (positional, named) -> {
                    String of = Values.text(Builtins.argument(positional, 0));
                    return of.isEmpty()
                            ? s.length() + 1L
                            : (long) (s.length() - s.replace(of, "").length()) / of.length();
                };
            case "join" -> (positional, named) -> Filters.join(Builtins.argument(positional, 0), List.of(s), Map.of());
            case "format" -> (positional, named) -> format(s, positional, named);
            case "isdigit" -> (positional, named) -> !s.isEmpty() && s.chars().allMatch(Character::isDigit);
            case "isalpha" -> (positional, named) -> !s.isEmpty() && s.chars().allMatch(Character::isLetter);
            case "isspace" -> (positional, named) -> !s.isEmpty() && s.isBlank();
            case "removeprefix" ->
                (positional, named) -> {
                    String prefix = Values.text(Builtins.argument(positional, 0));
                    return s.startsWith(prefix) ? s.substring(prefix.length()) : s;
                };
            case "removesuffix" ->
                (positional, named) -> {
                    String suffix = Values.text(Builtins.argument(positional, 0));
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
            Values.checkLength(text.length());
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
                    text.append(Values.text(Builtins.argument(positional, next++)));
                } else if (field.chars().allMatch(Character::isDigit) && field.length() < 4) {
                    text.append(Values.text(Builtins.argument(positional, Integer.parseInt(field))));
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
        Object separator = Builtins.option(positional, named, 0, "sep", null);
        int most = Values.integer(Builtins.option(positional, named, 1, "maxsplit", -1L));
        if (separator == null) {
            return words(s);
        }
        String cut = Values.text(separator);
        if (cut.isEmpty()) {
            throw new TemplateException("split at an empty string");
        }
        List<@Nullable Object> parts = new ArrayList<>();
        int from = 0;
        int to = s.length();
        while (most < 0 || parts.size() < most) {
            int at = fromRight ? s.lastIndexOf(cut, to - cut.length()) : s.indexOf(cut, from);
            if (at < from) { // also -1
                break;
            }
            Values.checkItems(parts.size() + 1L);
            parts.add(fromRight ? s.substring(at + cut.length(), to) : s.substring(from, at));
            from = fromRight ? from : at + cut.length();
            to = fromRight ? at : to;
        }
        parts.add(s.substring(from, to));
        return fromRight ? new ArrayList<>(parts.reversed()) : parts;
    }

    private static List<@Nullable Object> words(String s) {
        List<@Nullable Object> words = new ArrayList<>();
        int from = -1;
        for (int i = 0; i <= s.length(); i++) {
            boolean space = i == s.length() || isIn(s.charAt(i), "");
            if (!space && from < 0) {
                from = i;
            } else if (space && from >= 0) {
                Values.checkItems(words.size() + 1L);
                words.add(s.substring(from, i));
                from = -1;
            }
        }
        return words;
    }

    static String capitalized(String s) {
        return s.isEmpty()
                ? s
                : s.substring(0, 1).toUpperCase(Locale.ROOT) + s.substring(1).toLowerCase(Locale.ROOT);
    }

    static String title(String s) {
        var text = new StringBuilder();
        boolean start = true;
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            text.append(start ? Character.toUpperCase(c) : Character.toLowerCase(c));
            start = !Character.isLetter(c);
        }
        return text.toString();
    }

    static String replace(String text, String from, String to) {
        long found = from.isEmpty()
                ? text.length() + 1L
                : (text.length() - text.replace(from, "").length()) / from.length();
        Values.checkLength(text.length() + found * (to.length() - from.length()));
        return text.replace(from, to);
    }

    static String strip(String text, List<@Nullable Object> chars, boolean left, boolean right) {
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
}
