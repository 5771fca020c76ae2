package dev.gatun.bench;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.SafetensorsWriter;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Activation;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Ops;
import dev.gatun.ops.PackedWeight;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The layers of MiniLM-L6-v2 (BERT's, post-norm: Devlin et al. 2018) on one sequence of 16 tokens, with random weights: the work of
 * a short embedding, without embedding tables, tokenizer and pooling.
 */
final class MiniLmStack {
    /** What the layers take and give, [TOKENS, HIDDEN]. */
    private static final int TOKENS = 16;

    private static final int HIDDEN = 384;
    private static final int FFN = 1536;
    private static final int HEADS = 12;
    private static final int LAYERS = 6;
    private static final float EPSILON = 1e-12f;

    private record Linear(PackedWeight weight, Tensor bias) {}

    private record Norm(Tensor weight, Tensor bias) {}

    private record Layer(
            Linear q, Linear k, Linear v, Linear out, Norm attentionNorm, Linear up, Linear down, Norm ffnNorm) {}

    private final List<Layer> layers = new ArrayList<>();
    private final Ops ops;
    private final Tensor x;
    private final Tensor h;
    private final Tensor q;
    private final Tensor k;
    private final Tensor v;
    private final Tensor context;
    private final Tensor projected;
    private final Tensor ffn;

    MiniLmStack(Weights weights, Backend backend, Arena arena) {
        for (int i = 0; i < LAYERS; i++) {
            layers.add(new Layer(
                    linear(weights, i + ".q", backend, arena),
                    linear(weights, i + ".k", backend, arena),
                    linear(weights, i + ".v", backend, arena),
                    linear(weights, i + ".out", backend, arena),
                    norm(weights, i + ".attention_norm"),
                    linear(weights, i + ".up", backend, arena),
                    linear(weights, i + ".down", backend, arena),
                    norm(weights, i + ".ffn_norm")));
        }
        ops = backend.newOps(arena);
        x = weights.require("x");
        h = hidden(arena, HIDDEN);
        q = hidden(arena, HIDDEN);
        k = hidden(arena, HIDDEN);
        v = hidden(arena, HIDDEN);
        context = hidden(arena, HIDDEN);
        projected = hidden(arena, HIDDEN);
        ffn = hidden(arena, FFN);
    }

    private static Tensor hidden(Arena arena, int size) {
        return Tensor.allocate(arena, DType.F32, Shape.of(1, TOKENS, size));
    }

    private static Linear linear(Weights weights, String name, Backend backend, Arena arena) {
        return new Linear(backend.pack(weights.require(name + ".weight"), arena), weights.require(name + ".bias"));
    }

    private static Norm norm(Weights weights, String name) {
        return new Norm(weights.require(name + ".weight"), weights.require(name + ".bias"));
    }

    /** Computes all layers; an element of the result, which says whether it is one. */
    float run() {
        h.copyFrom(x);
        float scale = (float) (1 / Math.sqrt(HIDDEN / HEADS));
        for (Layer layer : layers) {
            linear(h, layer.q, q);
            linear(h, layer.k, k);
            linear(h, layer.v, v);
            ops.attention(
                    q.splitHeads(HEADS),
                    k.splitHeads(HEADS),
                    v.splitHeads(HEADS),
                    AttentionMask.full(),
                    scale,
                    0,
                    context.splitHeads(HEADS));
            linear(context, layer.out, projected);
            ops.add(h, projected, h);
            ops.layerNorm(h, layer.attentionNorm.weight, layer.attentionNorm.bias, EPSILON, h);
            linear(h, layer.up, ffn);
            ops.activate(Activation.GELU, ffn, ffn);
            linear(ffn, layer.down, projected);
            ops.add(h, projected, h);
            ops.layerNorm(h, layer.ffnNorm.weight, layer.ffnNorm.bias, EPSILON, h);
        }
        return h.getFloat(0, TOKENS - 1, HIDDEN - 1);
    }

    private void linear(Tensor from, Linear linear, Tensor to) {
        ops.linear(from, linear.weight, linear.bias, to);
    }

    /** Writes weights for it: 43 MB. */
    static void write(Path file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Operands operands = new Operands();
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            tensors.put("x", operands.tensor(arena, DType.F32, 1, TOKENS, HIDDEN));
            for (int i = 0; i < LAYERS; i++) {
                for (String name : List.of("q", "k", "v", "out")) {
                    put(tensors, operands, arena, i + "." + name, HIDDEN, HIDDEN);
                }
                put(tensors, operands, arena, i + ".up", FFN, HIDDEN);
                put(tensors, operands, arena, i + ".down", HIDDEN, FFN);
                for (String name : List.of("attention_norm", "ffn_norm")) {
                    put(tensors, operands, arena, i + "." + name, HIDDEN);
                }
            }
            SafetensorsWriter.write(file, tensors);
        }
    }

    private static void put(Map<String, Tensor> tensors, Operands operands, Arena arena, String name, int n, int... k) {
        int[] dims = k.length == 0 ? new int[] {n} : new int[] {n, k[0]};
        tensors.put(name + ".weight", operands.tensor(arena, DType.F32, dims));
        tensors.put(name + ".bias", operands.tensor(arena, DType.F32, n));
    }
}
