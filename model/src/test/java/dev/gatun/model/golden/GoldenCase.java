package dev.gatun.model.golden;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.SafetensorsFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** One case of golden/ops: its attributes, inputs and expected outputs, and where our outputs go. */
final class GoldenCase {
    private static final Path OPS = Path.of("../golden/ops");

    private final String op;
    private final JsonNode json;
    private final Map<String, Tensor> tensors;
    private final Arena arena;
    private double worst;

    private GoldenCase(String op, JsonNode json, Map<String, Tensor> tensors, Arena arena) {
        this.op = op;
        this.json = json;
        this.tensors = tensors;
        this.arena = arena;
    }

    static List<JsonNode> of(String op) throws IOException {
        List<JsonNode> cases = new ArrayList<>();
        new ObjectMapper().readTree(OPS.resolve(op).resolve("cases.json").toFile()).get("cases").forEach(cases::add);
        return cases;
    }

    static GoldenCase open(String op, JsonNode json, Arena arena) throws IOException {
        Path file = OPS.resolve(op).resolve(json.get("file").asText());
        return new GoldenCase(op, json, SafetensorsFile.open(file, arena).tensors(), arena);
    }

    Arena arena() {
        return arena;
    }

    String title() {
        return op + ": " + json.get("title").asText();
    }

    boolean has(String tensor) {
        return tensors.containsKey(tensor);
    }

    Tensor tensor(String name) {
        assertThat(tensors).containsKey(name);
        return tensors.get(name);
    }

    /** An input under its only or n-th name, for cases that come from ONNX and name operands differently. */
    Tensor input(int index) {
        return tensor(json.get("node_inputs").get(index).asText());
    }

    boolean hasInput(int index) {
        JsonNode names = json.get("node_inputs");
        return names.size() > index && !names.get(index).asText().isEmpty();
    }

    String output(int index) {
        return json.get("node_outputs").get(index).asText();
    }

    JsonNode json() {
        return json;
    }

    boolean hasAttribute(String name) {
        return json.get("attributes").has(name);
    }

    int integer(String name, int fallback) {
        return json.get("attributes").path(name).asInt(fallback);
    }

    float number(String name, float fallback) {
        return (float) json.get("attributes").path(name).asDouble(fallback);
    }

    String text(String name) {
        return json.get("attributes").get(name).asText();
    }

    boolean flag(String name) {
        return json.get("attributes").path(name).asBoolean(false) || integer(name, 0) == 1;
    }

    /** A place for an output of the given shape, filled with NaN. */
    Tensor out(Shape shape) {
        Tensor tensor = Tensor.allocate(arena, DType.F32, shape);
        tensor.segment().fill((byte) 0xFF);
        return tensor;
    }

    /** Compares an output with what is expected of it. */
    void check(String name, Tensor actual) {
        Tensor expected = tensor(name);
        assertThat(actual.elements()).as(title() + " " + name).isEqualTo(expected.elements());
        double tolerance = json.get("outputs").get(name).path("tolerance").asDouble(0);
        float[] ours = actual.toFloats();
        float[] theirs = expected.toFloats();
        for (int i = 0; i < ours.length; i++) {
            double difference = ours[i] == theirs[i] ? 0 : Math.abs((double) ours[i] - theirs[i]);
            worst = Math.max(worst, difference);
            if (!(difference <= tolerance)) {
                throw new AssertionError(title() + ": element " + i + " of " + name + " is " + ours[i] + ", expected "
                        + theirs[i] + " within " + tolerance);
            }
        }
    }

    /** Largest difference of all checks. */
    double worst() {
        return worst;
    }
}
