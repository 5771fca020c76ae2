package dev.gatun.model.constrain;

import dev.gatun.model.constrain.SchemaParts.Part;
import dev.gatun.model.constrain.SchemaParts.Schema;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What parts of a schema that all have to be met say together. */
final class Facts {
    /** Kinds of values. */
    enum Type {
        NULL,
        BOOLEAN,
        NUMBER,
        STRING,
        ARRAY,
        OBJECT
    }

    private static final Map<String, Type> TYPES = Map.of(
            "null", Type.NULL,
            "boolean", Type.BOOLEAN,
            "number", Type.NUMBER,
            "integer", Type.NUMBER,
            "string", Type.STRING,
            "array", Type.ARRAY,
            "object", Type.OBJECT);

    /** Keywords that say something of one type only. */
    private static final Map<String, Type> OF_TYPE = Map.ofEntries(
            Map.entry("properties", Type.OBJECT),
            Map.entry("required", Type.OBJECT),
            Map.entry("additionalProperties", Type.OBJECT),
            Map.entry("items", Type.ARRAY),
            Map.entry("prefixItems", Type.ARRAY),
            Map.entry("minItems", Type.ARRAY),
            Map.entry("maxItems", Type.ARRAY),
            Map.entry("minLength", Type.STRING),
            Map.entry("maxLength", Type.STRING),
            Map.entry("pattern", Type.STRING),
            Map.entry("format", Type.STRING),
            Map.entry("minimum", Type.NUMBER),
            Map.entry("maximum", Type.NUMBER),
            Map.entry("exclusiveMinimum", Type.NUMBER),
            Map.entry("exclusiveMaximum", Type.NUMBER));

    private final List<Part> parts;
    final String path;

    /** Types that may be. */
    final Set<Type> types = EnumSet.allOf(Type.class);

    /** The types that keywords are about, where no type is said: what people mean who leave it out. */
    final Set<Type> meant;

    final boolean integer;
    final @Nullable Set<Object> values;

    Facts(List<Part> parts, String path) {
        this.parts = parts;
        this.path = path;
        boolean whole = false;
        boolean typed = false;
        Set<Object> allowed = null;
        Set<Type> implied = EnumSet.noneOf(Type.class);
        for (Part part : parts) {
            Object type = part.get("type");
            if (type != null) {
                typed = true;
                List<?> names = type instanceof List<?> list ? list : List.of(type);
                types.retainAll(types(names, part.path()));
                whole |= names.contains("integer") && !names.contains("number");
            }
            allowed = common(allowed, part.get("enum"), part);
            if (part.get("const") != null) {
                allowed = common(allowed, List.of(part.get("const")), part);
            }
            for (Object keyword : part.keywords().keySet()) {
                Type of = OF_TYPE.get(String.valueOf(keyword));
                if (of != null) {
                    implied.add(of);
                }
            }
        }
        integer = whole;
        values = allowed;
        meant = EnumSet.copyOf(types);
        if (!typed && allowed == null && !implied.isEmpty()) {
            meant.retainAll(implied);
        }
    }

    private static Set<Type> types(List<?> names, String path) {
        Set<Type> types = EnumSet.noneOf(Type.class);
        for (Object name : names) {
            Type type = name instanceof String text ? TYPES.get(text) : null;
            if (type == null) {
                throw bad(path, "type " + name + " is none of " + new java.util.TreeSet<>(TYPES.keySet()));
            }
            types.add(type);
        }
        return types;
    }

    private static @Nullable Set<Object> common(@Nullable Set<Object> before, @Nullable Object list, Part part) {
        if (list == null) {
            return before;
        }
        if (!(list instanceof List<?> items)) {
            throw bad(part.path(), "enum is not a list");
        }
        Set<Object> both = new LinkedHashSet<>(items);
        if (before != null) {
            both.retainAll(before);
        }
        return both;
    }

    private static ConstraintException bad(String path, String problem) {
        return new ConstraintException(SchemaParts.at(path) + problem);
    }

    /** The type of a value. */
    static Type typeOf(Object value) {
        return switch (value) {
            case Boolean _ -> Type.BOOLEAN;
            case BigDecimal _ -> Type.NUMBER;
            case String _ -> Type.STRING;
            case List<?> _ -> Type.ARRAY;
            case Map<?, ?> _ -> Type.OBJECT;
            default -> Type.NULL;
        };
    }

    /** Values of a keyword, which have to be of a class. */
    <T> List<T> all(String keyword, Class<T> type, String kind) {
        List<T> all = new ArrayList<>();
        for (Part part : parts) {
            Object value = part.get(keyword);
            if (value != null) {
                if (!type.isInstance(value)) {
                    throw bad(part.path(), keyword + " is not " + kind);
                }
                all.add(type.cast(value));
            }
        }
        return all;
    }

    /** The largest value of a keyword that is a count; 0 if there is none. */
    int largest(String keyword) {
        return counts(keyword).stream().mapToInt(i -> i).max().orElse(0);
    }

    /** The smallest value of a keyword that is a count; unlimited if there is none. */
    int smallest(String keyword) {
        return counts(keyword).stream().mapToInt(i -> i).min().orElse(Grammar.UNLIMITED);
    }

    private List<Integer> counts(String keyword) {
        return all(keyword, BigDecimal.class, "a number").stream()
                .map(n -> {
                    if (n.signum() < 0 || n.scale() > 0) {
                        throw bad(path, keyword + " " + n + ": must be 0 or a positive integer");
                    }
                    return n.min(BigDecimal.valueOf(Grammar.UNLIMITED)).intValue();
                })
                .toList();
    }

    List<BigDecimal> numbers(String keyword) {
        return all(keyword, BigDecimal.class, "a number");
    }

    List<String> strings(String keyword) {
        return all(keyword, String.class, "a string");
    }

    /** Whether a keyword is there. */
    boolean has(String keyword) {
        return parts.stream().anyMatch(part -> part.get(keyword) != null);
    }

    /** Names of properties, in the order in which they are declared. */
    Set<String> propertyNames() {
        Set<String> names = new LinkedHashSet<>();
        for (Map<?, ?> properties : all("properties", Map.class, "an object").stream()
                .map(map -> (Map<?, ?>) map)
                .toList()) {
            properties.keySet().forEach(name -> names.add(String.valueOf(name)));
        }
        return names;
    }

    /** Names of properties that have to be there. */
    Set<String> required() {
        Set<String> names = new LinkedHashSet<>();
        for (List<?> list : all("required", List.class, "a list").stream()
                .map(list -> (List<?>) list)
                .toList()) {
            for (Object name : list) {
                if (!(name instanceof String text)) {
                    throw bad(path, "required has " + name + ", which is no name");
                }
                names.add(text);
            }
        }
        return names;
    }

    /** What the value of a property has to be, whether it is declared or not. */
    List<Schema> property(String name) {
        List<Schema> schemas = new ArrayList<>();
        for (Part part : parts) {
            if (part.get("properties") instanceof Map<?, ?> properties && properties.get(name) != null) {
                schemas.add(new Schema(given(properties.get(name)), part.path() + "/properties/" + escaped(name)));
            } else if (part.get("additionalProperties") != null) {
                schemas.add(child(part, "additionalProperties"));
            }
        }
        return schemas;
    }

    /** What the values of properties that are not declared have to be; null if nothing is said of them. */
    @Nullable
    List<Schema> additionalProperties() {
        return children("additionalProperties");
    }

    /** How many items are described one by one. */
    int prefixLength() {
        return all("prefixItems", List.class, "a list").stream()
                .mapToInt(prefix -> prefix.size())
                .max()
                .orElse(0);
    }

    /** What item {@code i} of an array has to be. */
    List<Schema> item(int i) {
        List<Schema> schemas = new ArrayList<>();
        for (Part part : parts) {
            if (part.get("prefixItems") instanceof List<?> prefix && i < prefix.size()) {
                schemas.add(new Schema(given(prefix.get(i)), part.path() + "/prefixItems/" + i));
            } else if (part.get("items") != null) {
                schemas.add(child(part, "items"));
            }
        }
        return schemas;
    }

    private @Nullable List<Schema> children(String keyword) {
        List<Schema> schemas = parts.stream()
                .filter(part -> part.get(keyword) != null)
                .map(part -> child(part, keyword))
                .toList();
        return schemas.isEmpty() ? null : schemas;
    }

    private static Schema child(Part part, String keyword) {
        Object schema = given(part.get(keyword));
        if (keyword.equals("items") && schema instanceof List) {
            throw bad(part.path(), "items is a list: since draft 2020-12 that is prefixItems");
        }
        return new Schema(schema, part.path() + "/" + keyword);
    }

    private static Object given(@Nullable Object value) {
        return java.util.Objects.requireNonNull(value);
    }

    private static String escaped(String name) {
        return name.replace("~", "~0").replace("/", "~1");
    }

    /** Declared properties by name, each with what it has to be. */
    Map<String, List<Schema>> properties() {
        Map<String, List<Schema>> all = new LinkedHashMap<>();
        for (String name : propertyNames()) {
            all.put(name, property(name));
        }
        return all;
    }
}
