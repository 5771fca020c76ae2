package dev.gatun.model.constrain;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Takes schemas apart: what {@code $ref} and {@code allOf} bring together, once for each choice of {@code anyOf} and {@code oneOf}.
 * All parts of an alternative have to be met.
 */
final class SchemaParts {
    /** A schema and where it stands. */
    record Schema(Object json, String path) {}

    /** An object in a schema document that has none of the keywords that lead elsewhere, or whose have been followed. */
    record Part(Map<?, ?> keywords, String path) {
        @Nullable
        Object get(String keyword) {
            return keywords.get(keyword);
        }
    }

    /** A schema to be taken apart, and the objects that led to it without a value in between. */
    private record Open(Schema schema, @Nullable Chain chain) {}

    private record Chain(Map<?, ?> from, @Nullable Chain before, int length) {
        @SuppressWarnings("ReferenceEquality") // equal objects at two places are two schemas
        boolean has(Map<?, ?> map) {
            for (Chain chain = this; chain != null; chain = chain.before) {
                if (chain.from == map) {
                    return true;
                }
            }
            return false;
        }
    }

    private static final int MAX_CHAIN = 256;
    private static final int MAX_ALTERNATIVES = 1024;

    /** They say nothing of values. */
    private static final Set<String> ANNOTATIONS = Set.of(
            "$schema",
            "$id",
            "$anchor",
            "$comment",
            "$defs",
            "definitions",
            "title",
            "description",
            "default",
            "example",
            "examples",
            "deprecated",
            "readOnly",
            "writeOnly");

    private static final Set<String> KEYWORDS = Set.of(
            "type",
            "enum",
            "const",
            "$ref",
            "allOf",
            "anyOf",
            "oneOf",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "prefixItems",
            "minItems",
            "maxItems",
            "minLength",
            "maxLength",
            "pattern",
            "format",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum");

    /** What is told when nothing can meet the whole schema. */
    interface Contradictions {
        void add(String path, String problem);
    }

    /** Told of two alternatives of one {@code oneOf}, with all that has to be met beside them. */
    interface Overlap {
        void check(String path, int first, List<Part> one, int second, List<Part> other);
    }

    private final Object root;
    private final Contradictions contradictions;
    private final Overlap overlap;

    SchemaParts(Object root, Contradictions contradictions, Overlap overlap) {
        this.root = root;
        this.contradictions = contradictions;
        this.overlap = overlap;
    }

    /** Schemas that all have to be met, in alternatives. */
    List<List<Part>> alternatives(List<Schema> schemas) {
        List<List<Part>> out = new ArrayList<>();
        expand(schemas.stream().map(schema -> new Open(schema, null)).toList(), List.of(), out);
        return out;
    }

    @SuppressWarnings("ReferenceEquality") // equal objects at two places are two schemas
    private void expand(List<Open> schemas, List<Part> met, List<List<Part>> out) {
        List<Open> open = new ArrayList<>(schemas);
        List<Part> parts = new ArrayList<>(met);
        List<List<Open>> choices = new ArrayList<>();
        List<@Nullable String> oneOf = new ArrayList<>(); // its path
        while (!open.isEmpty()) {
            Open next = open.removeFirst();
            String path = next.schema.path;
            switch (next.schema.json) {
                case Boolean any -> {
                    if (!any) {
                        contradictions.add(path, "nothing is allowed there");
                        return;
                    }
                }
                case Map<?, ?> map -> {
                    Chain chain = next.chain;
                    if (chain != null && chain.has(map)) {
                        throw new ConstraintException(
                                at(path) + "a cyclic $ref without content: it leads back to itself");
                    }
                    if (chain != null && chain.length >= MAX_CHAIN) {
                        throw new ConstraintException(
                                at(path) + "more than " + MAX_CHAIN + " of $ref, allOf, anyOf and oneOf in a row");
                    }
                    if (parts.stream().anyMatch(part -> part.keywords == map)) {
                        continue;
                    }
                    checkKeywords(map, path);
                    parts.add(new Part(map, path));
                    Chain longer = new Chain(map, chain, chain == null ? 1 : chain.length + 1);
                    if (map.containsKey("$ref")) {
                        open.add(new Open(resolve(map.get("$ref"), path), longer));
                    }
                    open.addAll(schemas(map, "allOf", path, longer));
                    for (String keyword : new String[] {"anyOf", "oneOf"}) {
                        if (map.containsKey(keyword)) {
                            List<Open> options = schemas(map, keyword, path, longer);
                            choices.add(options);
                            oneOf.add(keyword.equals("oneOf") && options.size() > 1 ? path + "/oneOf" : null);
                        }
                    }
                }
                default ->
                    throw new ConstraintException(
                            at(path) + "a schema is an object, true or false, not " + next.schema.json);
            }
        }
        choose(parts, choices, oneOf, out);
    }

    /** Takes each option of the first choice together with all of the rest. */
    private void choose(
            List<Part> parts, List<List<Open>> choices, List<@Nullable String> oneOf, List<List<Part>> out) {
        if (choices.isEmpty()) {
            if (out.size() == MAX_ALTERNATIVES) {
                throw new ConstraintException(at(parts.isEmpty() ? "#" : parts.getFirst().path)
                        + "anyOf and oneOf make more than " + MAX_ALTERNATIVES + " combinations");
            }
            out.add(parts);
            return;
        }
        List<List<List<Part>>> byOption = new ArrayList<>();
        for (Open option : choices.getFirst()) {
            List<List<Part>> alternatives = new ArrayList<>();
            expand(List.of(option), parts, alternatives);
            byOption.add(alternatives);
        }
        String exclusive = oneOf.getFirst();
        if (exclusive != null) {
            checkOverlap(exclusive, byOption);
        }
        for (List<List<Part>> option : byOption) {
            for (List<Part> alternative : option) {
                choose(alternative, choices.subList(1, choices.size()), oneOf.subList(1, oneOf.size()), out);
            }
        }
    }

    private void checkOverlap(String path, List<List<List<Part>>> options) {
        for (int i = 0; i < options.size(); i++) {
            for (int j = i + 1; j < options.size(); j++) {
                for (List<Part> one : options.get(i)) {
                    for (List<Part> other : options.get(j)) {
                        overlap.check(path, i, one, j, other);
                    }
                }
            }
        }
    }

    private static List<Open> schemas(Map<?, ?> map, String keyword, String path, Chain chain) {
        Object value = map.get(keyword);
        if (value == null) {
            return List.of();
        }
        if (!(value instanceof List<?> list) || list.isEmpty()) {
            throw new ConstraintException(at(path) + keyword + " is not a list of schemas");
        }
        List<Open> schemas = new ArrayList<>(list.size());
        for (Object item : list) {
            schemas.add(new Open(new Schema(item, path + "/" + keyword + "/" + schemas.size()), chain));
        }
        return schemas;
    }

    private static void checkKeywords(Map<?, ?> map, String path) {
        for (Object key : map.keySet()) {
            String keyword = String.valueOf(key);
            if (!KEYWORDS.contains(keyword) && !ANNOTATIONS.contains(keyword) && !keyword.startsWith("x-")) {
                throw new ConstraintException(at(path) + "the keyword \"" + keyword + "\" is not supported");
            }
        }
        if (map.containsKey("$id") && !path.equals("#")) {
            throw new ConstraintException(at(path) + "the keyword \"$id\" is supported at the top only");
        }
    }

    private Schema resolve(Object ref, String path) {
        if (!(ref instanceof String text)) {
            throw new ConstraintException(at(path) + "$ref is not a string");
        }
        if (!text.equals("#") && !text.startsWith("#/")) {
            throw new ConstraintException(at(path) + "$ref \"" + text
                    + "\" is not supported: only places in the schema itself are, #/$defs/name say");
        }
        Object at = root;
        for (String step : text.equals("#") ? new String[0] : text.substring(2).split("/", -1)) {
            String key = unescaped(step, text, path);
            Object next = null;
            if (at instanceof Map<?, ?> map) {
                next = map.get(key);
            } else if (at instanceof List<?> list && key.matches("\\d{1,6}") && Integer.parseInt(key) < list.size()) {
                next = list.get(Integer.parseInt(key));
            }
            if (next == null) {
                throw new ConstraintException(at(path) + "unknown $ref \"" + text + "\": there is no \"" + key + "\"");
            }
            at = next;
        }
        return new Schema(at, text);
    }

    private static String unescaped(String step, String ref, String path) {
        try {
            return URLDecoder.decode(step.replace("+", "%2B"), StandardCharsets.UTF_8)
                    .replace("~1", "/")
                    .replace("~0", "~");
        } catch (IllegalArgumentException e) { // a % without its digits
            throw new ConstraintException(at(path) + "$ref \"" + ref + "\" is no JSON pointer");
        }
    }

    /** How errors begin. */
    static String at(String path) {
        return "JSON schema, at " + path + ": ";
    }
}
