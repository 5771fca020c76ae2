package dev.gatun.model.constrain;

import dev.gatun.model.constrain.SchemaParts.Part;
import dev.gatun.model.constrain.SchemaParts.Schema;
import java.math.BigDecimal;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.lucene.util.automaton.Automata;
import org.apache.lucene.util.automaton.Automaton;
import org.apache.lucene.util.automaton.Operations;
import org.jspecify.annotations.Nullable;

/**
 * Makes the grammar of the JSON values that a schema allows. Known are type, enum, const, properties, required,
 * additionalProperties, items, prefixItems, minItems, maxItems, minLength, maxLength, pattern, format, minimum, maximum,
 * exclusiveMinimum, exclusiveMaximum, anyOf, oneOf (of alternatives that exclude each other), allOf, and $ref within the schema,
 * also to itself.
 *
 * <p>Every text of the grammar meets the schema; where a schema says little, not every value that meets it is in the grammar:
 * properties come in the order in which they are declared, and others only where additionalProperties asks for them or nothing is
 * declared; items after prefixItems only where items or minItems asks for them; keywords of one type mean that type; strings have
 * one spelling, numbers a bounded one, and white space is a space or a new line with some indentation after a bracket, comma or
 * colon.
 */
final class JsonSchema {
    private static final int MAX_RULES = 20_000;
    private static final int MAX_INDENT = 20;

    private record Identity(Object value) {
        @Override
        @SuppressWarnings("ReferenceEquality") // what it is for
        public boolean equals(@Nullable Object o) {
            return o instanceof Identity other && other.value == value;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(value);
        }
    }

    private record Rule(int node, List<Schema> schemas) {}

    private final Grammar.Builder grammar = new Grammar.Builder();
    private final SchemaParts schemaParts;
    private final Map<List<Identity>, Integer> rules = new HashMap<>();
    private final Deque<Rule> open = new ArrayDeque<>(); // said to be there, not made yet: recursion without recursion
    private final List<String> contradictions = new ArrayList<>();
    private final int space = space();
    private final int character = grammar.automaton(character(), grammar.end());

    private JsonSchema(Object root) {
        var disjoint = new Disjoint(new SchemaParts(root, (_, _) -> {}, (_, _, _, _, _) -> {}));
        schemaParts = new SchemaParts(root, this::contradiction, disjoint::check);
    }

    static Grammar grammar(String json) {
        Object root = JsonTree.read(json);
        var schema = new JsonSchema(root);
        int start = schema.rule(List.of(new Schema(root, "#")));
        while (!schema.open.isEmpty()) {
            Rule rule = schema.open.pop();
            schema.grammar.define(rule.node, schema.value(rule.schemas));
        }
        Grammar grammar = schema.grammar.build(start);
        if (grammar.isEmpty()) {
            throw new ConstraintException("no JSON value meets the schema: "
                    + (schema.contradictions.isEmpty()
                            ? "each would have to contain another without end"
                            : schema.contradictions.getFirst()));
        }
        return grammar;
    }

    private void contradiction(String path, String problem) {
        contradictions.add("at " + path + ": " + problem);
    }

    private int contradiction(Facts facts, String problem) {
        contradiction(facts.path, problem);
        return grammar.nothing();
    }

    /** Nothing, a space, or a new line and some indentation. */
    private int space() {
        int indent = grammar.loop(
                grammar.split(grammar.literal(" ", grammar.end()), grammar.literal("\t", grammar.end())),
                0,
                MAX_INDENT,
                grammar.end());
        return grammar.split(grammar.end(), grammar.literal(" ", grammar.end()), grammar.literal("\n", indent));
    }

    /** One character within a string. */
    private static Automaton character() {
        Automaton hex = Automata.makeCharClass(new int[] {'0', 'A', 'a'}, new int[] {'9', 'F', 'f'});
        Automaton notD =
                Automata.makeCharClass(new int[] {'0', 'A', 'E', 'a', 'e'}, new int[] {'9', 'C', 'F', 'c', 'f'});
        Automaton d = Operations.concatenate(List.of( // the rest are surrogates
                Automata.makeCharSet(new int[] {'D', 'd'}), Automata.makeCharRange('0', '7')));
        Automaton unicode = Operations.concatenate(List.of(
                Automata.makeString("\\u"),
                CodePoints.union(List.of(Operations.concatenate(List.of(notD, hex)), d)),
                hex,
                hex));
        Automaton plain = CodePoints.jsonEscaped(CodePoints.any(), "a character");
        return CodePoints.utf8(CodePoints.union(List.of(plain, Automata.makeString("\\/"), unicode)), "a character");
    }

    private int spaced(int next) {
        return grammar.call(space, next);
    }

    /** The rule of values that meet all schemas. */
    private int rule(List<Schema> schemas) {
        List<Identity> key = schemas.stream()
                .map(schema -> new Identity(schema.json()))
                .distinct()
                .toList();
        Integer known = rules.get(key);
        if (known != null) {
            return known;
        }
        if (rules.size() == MAX_RULES) {
            throw new ConstraintException(
                    "the JSON schema is too large: it has more than " + MAX_RULES + " combinations of schemas");
        }
        int node = grammar.reserve();
        rules.put(key, node);
        open.add(new Rule(node, schemas));
        return node;
    }

    private int value(List<Schema> schemas) {
        List<Integer> all = new ArrayList<>();
        for (List<Part> alternative : schemaParts.alternatives(schemas)) {
            String path = alternative.isEmpty() ? "#" : alternative.getFirst().path();
            value(new Facts(alternative, path), all);
        }
        return grammar.split(all);
    }

    private void value(Facts facts, List<Integer> all) {
        if (facts.values != null) {
            constants(facts, facts.values, all);
            return;
        }
        if (facts.meant.isEmpty()) {
            all.add(contradiction(facts, "no type is left"));
        }
        for (Facts.Type type : facts.meant) {
            all.add(
                    switch (type) {
                        case NULL -> grammar.literal("null", grammar.end());
                        case BOOLEAN ->
                            grammar.split(
                                    grammar.literal("true", grammar.end()), grammar.literal("false", grammar.end()));
                        case NUMBER -> number(facts);
                        case STRING -> string(facts);
                        case ARRAY -> array(facts);
                        case OBJECT -> object(facts);
                    });
        }
    }

    private void constants(Facts facts, Set<Object> values, List<Integer> all) {
        int before = all.size();
        for (Object value : values) {
            if (facts.types.contains(Facts.typeOf(value)) && meets(facts, value)) {
                all.add(constant(value, grammar.end()));
            }
        }
        if (all.size() == before) {
            all.add(contradiction(facts, "no value of enum or const meets the rest"));
        }
    }

    private static boolean meets(Facts facts, Object value) {
        String where = SchemaParts.at(facts.path);
        return switch (value) {
            case String text -> {
                Automaton texts = texts(facts);
                int length = text.codePointCount(0, text.length());
                yield length >= facts.largest("minLength")
                        && length <= facts.smallest("maxLength")
                        && (texts == null || Strings.allows(texts, text, where));
            }
            case BigDecimal number -> {
                Range range = Range.of(facts);
                yield !(facts.integer && number.scale() > 0)
                        && (range.low == null || number.compareTo(range.low) >= (range.above ? 1 : 0))
                        && (range.high == null || number.compareTo(range.high) <= (range.below ? -1 : 0));
            }
            case List<?> _, Map<?, ?> _ -> {
                for (String keyword : List.of(
                        "properties",
                        "required",
                        "additionalProperties",
                        "items",
                        "prefixItems",
                        "minItems",
                        "maxItems")) {
                    if (facts.has(keyword)) {
                        throw new ConstraintException(
                                where + "enum or const with lists or objects is not supported beside " + keyword);
                    }
                }
                yield true;
            }
            default -> true;
        };
    }

    private int constant(Object value, int next) {
        return switch (value) {
            case String text -> grammar.literal(JsonTree.quoted(text), next);
            case BigDecimal number -> grammar.literal(JsonTree.text(number), next);
            case List<?> items -> {
                int node = grammar.literal("]", next);
                for (int i = items.size() - 1; i >= 0; i--) {
                    node = spaced(constant(
                            Objects.requireNonNull(items.get(i)), i == items.size() - 1 ? spaced(node) : node));
                    node = i == 0 ? node : grammar.literal(",", node);
                }
                yield grammar.literal("[", node);
            }
            case Map<?, ?> map -> {
                int node = grammar.literal("}", next);
                List<Map.Entry<?, ?>> entries = List.copyOf(map.entrySet());
                for (int i = entries.size() - 1; i >= 0; i--) {
                    int after = i == entries.size() - 1 ? spaced(node) : node;
                    int member = spaced(
                            constant(Objects.requireNonNull(entries.get(i).getValue()), after));
                    node = spaced(grammar.literal(
                            JsonTree.quoted(String.valueOf(entries.get(i).getKey())) + ":", member));
                    node = i == 0 ? node : grammar.literal(",", node);
                }
                yield grammar.literal("{", node);
            }
            default -> grammar.literal(value.toString(), next); // true, false, null
        };
    }

    /** Bounds of a number; {@code above} and {@code below} leave the bound itself out. */
    private record Range(
            @Nullable BigDecimal low,
            boolean above,
            @Nullable BigDecimal high,
            boolean below) {
        static Range of(Facts facts) {
            BigDecimal low =
                    facts.numbers("minimum").stream().max(BigDecimal::compareTo).orElse(null);
            BigDecimal above = facts.numbers("exclusiveMinimum").stream()
                    .max(BigDecimal::compareTo)
                    .orElse(null);
            BigDecimal high =
                    facts.numbers("maximum").stream().min(BigDecimal::compareTo).orElse(null);
            BigDecimal below = facts.numbers("exclusiveMaximum").stream()
                    .min(BigDecimal::compareTo)
                    .orElse(null);
            boolean open = above != null && (low == null || above.compareTo(low) >= 0);
            boolean end = below != null && (high == null || below.compareTo(high) <= 0);
            return new Range(open ? above : low, open, end ? below : high, end);
        }
    }

    private int number(Facts facts) {
        Range range = Range.of(facts);
        Automaton numbers = Numbers.between(
                facts.integer, range.low, range.above, range.high, range.below, SchemaParts.at(facts.path) + "number");
        Automaton bytes = CodePoints.utf8(numbers, SchemaParts.at(facts.path) + "number");
        return Operations.isEmpty(bytes)
                ? contradiction(facts, "no number is between its bounds")
                : grammar.automaton(bytes, grammar.end());
    }

    private static @Nullable Automaton texts(Facts facts) {
        return Strings.of(
                facts.strings("pattern"),
                facts.strings("format"),
                facts.largest("minLength"),
                facts.smallest("maxLength"),
                SchemaParts.at(facts.path));
    }

    private int string(Facts facts) {
        int min = facts.largest("minLength");
        int max = facts.smallest("maxLength");
        if (min > max) {
            return contradiction(facts, "minLength " + min + " is more than maxLength " + max);
        }
        int close = grammar.literal("\"", grammar.end());
        Automaton texts = texts(facts);
        if (texts == null) {
            return grammar.literal("\"", grammar.loop(character, min, max, close));
        }
        String what = SchemaParts.at(facts.path) + "the string";
        Automaton bytes = CodePoints.utf8(CodePoints.jsonEscaped(texts, what), what);
        return Operations.isEmpty(bytes)
                ? contradiction(facts, "no string has its pattern, format and length")
                : grammar.literal("\"", grammar.automaton(bytes, close));
    }

    private int array(Facts facts) {
        int min = facts.largest("minItems");
        int max = facts.smallest("maxItems");
        if (min > max) {
            return contradiction(facts, "minItems " + min + " is more than maxItems " + max);
        }
        int prefix = facts.prefixLength();
        if (prefix > 0 && !facts.has("items")) {
            max = Math.min(max, Math.max(prefix, min));
        }
        int item = rule(facts.item(prefix));
        int close = spaced(grammar.literal("]", grammar.end()));
        int first = Math.max(prefix, 1); // items before the repeated one
        int node = max < first
                ? close
                : grammar.loop(
                        grammar.literal(",", spaced(grammar.call(item, grammar.end()))),
                        Math.max(0, min - first),
                        max == Grammar.UNLIMITED ? max : max - first,
                        close);
        for (int i = Math.min(first, max) - 1; i >= 0; i--) { // node: after item i
            int one = spaced(grammar.call(i < prefix ? rule(facts.item(i)) : item, node));
            if (i == 0) {
                node = one;
            } else {
                one = grammar.literal(",", one);
                node = i >= min ? grammar.split(one, close) : one;
            }
        }
        int empty = grammar.literal("]", grammar.end());
        return grammar.literal("[", max == 0 ? empty : min == 0 ? grammar.split(empty, node) : node);
    }

    private int object(Facts facts) {
        Set<String> required = facts.required();
        Map<String, List<Schema>> properties = facts.properties();
        boolean declared = facts.has("properties");
        for (String name : required) {
            properties.computeIfAbsent(name, facts::property);
        }
        List<Schema> additional = facts.additionalProperties();
        int end = grammar.literal("}", grammar.end());
        int later = spaced(end); // what follows a member
        int first = end; // what follows the opening brace
        if (additional != null || !declared) {
            int pair = pair(properties.keySet(), rule(additional == null ? List.of() : additional), facts);
            later = grammar.loop(
                    grammar.literal(",", spaced(grammar.call(pair, grammar.end()))), 0, Grammar.UNLIMITED, later);
            first = grammar.split(spaced(grammar.call(pair, later)), end);
        }
        List<Map.Entry<String, List<Schema>>> members = List.copyOf(properties.entrySet());
        for (int i = members.size() - 1; i >= 0; i--) {
            String name = members.get(i).getKey();
            int value = grammar.call(rule(members.get(i).getValue()), later);
            int member = spaced(grammar.literal(JsonTree.quoted(name) + ":", spaced(value)));
            int next = grammar.literal(",", member);
            boolean optional = !required.contains(name);
            later = optional ? grammar.split(next, later) : next;
            first = optional ? grammar.split(member, first) : member;
        }
        return grammar.literal("{", first);
    }

    /** A name that is none of some, and its value. */
    private int pair(Set<String> names, int value, Facts facts) {
        int after = grammar.literal("\":", spaced(grammar.call(value, grammar.end())));
        if (names.isEmpty()) {
            return grammar.literal("\"", grammar.loop(character, 0, Grammar.UNLIMITED, after));
        }
        String what = SchemaParts.at(facts.path) + "the names of its properties";
        Automaton taken =
                CodePoints.union(names.stream().map(Automata::makeString).toList());
        Automaton others = CodePoints.minus(Operations.repeat(CodePoints.any()), taken, what);
        return grammar.literal(
                "\"", grammar.automaton(CodePoints.utf8(CodePoints.jsonEscaped(others, what), what), after));
    }
}
