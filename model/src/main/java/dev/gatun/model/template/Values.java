package dev.gatun.model.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What values mean in a template: Python's rules. Values are String, Long, Double, Boolean, null, List, Map, {@link Function} and
 * {@link #UNDEFINED}.
 */
@SuppressWarnings("ReferenceEquality") // UNDEFINED is one object
final class Values {
    /** Something that can be called. */
    @FunctionalInterface
    interface Function {
        @Nullable
        Object call(List<@Nullable Object> positional, Map<String, @Nullable Object> named);
    }

    /** {@code namespace(...)}: attributes that {@code set} may change. */
    static final class Namespace extends LinkedHashMap<String, @Nullable Object> {
        private static final long serialVersionUID = 1L;
    }

    /** What a name or attribute is that is not there. */
    static final Object UNDEFINED = new Object() {
        @Override
        public String toString() {
            return "";
        }
    };

    private static final int MAX_DEPTH = 50;

    /** Parts of two values that are compared to tell whether they are equal. */
    private static final int MAX_COMPARED = 4096;

    private Values() {}

    static boolean truth(@Nullable Object value) {
        return switch (value) {
            case null -> false;
            case Boolean b -> b;
            case Long n -> n != 0;
            case Double d -> d != 0;
            case String s -> !s.isEmpty();
            case List<?> list -> !list.isEmpty();
            case Namespace _ -> true;
            case Map<?, ?> map -> !map.isEmpty();
            default -> value != UNDEFINED;
        };
    }

    /** str(value). */
    static String text(@Nullable Object value) {
        if (value instanceof String s) {
            return s;
        }
        var out = new StringBuilder();
        if (value != UNDEFINED) {
            repr(value, 0, out);
        }
        return out.toString();
    }

    private static void repr(@Nullable Object value, int depth, StringBuilder out) {
        checkNested(depth, out);
        switch (value) {
            case null -> out.append("None");
            case Boolean b -> out.append(b ? "True" : "False");
            case Long n -> out.append(n);
            case Double d -> out.append(decimal(d));
            case String s -> out.append(quoted(s));
            case List<?> list -> {
                String before = "[";
                for (Object item : list) {
                    repr(item, depth + 1, out.append(before));
                    before = ", ";
                }
                out.append(list.isEmpty() ? "[]" : "]");
            }
            case Map<?, ?> map -> {
                String before = "{";
                for (var entry : map.entrySet()) {
                    repr(entry.getKey(), depth + 1, out.append(before));
                    repr(entry.getValue(), depth + 1, out.append(": "));
                    before = ", ";
                }
                out.append(map.isEmpty() ? "{}" : "}");
            }
            default -> out.append(value == UNDEFINED ? "" : kind(value));
        }
    }

    /** A list may be in itself, or twice in one that is twice in another, and so on: its text ends somewhere. */
    static void checkNested(int depth, StringBuilder out) {
        if (depth > MAX_DEPTH) {
            throw new TemplateException("a value is nested more than " + MAX_DEPTH + " deep");
        }
        checkLength(out.length());
    }

    /** A string may be so long. */
    static void checkLength(long length) {
        if (length > Interpreter.MAX_OUTPUT) {
            throw new TemplateException("a string of more than " + Interpreter.MAX_OUTPUT + " characters");
        }
    }

    /** A list may have so many items. */
    static void checkItems(long n) {
        if (n > Interpreter.MAX_STEPS) {
            throw new TemplateException("a list of more than " + Interpreter.MAX_STEPS + " items");
        }
    }

    private static String quoted(String s) {
        String escaped = s.replace("\\", "\\\\")
                .replace("\n", "\\n")
                .replace("\t", "\\t")
                .replace("\r", "\\r");
        return s.contains("'") && !s.contains("\"") ? '"' + escaped + '"' : "'" + escaped.replace("'", "\\'") + "'";
    }

    static String decimal(double d) {
        if (Double.isNaN(d) || Double.isInfinite(d)) {
            return Double.isNaN(d) ? "nan" : d > 0 ? "inf" : "-inf";
        }
        if (d == Math.rint(d) && Math.abs(d) < 1e16) {
            return (long) d + ".0";
        }
        return Double.toString(d).replace("E", Math.abs(d) < 1 ? "e" : "e+");
    }

    static boolean equal(@Nullable Object a, @Nullable Object b) {
        return equal(a, b, new int[1]);
    }

    /** Collections would compare what they share again and again, and for ever if they are in themselves. */
    private static boolean equal(@Nullable Object a, @Nullable Object b, int[] compared) {
        if (++compared[0] > MAX_COMPARED) {
            throw new TemplateException("two values have too many parts to be compared");
        }
        if (isNumber(a) && isNumber(b)) {
            return number(a) == number(b);
        }
        if (a instanceof List<?> x && b instanceof List<?> y) {
            boolean same = x.size() == y.size();
            for (int i = 0; same && i < x.size(); i++) {
                same = equal(x.get(i), y.get(i), compared);
            }
            return same;
        }
        if (a instanceof Map<?, ?> x && b instanceof Map<?, ?> y) {
            boolean same = x.size() == y.size();
            for (var entry : x.entrySet()) {
                same = same && has(y, entry.getKey()) && equal(entry.getValue(), y.get(entry.getKey()), compared);
            }
            return same;
        }
        return a == b || a != null && a.equals(b);
    }

    /** A value by which others are found. */
    static @Nullable Object key(@Nullable Object value) {
        if (value instanceof List || value instanceof Map) {
            throw new TemplateException(kind(value) + " cannot be a key");
        }
        return value;
    }

    /** Whether a value is found by that key. */
    static boolean has(Map<?, ?> map, @Nullable Object key) {
        // The caller's maps may be immutable ones, which throw when they are asked for null.
        return key(key) == null ? map.keySet().stream().anyMatch(Objects::isNull) : map.containsKey(key);
    }

    private static boolean isNumber(@Nullable Object value) {
        return value instanceof Long || value instanceof Double || value instanceof Boolean;
    }

    static double number(@Nullable Object value) {
        return switch (value) {
            case Long n -> n;
            case Double d -> d;
            case Boolean b -> b ? 1 : 0;
            case null, default -> throw new TemplateException(kind(value) + " is not a number");
        };
    }

    static int integer(@Nullable Object value) {
        if (value instanceof Boolean b) {
            return b ? 1 : 0;
        }
        if (value instanceof Long n) {
            return Math.clamp(n, Integer.MIN_VALUE, Integer.MAX_VALUE);
        }
        throw new TemplateException(kind(value) + " is not an integer");
    }

    static String kind(@Nullable Object value) {
        return switch (value) {
            case null -> "none";
            case String _ -> "a string";
            case Long _ -> "an integer";
            case Double _ -> "a float";
            case Boolean _ -> "a boolean";
            case List<?> _ -> "a list";
            case Map<?, ?> _ -> "a dict";
            default -> value == UNDEFINED ? "something undefined" : "a function";
        };
    }

    /** What a loop goes over. */
    static List<@Nullable Object> items(@Nullable Object value) {
        return switch (value) {
            case List<?> list -> new ArrayList<>(list);
            case Map<?, ?> map -> new ArrayList<>(map.keySet());
            case String s -> {
                checkItems(s.length());
                yield new ArrayList<>(
                        s.codePoints().mapToObj(Character::toString).toList());
            }
            case null, default -> {
                if (value == UNDEFINED) {
                    yield new ArrayList<>();
                }
                throw new TemplateException(kind(value) + " cannot be looped over");
            }
        };
    }

    static int compare(@Nullable Object a, @Nullable Object b) {
        if (isNumber(a) && isNumber(b)) {
            return Double.compare(number(a), number(b));
        }
        if (a instanceof String x && b instanceof String y) {
            return x.compareTo(y);
        }
        throw new TemplateException(kind(a) + " and " + kind(b) + " cannot be compared");
    }

    static boolean contains(@Nullable Object container, @Nullable Object item) {
        return switch (container) {
            case String s -> s.contains(text(item));
            case Map<?, ?> map -> has(map, item);
            case List<?> list -> list.stream().anyMatch(each -> equal(each, item));
            case null, default -> {
                if (container == UNDEFINED) {
                    yield false;
                }
                throw new TemplateException("\"in\" " + kind(container) + " is not possible");
            }
        };
    }

    static @Nullable Object binary(String operator, @Nullable Object a, @Nullable Object b) {
        switch (operator) {
            case "==" -> {
                return equal(a, b);
            }
            case "!=" -> {
                return !equal(a, b);
            }
            case "<" -> {
                return compare(a, b) < 0;
            }
            case ">" -> {
                return compare(a, b) > 0;
            }
            case "<=" -> {
                return compare(a, b) <= 0;
            }
            case ">=" -> {
                return compare(a, b) >= 0;
            }
            case "in" -> {
                return contains(b, a);
            }
            case "not in" -> {
                return !contains(b, a);
            }
            case "~" -> {
                return text(a) + text(b);
            }
            case "+" -> {
                if (a instanceof String x && b instanceof String y) {
                    return x + y;
                }
                if (a instanceof List<?> x && b instanceof List<?> y) {
                    checkItems((long) x.size() + y.size());
                    List<@Nullable Object> both = new ArrayList<>(x);
                    both.addAll(y);
                    return both;
                }
            }
            case "*" -> {
                if (a instanceof String s && b instanceof Long n) {
                    return repeat(s, n);
                }
            }
            default -> {}
        }
        return arithmetic(operator, a, b);
    }

    private static String repeat(String s, long n) {
        long times = Math.clamp(n, 0, Interpreter.MAX_OUTPUT + 1L);
        checkLength(times * s.length());
        return s.repeat(s.isEmpty() ? 0 : (int) times);
    }

    private static Object arithmetic(String operator, @Nullable Object a, @Nullable Object b) {
        if (!isNumber(a) || !isNumber(b)) {
            throw new TemplateException(kind(a) + " " + operator + " " + kind(b) + " is not possible");
        }
        double x = number(a);
        double y = number(b);
        boolean whole = !(a instanceof Double) && !(b instanceof Double);
        if (y == 0 && (operator.equals("/") || operator.equals("//") || operator.equals("%"))) {
            throw new TemplateException("a division by zero");
        }
        if (whole) {
            long m = (long) x;
            long n = (long) y;
            return switch (operator) {
                case "+" -> m + n;
                case "-" -> m - n;
                case "*" -> m * n;
                case "//" -> Math.floorDiv(m, n);
                case "%" -> Math.floorMod(m, n);
                case "/" -> x / y;
                default -> n >= 0 ? (Object) (long) Math.pow(x, y) : (Object) Math.pow(x, y);
            };
        }
        return switch (operator) {
            case "+" -> x + y;
            case "-" -> x - y;
            case "*" -> x * y;
            case "//" -> Math.floor(x / y);
            case "%" -> x - y * Math.floor(x / y);
            case "/" -> x / y;
            default -> Math.pow(x, y);
        };
    }

    static @Nullable Object item(@Nullable Object of, @Nullable Object index) {
        return switch (of) {
            case Map<?, ?> map -> has(map, index) ? map.get(index) : UNDEFINED;
            case List<?> list
            when index instanceof Long || index instanceof Boolean -> {
                int i = integer(index);
                i = i < 0 ? i + list.size() : i;
                yield i < 0 || i >= list.size() ? UNDEFINED : list.get(i);
            }
            case String s
            when index instanceof Long || index instanceof Boolean -> {
                int i = integer(index);
                i = i < 0 ? i + s.length() : i;
                yield i < 0 || i >= s.length() ? UNDEFINED : s.substring(i, i + 1);
            }
            case null -> UNDEFINED;
            default -> {
                if (of == UNDEFINED) {
                    throw new TemplateException("something undefined has no item " + text(index));
                }
                yield UNDEFINED;
            }
        };
    }

    static Object slice(@Nullable Object of, @Nullable Object from, @Nullable Object to, @Nullable Object step) {
        int by = step == null ? 1 : integer(step);
        if (by == 0) {
            throw new TemplateException("a slice of step 0");
        }
        boolean string = of instanceof String;
        List<@Nullable Object> items = items(of);
        int n = items.size();
        int start = bound(from, by > 0 ? 0 : n - 1, n, by);
        int end = to == null ? (by > 0 ? n : -1) : bound(to, 0, n, by);
        List<@Nullable Object> part = new ArrayList<>();
        for (long i = start; by > 0 ? i < end : i > end; i += by) {
            part.add(items.get((int) i));
        }
        return string ? String.join("", part.stream().map(Values::text).toList()) : part;
    }

    private static int bound(@Nullable Object value, int fallback, int n, int step) {
        if (value == null) {
            return fallback;
        }
        long i = integer(value);
        i = i < 0 ? i + n : i;
        return step > 0 ? Math.clamp(i, 0, n) : Math.clamp(i, -1, n - 1);
    }
}
