package dev.gatun.model.constrain;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import dev.gatun.model.weights.JsonStrings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON values as they are, numbers without loss: Map, List, String, Boolean, BigDecimal without trailing zeros, {@link #NULL}. Equal
 * values in JSON are equal in Java.
 */
final class JsonTree {
    /** null. */
    static final Object NULL = new Object() {
        @Override
        public String toString() {
            return "null";
        }
    };

    private static final JsonFactory JSON = new JsonFactoryBuilder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(64)
                    .maxStringLength(Constraint.MAX_CHARS)
                    .maxNumberLength(100)
                    .maxTokenCount(1 << 18)
                    .build())
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private JsonTree() {}

    /**
     * Reads one JSON value of at most {@link Constraint#MAX_CHARS} chars, nested at most 64 deep.
     *
     * @throws ConstraintException if it is none
     */
    static Object read(String json) {
        if (json.length() > Constraint.MAX_CHARS) {
            throw new ConstraintException(
                    "JSON schema of " + json.length() + " chars, at most " + Constraint.MAX_CHARS + " are allowed");
        }
        try (JsonParser parser = JSON.createParser(json)) {
            if (parser.nextToken() == null) {
                throw new ConstraintException("JSON schema: empty");
            }
            Object value = value(parser);
            if (parser.nextToken() != null) {
                throw new ConstraintException("JSON schema: more JSON after its end, at character "
                        + parser.currentTokenLocation().getCharOffset());
            }
            return value;
        } catch (JsonProcessingException e) {
            var at = e.getLocation();
            throw new ConstraintException("JSON schema: not JSON"
                    + (at == null ? "" : ", at line " + at.getLineNr() + ", column " + at.getColumnNr()) + ": "
                    + e.getOriginalMessage());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The value that starts where a parser stands. */
    static Object value(JsonParser parser) throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> {
                Map<String, Object> values = new LinkedHashMap<>();
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String key = text(parser, parser.currentName());
                    parser.nextToken();
                    values.put(key, value(parser));
                }
                yield values;
            }
            case START_ARRAY -> {
                List<Object> items = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    items.add(value(parser));
                }
                yield items;
            }
            case VALUE_STRING -> text(parser, parser.getText());
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> NULL;
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> number(parser);
            case END_OBJECT, END_ARRAY, FIELD_NAME, NOT_AVAILABLE, VALUE_EMBEDDED_OBJECT ->
                throw new IllegalStateException("a JSON value cannot start with " + parser.currentToken());
        };
    }

    private static String text(JsonParser parser, String text) {
        if (text.codePoints().anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
            throw new ConstraintException("JSON schema: a lone surrogate, half a character, in a string at line "
                    + parser.currentTokenLocation().getLineNr());
        }
        return text;
    }

    private static BigDecimal number(JsonParser parser) throws IOException {
        BigDecimal number = parser.getDecimalValue();
        if (number.signum() == 0) {
            return BigDecimal.ZERO;
        }
        BigDecimal plain = number.stripTrailingZeros();
        if (Math.abs((long) plain.scale()) > 400) { // written out it would fill the memory, and no double has it
            throw new ConstraintException("JSON schema: the number " + parser.getText() + " is out of range");
        }
        return plain;
    }

    /** The JSON of a string, escaped where it has to be. */
    static String quoted(String text) {
        var out = new StringBuilder(text.length() + 2);
        JsonStrings.appendQuoted(text, out);
        return out.toString();
    }

    /** The JSON of a number. */
    static String text(BigDecimal number) {
        return Math.abs(number.scale()) <= 20 ? number.toPlainString() : number.toString();
    }
}
