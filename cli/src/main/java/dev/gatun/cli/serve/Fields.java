package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Fields of an object in a request. One that is null is one that is not there. What is wrong is an error that names the field. */
final class Fields {
    private final ObjectNode object;
    private final String path;

    Fields(ObjectNode object) {
        this(object, "");
    }

    private Fields(ObjectNode object, String path) {
        this.object = object;
        this.path = path;
    }

    /** The fields of an object that is an item of an array, or a field of this. */
    Fields within(JsonNode node, String name) {
        if (node instanceof ObjectNode inner) {
            return new Fields(inner, path + name + ".");
        }
        throw wrong(name, "must be an object");
    }

    ObjectNode node() {
        return object;
    }

    ApiException wrong(String name, String rule) {
        return ApiException.invalid(path + name, path + name + ": " + rule);
    }

    @Nullable
    JsonNode get(String name) {
        JsonNode node = object.get(name);
        return node == null || node.isNull() ? null : node;
    }

    JsonNode require(String name) {
        JsonNode node = get(name);
        if (node == null) {
            throw wrong(name, "is missing");
        }
        return node;
    }

    @Nullable
    Fields object(String name) {
        JsonNode node = get(name);
        return node == null ? null : within(node, name);
    }

    @Nullable
    ArrayNode array(String name) {
        JsonNode node = get(name);
        if (node != null && !node.isArray()) {
            throw wrong(name, "must be an array");
        }
        return (ArrayNode) node;
    }

    @Nullable
    String string(String name) {
        JsonNode node = get(name);
        if (node != null && !node.isTextual()) {
            throw wrong(name, "must be a string");
        }
        return node == null ? null : node.textValue();
    }

    String requireString(String name) {
        require(name);
        String value = string(name);
        return value == null ? "" : value;
    }

    boolean flag(String name, boolean fallback) {
        JsonNode node = get(name);
        if (node != null && !node.isBoolean()) {
            throw wrong(name, "must be true or false");
        }
        return node == null ? fallback : node.booleanValue();
    }

    int integer(String name, int min, int max, int fallback) {
        JsonNode node = get(name);
        if (node == null) {
            return fallback;
        }
        if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < min || node.intValue() > max) {
            throw wrong(name, "must be an integer from " + min + " to " + max);
        }
        return node.intValue();
    }

    @Nullable
    Long longer(String name) {
        JsonNode node = get(name);
        if (node != null && !(node.isIntegralNumber() && node.canConvertToLong())) {
            throw wrong(name, "must be an integer of 64 bits");
        }
        return node == null ? null : (Long) node.longValue();
    }

    double number(String name, double fallback) {
        JsonNode node = get(name);
        if (node != null && !(node.isNumber() && Double.isFinite(node.doubleValue()))) {
            throw wrong(name, "must be a number");
        }
        return node == null ? fallback : node.doubleValue();
    }

    /** A string, or an array of them; none if the field is not there. */
    List<String> strings(String name, int most) {
        JsonNode node = get(name);
        List<String> all = new ArrayList<>();
        if (node == null) {
            return all;
        }
        if (node.isTextual()) {
            all.add(node.textValue());
            return all;
        }
        if (!node.isArray() || node.size() > most) {
            throw wrong(name, "must be a string, or an array of at most " + most + " strings");
        }
        for (int i = 0; i < node.size(); i++) {
            if (!node.get(i).isTextual()) {
                throw wrong(name + "[" + i + "]", "must be a string");
            }
            all.add(node.get(i).textValue());
        }
        return all;
    }

    /** Says that something is not done here, if it is asked for. */
    void refuse(String name, double unless) {
        if (number(name, unless) != unless) {
            throw wrong(name, "only " + unless + " is supported");
        }
    }
}
