package dev.gatun.model.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import dev.gatun.memory.MappedFile;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The settings in a JSON file, config.json for example: an object whose values are asked for by key, type and range. What is asked
 * for is checked strictly, and the error names file and key; keys nobody asks for may be anything. A key whose value is null counts
 * as absent, as in the files transformers writes. Immutable and thread-safe.
 *
 * <p>A file has at most 64 MB and 2<sup>20</sup> JSON tokens, nested at most 64 deep.
 */
public final class JsonConfig {
    private static final long MAX_BYTES = 64L << 20;
    private static final JsonFactory JSON = Json.factory(64, 4096, 1 << 20, 100, 1 << 20);

    private final String file;
    private final String prefix;
    private final Map<String, @Nullable Object> values;

    private JsonConfig(String file, String prefix, Map<String, @Nullable Object> values) {
        this.file = file;
        this.prefix = prefix;
        this.values = values;
    }

    /**
     * Settings that were not read from JSON.
     *
     * @param file what errors name
     * @param values Strings, Booleans, Longs, Doubles, and Lists and Maps of these
     */
    static JsonConfig of(String file, Map<String, ?> values) {
        return new JsonConfig(file, "", new LinkedHashMap<>(values));
    }

    /**
     * Reads a file of a model's folder.
     *
     * @throws IOException if it is missing or cannot be read
     * @throws ModelFormatException if it is not a JSON object within the limits
     */
    public static JsonConfig read(ModelFolder folder, String file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            return read(folder.open(file, arena));
        }
    }

    /**
     * Reads an open file, which is not needed afterwards.
     *
     * @throws ModelFormatException if it is not a JSON object within the limits
     */
    public static JsonConfig read(MappedFile file) {
        if (file.byteSize() > MAX_BYTES) {
            throw new ModelFormatException(
                    file.name() + ": " + file.byteSize() + " bytes, at most " + MAX_BYTES + " are allowed");
        }
        return Json.read(JSON, file, 0, file.byteSize(), parser -> {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new ModelFormatException(file.name() + ": not a JSON object");
            }
            return new JsonConfig(file.name(), "", object(parser, file.name()));
        });
    }

    /**
     * Reads a file of a model's folder that is a list of objects.
     *
     * @throws IOException if it is missing or cannot be read
     * @throws ModelFormatException if it is not a list of JSON objects within the limits
     */
    public static List<JsonConfig> readObjects(ModelFolder folder, String name) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MappedFile file = folder.open(name, arena);
            return Json.read(JSON, file, 0, file.byteSize(), parser -> {
                if (parser.nextToken() != JsonToken.START_ARRAY) {
                    throw new ModelFormatException(file.name() + ": not a JSON list");
                }
                Map<String, @Nullable Object> values = new LinkedHashMap<>();
                values.put("", value(parser, file.name()));
                return new JsonConfig(file.name(), "", values).objects("");
            });
        }
    }

    private static Map<String, @Nullable Object> object(JsonParser parser, String file) throws IOException {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            parser.nextToken();
            if (values.containsKey(key)) {
                throw new ModelFormatException(file + ": key " + key + " stands there twice, at line "
                        + parser.currentTokenLocation().getLineNr());
            }
            values.put(key, value(parser, file));
        }
        return values;
    }

    /** A Map, List, String, Boolean, Long, Double (also for an integer beyond 64 bits) or null. */
    private static @Nullable Object value(JsonParser parser, String file) throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> object(parser, file);
            case START_ARRAY -> {
                List<@Nullable Object> items = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    items.add(value(parser, file));
                }
                yield items;
            }
            case VALUE_STRING -> parser.getText();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            case VALUE_NUMBER_INT ->
                parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                        ? (Object) parser.getDoubleValue()
                        : (Object) parser.getLongValue();
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            case END_OBJECT, END_ARRAY, FIELD_NAME, NOT_AVAILABLE, VALUE_EMBEDDED_OBJECT ->
                throw new IllegalStateException("a JSON value cannot start with " + parser.currentToken());
        };
    }

    /**
     * Makes a value of what was read, for example a record that checks its components.
     *
     * @throws ModelFormatException with this file's name where {@code make} throws an IllegalArgumentException
     */
    public <T> T checked(Supplier<T> make) {
        try {
            return make.get();
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(file + ": " + e.getMessage(), e);
        }
    }

    /** The file's path, for messages. */
    public String file() {
        return file;
    }

    /** All keys, in the order of the file; unmodifiable. */
    public Set<String> keys() {
        return Collections.unmodifiableSet(values.keySet());
    }

    /** Whether there is a value that is not null. */
    public boolean has(String key) {
        return values.get(key) != null;
    }

    /** Whether there is a value and it is an object. */
    public boolean isObject(String key) {
        return values.get(key) instanceof Map;
    }

    /** Whether there is a value and it is a string. */
    public boolean isString(String key) {
        return values.get(key) instanceof String;
    }

    /**
     * An integer from {@code min} to {@code max}, both included.
     *
     * @throws ModelFormatException if it is absent, not an integer or out of range
     */
    public int requireInt(String key, int min, int max) {
        return integer(key, present(key), min, max);
    }

    /** An integer from {@code min} to {@code max}, or {@code fallback} if it is absent. */
    public int optionalInt(String key, int fallback, int min, int max) {
        return has(key) ? requireInt(key, min, max) : fallback;
    }

    /**
     * A number from {@code min} to {@code max}, both included; never NaN.
     *
     * @throws ModelFormatException if it is absent, not a number or out of range
     */
    public double requireDouble(String key, double min, double max) {
        return number(key, present(key), min, max);
    }

    /** A number from {@code min} to {@code max}, or {@code fallback} if it is absent. */
    public double optionalDouble(String key, double fallback, double min, double max) {
        return has(key) ? requireDouble(key, min, max) : fallback;
    }

    /** True or false; absent or anything else is a ModelFormatException. */
    public boolean requireBoolean(String key) {
        return present(key) instanceof Boolean value ? value : fail(key, "is not true or false");
    }

    /** True or false, or {@code fallback} if it is absent. */
    public boolean optionalBoolean(String key, boolean fallback) {
        return has(key) ? requireBoolean(key) : fallback;
    }

    /** A string; absent or anything else is a ModelFormatException. */
    public String requireString(String key) {
        return present(key) instanceof String value ? value : fail(key, "is not a string");
    }

    /** A string, or {@code fallback} if it is absent. */
    public String optionalString(String key, String fallback) {
        return has(key) ? requireString(key) : fallback;
    }

    /**
     * What a string stands for.
     *
     * @param meanings every string that is allowed
     * @throws ModelFormatException if the value is absent or none of them; the message lists them
     */
    public <T> T requireOneOf(String key, Map<String, T> meanings) {
        String value = requireString(key);
        T meaning = meanings.get(value);
        return meaning != null
                ? meaning
                : fail(key, "is \"" + value + "\", which is none of " + new TreeSet<>(meanings.keySet()));
    }

    /** What a string stands for, or {@code fallback} if it is absent. */
    public <T> T optionalOneOf(String key, T fallback, Map<String, T> meanings) {
        return has(key) ? requireOneOf(key, meanings) : fallback;
    }

    /** An object; absent or anything else is a ModelFormatException. Its errors name the whole path, {@code a.b}. */
    public JsonConfig requireObject(String key) {
        return present(key) instanceof Map<?, ?> map ? object(key, map) : fail(key, "is not an object");
    }

    @SuppressWarnings("unchecked") // value() builds no other maps
    private JsonConfig object(String path, Map<?, ?> map) {
        return new JsonConfig(file, prefix + path + ".", (Map<String, @Nullable Object>) map);
    }

    /** Objects in a list; none if it is absent. Their errors name the whole path, {@code a[0].b}. */
    public List<JsonConfig> objects(String key) {
        List<?> list = list(key);
        List<JsonConfig> objects = new ArrayList<>(list.size());
        for (Object item : list) {
            String path = key + "[" + objects.size() + "]";
            objects.add(
                    item instanceof Map<?, ?> map
                            ? object(path, map)
                            : this.<JsonConfig>fail(path, "is not an object"));
        }
        return objects;
    }

    /** Integers in a list, or a single one outside of a list, each from {@code min} to {@code max}; none if it is absent. */
    public List<Integer> ints(String key, int min, int max) {
        if (!has(key)) {
            return List.of();
        }
        if (present(key) instanceof List<?> list) {
            return list.stream().map(item -> integer(key, item, min, max)).toList();
        }
        return List.of(requireInt(key, min, max));
    }

    /** Lists of integers in a list, each integer from {@code min} to {@code max}; none if it is absent. */
    public List<List<Integer>> intLists(String key, int min, int max) {
        return list(key).stream()
                .map(item -> item instanceof List<?> inner
                        ? inner.stream()
                                .map(number -> integer(key, number, min, max))
                                .toList()
                        : this.<List<Integer>>fail(key, "is not a list of lists"))
                .toList();
    }

    /**
     * Pairs of integers in a list, {@code [[1, 7], [2, null]]}, each from {@code min} to {@code max}; pairs whose second is null are
     * left out, and none are there if it is absent.
     */
    public Map<Integer, Integer> intPairs(String key, int min, int max) {
        Map<Integer, Integer> pairs = new LinkedHashMap<>();
        for (Object item : list(key)) {
            if (!(item instanceof List<?> pair) || pair.size() != 2) {
                return fail(key, "is not a list of pairs");
            }
            if (pair.get(1) != null) {
                pairs.put(integer(key, pair.get(0), min, max), integer(key, pair.get(1), min, max));
            }
        }
        return pairs;
    }

    /** Numbers in a list, each from {@code min} to {@code max}; none if it is absent. */
    public List<Double> doubles(String key, double min, double max) {
        return list(key).stream().map(item -> number(key, item, min, max)).toList();
    }

    /** Strings in a list; none if it is absent. */
    public List<String> strings(String key) {
        return list(key).stream()
                .map(item -> item instanceof String text ? text : this.<String>fail(key, "is not a list of strings"))
                .toList();
    }

    private List<?> list(String key) {
        if (!has(key)) {
            return List.of();
        }
        return present(key) instanceof List<?> list ? list : this.<List<?>>fail(key, "is not a list");
    }

    private Object present(String key) {
        Object value = values.get(key);
        return value != null ? value : fail(key, "is missing");
    }

    private int integer(String key, @Nullable Object value, int min, int max) {
        if (!(value instanceof Long number)) {
            return fail(key, "is " + value + ", which is not an integer of 64 bits");
        }
        if (number < min || number > max) {
            return fail(key, "is " + number + ", allowed is " + min + " to " + max);
        }
        return number.intValue();
    }

    private double number(String key, @Nullable Object value, double min, double max) {
        if (!(value instanceof Number number)) {
            return fail(key, "is " + value + ", which is not a number");
        }
        double wide = number.doubleValue();
        if (!(wide >= min && wide <= max)) {
            return fail(key, "is " + number + ", allowed is " + min + " to " + max);
        }
        return wide;
    }

    @SuppressWarnings("TypeParameterUnusedInFormals") // never returns: of whatever type the caller's expression needs
    private <T> T fail(String key, String what) {
        throw new ModelFormatException(file + ": " + prefix + key + " " + what);
    }

    /** All settings as JSON, keys in order: the same settings are the same text. */
    public String toJson() {
        var text = new StringWriter();
        try (JsonGenerator out = new JsonFactory()
                .createGenerator(text)
                .disable(JsonWriteFeature.WRITE_NAN_AS_STRINGS.mappedFeature())) {
            write(out, values);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString();
    }

    private static void write(JsonGenerator out, @Nullable Object value) throws IOException {
        switch (value) {
            case null -> out.writeNull();
            case Map<?, ?> map -> {
                out.writeStartObject();
                for (var entry : new TreeMap<>(map).entrySet()) {
                    out.writeFieldName(String.valueOf(entry.getKey()));
                    write(out, entry.getValue());
                }
                out.writeEndObject();
            }
            case List<?> list -> {
                out.writeStartArray();
                for (Object item : list) {
                    write(out, item);
                }
                out.writeEndArray();
            }
            case Boolean bool -> out.writeBoolean(bool);
            case Double number -> out.writeNumber(number);
            case Float number -> out.writeNumber(number.doubleValue());
            case Number number -> out.writeNumber(number.longValue());
            default -> out.writeString(value.toString());
        }
    }
}
