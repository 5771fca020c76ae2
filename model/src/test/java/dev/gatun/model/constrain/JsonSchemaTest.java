package dev.gatun.model.constrain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Values made under a schema, checked by a validator that is not ours. */
class JsonSchemaTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Makes schemas that say something of everything that is supported. */
    private static final class Schemas {
        private final Random random;
        private final ObjectNode root = JSON.createObjectNode();

        Schemas(long seed) {
            random = new Random(seed);
        }

        String schema() {
            ObjectNode defs = JSON.createObjectNode();
            for (String name : List.of("A", "B/c")) {
                ObjectNode def = schema(2);
                defs.set(name, def);
            }
            root.setAll(schema(3));
            root.set("$defs", defs);
            return root.toString();
        }

        private boolean oneIn(int n) {
            return random.nextInt(n) == 0;
        }

        private ObjectNode schema(int depth) {
            ObjectNode schema = JSON.createObjectNode();
            switch (random.nextInt(depth == 0 ? 6 : 11)) {
                case 0 -> schema.put("type", List.of("null", "boolean").get(random.nextInt(2)));
                case 1 -> integer(schema);
                case 2 -> number(schema);
                case 3 -> string(schema);
                case 4 -> values(schema.putArray("enum"), 1 + random.nextInt(3));
                case 5 -> {
                    ArrayNode one = JSON.createArrayNode();
                    values(one, 1);
                    schema.set("const", one.get(0));
                }
                case 6, 7 -> object(schema, depth);
                case 8 -> array(schema, depth);
                case 9 -> {
                    ArrayNode any = schema.putArray("anyOf");
                    for (int n = 1 + random.nextInt(3); n > 0; n--) {
                        any.add(schema(depth - 1));
                    }
                }
                default -> oneOf(schema, depth);
            }
            return schema;
        }

        private void integer(ObjectNode schema) {
            schema.put("type", "integer");
            int low = random.nextInt(400) - 200;
            if (oneIn(2)) {
                schema.put(oneIn(2) ? "minimum" : "exclusiveMinimum", oneIn(3) ? low + 0.5 : low);
            }
            if (oneIn(2)) {
                schema.put(oneIn(2) ? "maximum" : "exclusiveMaximum", low + 2 + random.nextInt(1500));
            }
        }

        private void number(ObjectNode schema) {
            schema.put("type", "number");
            double low =
                    (random.nextInt(4000) - 2000) / List.of(1.0, 10.0, 100.0).get(random.nextInt(3));
            if (oneIn(2)) {
                schema.put(oneIn(2) ? "minimum" : "exclusiveMinimum", low);
            }
            if (oneIn(2)) {
                schema.put(oneIn(2) ? "maximum" : "exclusiveMaximum", low + (1 + random.nextInt(1000)) / 10.0);
            }
        }

        private void string(ObjectNode schema) {
            schema.put("type", "string");
            int min = oneIn(2) ? random.nextInt(4) : 0;
            if (min > 0) {
                schema.put("minLength", min);
            }
            if (oneIn(2)) {
                schema.put("maxLength", min + random.nextInt(5));
            }
            if (oneIn(4)) {
                schema.remove(List.of("minLength", "maxLength"));
                schema.put(
                        "pattern",
                        List.of(
                                        "^[a-z]{2,5}$",
                                        "ab",
                                        "^\\d",
                                        "[\"\\\\/]$",
                                        "^(x|y\\.z)+$",
                                        "\\p{Lu}",
                                        "^[^a]*$",
                                        "^\\S+ \\w*$")
                                .get(random.nextInt(8)));
            } else if (oneIn(4)) {
                schema.remove(List.of("minLength", "maxLength"));
                schema.put(
                        "format",
                        List.of("date", "time", "date-time", "duration", "uuid", "ipv4", "ipv6", "hostname", "uri")
                                .get(random.nextInt(9)));
            }
        }

        private void values(ArrayNode out, int n) {
            for (; n > 0; n--) {
                switch (random.nextInt(6)) {
                    case 0 -> out.addNull();
                    case 1 -> out.add(oneIn(2));
                    case 2 -> out.add(random.nextInt(100) - 10.25); // 1.0 is 1, but not for the validator
                    case 3 ->
                        out.add(List.of("", "red", "a\"b\\c\n\u0001\u2028", "\ud83d\ude80")
                                .get(random.nextInt(4)));
                    case 4 -> values(out.addArray(), random.nextInt(3));
                    default -> {
                        ArrayNode one = JSON.createArrayNode();
                        values(one, 1);
                        out.addObject().set("k", one.get(0));
                    }
                }
            }
        }

        private JsonNode child(int depth) {
            return switch (random.nextInt(7)) {
                case 0 -> JSON.createObjectNode().put("$ref", "#/$defs/A");
                case 1 -> JSON.createObjectNode().put("$ref", "#/$defs/B~1c");
                case 2 ->
                    JSON.createObjectNode()
                            .set(
                                    "anyOf",
                                    JSON.createArrayNode()
                                            .add(JSON.createObjectNode().put("type", "null"))
                                            .add(JSON.createObjectNode().put("$ref", "#/$defs/A")));
                default -> schema(depth - 1);
            };
        }

        private void object(ObjectNode schema, int depth) {
            schema.put("type", "object");
            ObjectNode properties = schema.putObject("properties");
            ArrayNode required = JSON.createArrayNode();
            for (int n = random.nextInt(4); n > 0; n--) {
                String name = List.of("a", "name", "x y", "\u00e9\"", "b").get(random.nextInt(5));
                properties.set(name, child(depth));
                if (oneIn(2)) {
                    required.add(name);
                }
            }
            if (oneIn(5)) {
                required.add("other");
            }
            if (!required.isEmpty()) {
                schema.set("required", JSON.createArrayNode().addAll(required));
            }
            if (oneIn(3) && !required.toString().contains("other")) {
                schema.put("additionalProperties", false);
            } else if (oneIn(4)) {
                schema.set("additionalProperties", child(depth));
            }
        }

        private void array(ObjectNode schema, int depth) {
            schema.put("type", "array");
            int min = oneIn(2) ? random.nextInt(3) : 0;
            if (min > 0) {
                schema.put("minItems", min);
            }
            if (oneIn(2)) {
                schema.put("maxItems", min + random.nextInt(3));
            }
            if (oneIn(3)) {
                ArrayNode prefix = schema.putArray("prefixItems");
                prefix.add(child(depth)).add(child(depth));
            }
            if (oneIn(2)) {
                schema.set("items", child(depth));
            }
        }

        private void oneOf(ObjectNode schema, int depth) {
            ArrayNode one = schema.putArray("oneOf");
            for (String kind : List.of("cat", "dog")) {
                ObjectNode option = one.addObject().put("type", "object");
                ObjectNode properties = option.putObject("properties");
                properties.putObject("kind").put("const", kind);
                properties.set("v", child(depth));
                option.putArray("required").add("kind");
            }
            one.addObject().put("type", "integer");
        }
    }

    @Property(tries = 120)
    void valuesMeetTheirSchema(@ForAll long seed) {
        var random = new Random(seed);
        String schema = new Schemas(seed).schema();
        Constraint constraint;
        try {
            constraint = Constraint.jsonSchema(schema);
        } catch (ConstraintException e) { // two of the parts contradict each other, or it needs itself without end
            assertThat(e).hasMessageContaining("no JSON value meets the schema");
            return;
        }
        for (int i = 0; i < 4; i++) {
            SchemaCheck.assertMeets(schema, Walk.text(constraint, random, 5 + 30 * i));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}} | [1, -2,0] | true",
                "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}} | [01] | false",
                "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}} | [1,] | false",
                "{\"type\":\"integer\",\"minimum\":-3,\"maximum\":12} | 12 | true",
                "{\"type\":\"integer\",\"minimum\":-3,\"maximum\":12} | 13 | false",
                "{\"type\":\"integer\",\"minimum\":-3,\"maximum\":12} | -4 | false",
                "{\"type\":\"number\",\"exclusiveMinimum\":0.25,\"maximum\":1} | 0.25 | false",
                "{\"type\":\"number\",\"exclusiveMinimum\":0.25,\"maximum\":1} | 0.250001 | true",
                "{\"type\":\"number\",\"exclusiveMinimum\":0.25,\"maximum\":1} | 1.000 | true",
                "{\"type\":\"number\",\"exclusiveMinimum\":0.25,\"maximum\":1} | 1.001 | false",
                "{\"type\":\"number\"} | -1.5e-7 | true",
                "{\"type\":\"string\",\"maxLength\":2} | \"\\u00e9\\n\" | true",
                "{\"type\":\"string\",\"maxLength\":2} | \"abc\" | false",
                "{\"type\":\"string\",\"minLength\":100000,\"maxLength\":2000000000} | \"abc\" | false",
                "{\"type\":\"string\",\"format\":\"date\"} | \"2024-02-29\" | true",
                "{\"type\":\"string\",\"format\":\"date\"} | \"2023-02-29\" | false",
                "{\"type\":\"string\",\"format\":\"email\"} | \"a.b@example.org\" | true",
                "{\"type\":\"string\",\"format\":\"email\"} | \"a.b@example\" | false",
                "{\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"b\"]} | {\"b\": null} | true",
                "{\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"b\"]} | {\"a\": [{}]} | false",
                "{\"properties\":{\"a\":{}},\"additionalProperties\":{\"type\":\"null\"}} | {\"ab\":null} | true",
                "{\"properties\":{\"a\":{\"const\":1}},\"additionalProperties\":{\"type\":\"null\"}} | {\"a\":null} |"
                        + " false",
                "{\"allOf\":[{\"type\":\"integer\"},{\"minimum\":5}],\"maximum\":6} | 7 | false",
                "{\"allOf\":[{\"type\":\"integer\"},{\"minimum\":5}],\"maximum\":6} | 6 | true",
                "{\"enum\":[\"a\",\"bcd\",4],\"type\":\"string\",\"minLength\":2} | \"a\" | false",
                "{\"enum\":[\"a\",\"bcd\",4],\"type\":\"string\",\"minLength\":2} | \"bcd\" | true",
                "{\"prefixItems\":[{\"type\":\"null\"},true],\"minItems\":1} | [null] | true",
                "{\"prefixItems\":[{\"type\":\"null\"},true],\"minItems\":1} | [1] | false",
                "{} | {\"a\":{\"a\":[\"\",true]}} | true"
            })
    void valuesAreTakenOrNot(String schema, String value, boolean taken) {
        assertThat(Walk.takes(Constraint.jsonSchema(schema), value)).isEqualTo(taken);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"type\":\"integer\",\"minimum\":5,\"maximum\":4} | no JSON value meets the schema: at #: no number",
                "{\"type\":\"integer\",\"exclusiveMinimum\":5,\"exclusiveMaximum\":6} | no number is between",
                "{\"type\":\"string\",\"minLength\":3,\"maxLength\":2} | minLength 3 is more than maxLength 2",
                "{\"type\":\"string\",\"pattern\":\"^a$\",\"minLength\":3} | no string has its pattern",
                "{\"type\":\"array\",\"minItems\":3,\"maxItems\":2} | minItems 3 is more than maxItems 2",
                "{\"allOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]} | no type is left",
                "{\"enum\":[]} | no value of enum",
                "{\"const\":1,\"type\":\"string\"} | no value of enum or const",
                "false | nothing is allowed",
                "{\"properties\":{\"a\":false},\"required\":[\"a\"]} | #/properties/a: nothing is allowed",
                "{\"required\":[\"b\"],\"additionalProperties\":false} | nothing is allowed",
                "{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]} | without end",
                "{\"$ref\":\"#/$defs/none\"} | unknown $ref \"#/$defs/none\"",
                "{\"$ref\":\"http://example.org/x\"} | $ref \"http://example.org/x\" is not supported",
                "{\"$ref\":\"#\"} | cyclic $ref",
                "{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]} | cyclic $ref",
                "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"}]}}} | cyclic $ref",
                "{\"not\":{}} | keyword \"not\" is not supported",
                "{\"type\":\"array\",\"uniqueItems\":true} | keyword \"uniqueItems\"",
                "{\"properties\":{\"a\":{\"multipleOf\":2}}} | at #/properties/a: the keyword \"multipleOf\"",
                "{\"type\":\"string\",\"format\":\"iri\"} | format \"iri\" is not supported",
                "{\"type\":\"string\",\"pattern\":\"(?=a)\"} | look-around",
                "{\"type\":\"text\"} | type text is none of",
                "{\"items\":[{}]} | prefixItems",
                "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]} | alternatives 0 and 1",
                "{\"minLength\":-1} | minLength -1",
                "{\"minimum\":true} | minimum is not a number",
                "{\"minimum\":1e100} | digits",
                "{\"minimum\":1e999999999} | out of range",
                "{\"anyOf\":[]} | anyOf is not a list of schemas",
                "[] | a schema is an object",
                "{\"const\":\"\\ud800\"} | lone surrogate",
                "{\"a | not JSON",
                "{} {} | more JSON",
                "{\"type\":\"null\",\"type\":\"null\"} | not JSON",
                "`` | empty"
            })
    void aSchemaThatCannotBeUsedIsOneErrorThatSaysWhy(String schema, String why) {
        assertThatThrownBy(() -> Constraint.jsonSchema(schema))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining(why);
    }

    @Test
    void hostileSchemasAreErrorsSoon() {
        assertThatThrownBy(() -> Constraint.jsonSchema("{\"items\":".repeat(5000) + "{}" + "}".repeat(5000)))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining("not JSON");
        assertThatThrownBy(() -> Constraint.jsonSchema(" ".repeat(Constraint.MAX_CHARS) + "{}"))
                .hasMessageContaining("chars");
        String choice = "{\"anyOf\":[{\"minLength\":1},{\"minLength\":2}]}";
        assertThatThrownBy(() -> Constraint.jsonSchema("{\"allOf\":[" + (choice + ",").repeat(30) + choice + "]}"))
                .hasMessageContaining("more than 1024 combinations");
        var chain = new StringBuilder("{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
        for (int i = 0; i < 1000; i++) {
            chain.append("\"d")
                    .append(i)
                    .append("\":{\"$ref\":\"#/$defs/d")
                    .append(i + 1)
                    .append("\"},");
        }
        assertThatThrownBy(() -> Constraint.jsonSchema(chain + "\"d1000\":{}}}"))
                .hasMessageContaining("in a row");
    }

    @Test
    void recursionThatIsAmbiguousAtEveryLevelStaysBounded() {
        String schema = """
            {"anyOf":[{"type":"array","items":{"$ref":"#/$defs/a"},"maxItems":3},
                      {"type":"array","items":{"$ref":"#/$defs/b"},"maxItems":4}],
             "$defs":{"a":{"anyOf":[{"$ref":"#/$defs/c"},{"$ref":"#/$defs/d"}]},
                      "b":{"anyOf":[{"$ref":"#/$defs/c"},{"$ref":"#/$defs/d"}]},
                      "c":{"type":"array","items":{"$ref":"#/$defs/a"}},
                      "d":{"type":"array","items":{"$ref":"#/$defs/b"},"maxItems":7}}}\
            """;
        Constraint constraint = Constraint.jsonSchema(schema);
        String deep = "[".repeat(40) + "]".repeat(40);
        assertThat(Walk.takes(constraint, deep)).isTrue();
        assertThatCode(() -> SchemaCheck.assertMeets(schema, deep)).doesNotThrowAnyException();
    }
}
