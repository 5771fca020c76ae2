package dev.gatun.model.weights;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.OnnxFile.Node;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The checkpoint's tensors in an exported graph, under the checkpoint's names. An export keeps most names; the weights of linear
 * layers it transposes and calls onnx::MatMul_123. Those are named by the node that uses them: after the bias that is added to its
 * result, or after its place, {@code /encoder/layer.0/attention/self/query/MatMul}. Weights that were quantised (dynamic int8) are
 * computed back to F32.
 */
final class OnnxWeights {
    private static final Pattern PLACE = Pattern.compile("/(.+)/(?:MatMul|Gemm)(?:_\\d+)?(?:_quant)?");
    private static final String QUANTIZED = "_quantized";

    private final OnnxFile file;
    private final Arena arena;
    private final Map<String, Node> producerOf = new HashMap<>();
    private final Map<String, List<Node>> consumersOf = new HashMap<>();
    private final Map<String, Tensor> named = new LinkedHashMap<>();

    private OnnxWeights(OnnxFile file, Arena arena) {
        this.file = file;
        this.arena = arena;
        for (Node node : file.nodes()) {
            for (String output : node.outputs()) {
                producerOf.put(output, node);
            }
            for (String input : node.inputs()) {
                consumersOf.computeIfAbsent(input, name -> new ArrayList<>()).add(node);
            }
        }
    }

    /** Floating-point tensors by their names in the checkpoint. Those that were computed back live in {@code arena}. */
    static Map<String, Tensor> of(OnnxFile file, Arena arena) {
        return new OnnxWeights(file, arena).find();
    }

    private Map<String, Tensor> find() {
        for (Node node : file.nodes()) {
            switch (node.op()) {
                case "MatMul" -> linear(node, constant(node.input(1), 0), true, addedBias(node.output()));
                case "Gemm" ->
                    linear(
                            node,
                            constant(node.input(1), 0),
                            node.ints().getOrDefault("transB", 0L) == 0,
                            biasName(node.input(2)));
                case "MatMulInteger" -> quantizedLinear(node);
                case "Gather" -> quantizedTable(node);
                default -> {}
            }
        }
        file.tensors().forEach((name, tensor) -> {
            boolean ofCheckpoint = name.indexOf('.') > 0 && !name.startsWith("onnx::") && name.charAt(0) != '/';
            if (ofCheckpoint && tensor.rank() > 0 && tensor.dtype().isFloat()) {
                named.putIfAbsent(name, tensor);
            }
        });
        return named;
    }

    /** A linear layer's weight; with MatMul it is [K, N], the other way round than in a checkpoint. */
    private void linear(Node node, @Nullable Tensor weight, boolean transposed, @Nullable String bias) {
        if (weight == null || weight.rank() != 2 || !weight.dtype().isFloat()) {
            return; // a product of two activations
        }
        String name = bias == null ? placeOf(node) : bias.substring(0, bias.length() - "bias".length()) + "weight";
        if (name != null) {
            named.putIfAbsent(name, transposed ? weight.transpose(0, 1) : weight);
        }
    }

    private static @Nullable String placeOf(Node node) {
        Matcher place = PLACE.matcher(node.name());
        return place.matches() ? place.group(1).replace('/', '.') + ".weight" : null;
    }

    /** The bias that a layer's result is added to. */
    private @Nullable String addedBias(String result) {
        for (Node node : consumersOf.getOrDefault(result, List.of())) {
            if (node.op().equals("Add")) {
                for (String input : node.inputs()) {
                    String bias = input.equals(result) ? null : biasName(input);
                    if (bias != null) {
                        return bias;
                    }
                }
            }
        }
        return null;
    }

    private @Nullable String biasName(String tensor) {
        return file.tensors().containsKey(tensor) && tensor.endsWith(".bias") ? tensor : null;
    }

    /** A tensor that hangs on no input: as it is, or transposed, or computed back from integers. */
    private @Nullable Tensor constant(String name, int depth) {
        Tensor tensor = file.tensors().get(name);
        Node node = producerOf.get(name);
        if (tensor != null || node == null || depth > 4) {
            return tensor;
        }
        Tensor input = constant(node.input(0), depth + 1);
        if (input == null) {
            return null;
        }
        return switch (node.op()) {
            case "Identity" -> input;
            case "Transpose" -> input.rank() == 2 ? input.transpose(0, 1) : null;
            case "DequantizeLinear" ->
                dequantized(
                        name,
                        input,
                        file.tensors().get(node.input(1)),
                        file.tensors().get(node.input(2)),
                        node.ints().getOrDefault("axis", 1L));
            default -> null;
        };
    }

    /**
     * x W of integers: MatMulInteger(xq, Wq, xZero, wZero), a Cast, and a Mul by the product of both scales. The result of that Mul
     * is what the layer's bias is added to.
     */
    private void quantizedLinear(Node node) {
        Tensor weight = file.tensors().get(node.input(1));
        if (weight == null || weight.rank() != 2) {
            return;
        }
        String result = node.output();
        Tensor scale = null;
        for (int step = 0; step < 3 && scale == null; step++) {
            List<Node> next = consumersOf.getOrDefault(result, List.of());
            if (next.isEmpty()) {
                break;
            }
            Node consumer = next.getFirst();
            if (consumer.op().equals("Mul")) {
                for (String input : consumer.inputs()) {
                    Node scales = input.equals(result) ? null : producerOf.get(input);
                    if (scales != null && scales.op().equals("Mul")) {
                        scale = firstConstant(scales);
                    }
                }
            } else if (!consumer.op().equals("Cast")) {
                break;
            }
            result = consumer.output();
        }
        if (scale == null) {
            throw new ModelFormatException(
                    file.name() + ": node \"" + node.name() + "\" multiplies integers, but the scale of its weight "
                            + node.input(1) + " is not found after it");
        }
        Tensor zero = file.tensors().get(node.input(3));
        linear(node, dequantized(node.input(1), weight, scale, zero, 1), true, addedBias(result));
    }

    private @Nullable Tensor firstConstant(Node node) {
        for (String input : node.inputs()) {
            Tensor tensor = file.tensors().get(input);
            if (tensor != null) {
                return tensor;
            }
        }
        return null;
    }

    /** A table of integers whose rows are looked up and then computed back. */
    private void quantizedTable(Node node) {
        Tensor table = file.tensors().get(node.input(0));
        if (table == null
                || table.rank() != 2
                || table.dtype().isFloat()
                || !node.input(0).endsWith(QUANTIZED)) {
            return;
        }
        for (Node consumer : consumersOf.getOrDefault(node.output(), List.of())) {
            if (consumer.op().equals("DequantizeLinear")) {
                String name = node.input(0).substring(0, node.input(0).length() - QUANTIZED.length());
                Tensor scale = file.tensors().get(consumer.input(1));
                Tensor zero = file.tensors().get(consumer.input(2));
                named.computeIfAbsent(name, key -> dequantized(key, table, scale, zero, 1));
            }
        }
    }

    /** (integers - zero) &middot; scale as F32, both for all of a matrix or one for each index of dimension {@code axis}. */
    private Tensor dequantized(String name, Tensor integers, @Nullable Tensor scale, @Nullable Tensor zero, long axis) {
        int rows = integers.rank() == 2 ? integers.dim(0) : 1;
        int cols = integers.dim(-1);
        long along = integers.rank() < 2 || axis == 1 || axis == -1 ? cols : rows;
        if (scale == null
                || integers.dtype() != DType.I8 && integers.dtype() != DType.U8
                || !integers.isContiguous()
                || scale.elements() != 1 && scale.elements() != along
                || zero != null && zero.elements() != scale.elements()) {
            throw new ModelFormatException(file.name() + ": tensor " + name + " is " + integers + ", and its scale "
                    + scale + " and zero point " + zero + " do not fit");
        }
        float[] scales = scale.toFloats();
        long[] zeros = zero == null ? new long[scales.length] : zero.toLongs();
        boolean ofColumns = along == cols && (axis == 1 || axis == -1 || integers.rank() < 2);
        boolean signed = integers.dtype() == DType.I8;
        Tensor result = Tensor.allocate(arena, DType.F32, Shape.of(rows, cols));
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < cols; j++) {
                int s = scales.length == 1 ? 0 : ofColumns ? j : i;
                byte bits = integers.segment().get(ValueLayout.JAVA_BYTE, (long) i * cols + j);
                float value = ((signed ? bits : bits & 0xFF) - zeros[s]) * scales[s];
                result.segment().setAtIndex(ValueLayout.JAVA_FLOAT, (long) i * cols + j, value);
            }
        }
        return integers.rank() == 2 ? result : result.select(0, 0);
    }
}
