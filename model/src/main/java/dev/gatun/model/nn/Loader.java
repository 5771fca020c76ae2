package dev.gatun.model.nn;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.Quantizer;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Backend;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;

/**
 * Makes parts from a checkpoint's tensors by their names, checking their shapes.
 *
 * @param weights the checkpoint; outlives the parts
 * @param backend packs the weights
 * @param arena where packed weights live; outlives the parts
 * @param format of packed weights; those that are in blocks stay as they are
 */
public record Loader(Weights weights, Backend backend, Arena arena, WeightFormat format) {
    /** A loader that keeps weights as the files have them. */
    public Loader(Weights weights, Backend backend, Arena arena) {
        this(weights, backend, arena, WeightFormat.AS_STORED);
    }

    /** {@code name.weight} [n, k] and {@code name.bias} [n]. */
    public Linear linear(String name, int n, int k) {
        return new Linear(pack(name + ".weight", n, k), vector(name + ".bias", n));
    }

    /** The matrix {@code name} [n, k], of any type that files have, packed. */
    public PackedWeight pack(String name, int n, int k) {
        return weights.isQuantized(name)
                ? backend.packInPlace(weights.requireQuantized(name, n, k), arena)
                : pack(weights.require(name, n, k));
    }

    /** The matrix {@code name} [n, k] packed as the projection to the vocabulary. */
    public PackedWeight packHead(String name, int n, int k) {
        return weights.isQuantized(name)
                ? backend.packInPlace(weights.requireQuantized(name, n, k), arena)
                : pack(weights.require(name, n, k), format == WeightFormat.Q4_0 ? WeightFormat.Q8_0 : format);
    }

    /** The matrix {@code name} [n, k] to look rows up in. */
    public Embedding embedding(String name, int n, int k, float factor) {
        return weights.isQuantized(name)
                ? new Embedding(weights.requireQuantized(name, n, k), factor)
                : new Embedding(weights.require(name, n, k), factor);
    }

    /** {@code name.weight} [n, k], and {@code name.bias} [n] if the checkpoint has one. */
    public Linear linearMaybeBias(String name, int n, int k) {
        String bias = name + ".bias";
        return new Linear(pack(name + ".weight", n, k), weights.has(bias) ? vector(bias, n) : null);
    }

    /** A weight [n, k] of any floating-point type, packed. */
    public PackedWeight pack(Tensor weight) {
        return pack(weight, format);
    }

    private PackedWeight pack(Tensor weight, WeightFormat as) {
        boolean wholeBlocks = weight.dim(1) % BlockFormat.Q8_0.blockSize() == 0;
        return switch (as) {
            case AS_STORED -> backend.pack(weight, arena);
            case BF16 -> backend.pack(weight.dtype() == DType.BF16 ? weight : Quantizer.toBf16(weight, arena), arena);
            case Q8_0 -> wholeBlocks ? packed(weight, BlockFormat.Q8_0) : backend.pack(weight, arena);
            case Q4_0 -> wholeBlocks ? packed(weight, BlockFormat.Q4_0) : backend.pack(weight, arena);
        };
    }

    private PackedWeight packed(Tensor weight, BlockFormat blocks) {
        try (Arena temporary = Arena.ofShared()) {
            return backend.pack(Quantizer.quantize(weight, blocks, temporary), arena);
        }
    }

    /** {@code name.weight} [d] and {@code name.bias} [d]. */
    public LayerNorm layerNorm(String name, int d, float epsilon) {
        return new LayerNorm(vector(name + ".weight", d), vector(name + ".bias", d), epsilon);
    }

    /** {@code name.weight} [d], its gain. */
    public RmsNorm rmsNorm(String name, int d, float epsilon) {
        return new RmsNorm(vector(name + ".weight", d), epsilon);
    }

    /** The vector {@code name} [n] as F32. */
    public Tensor vector(String name, int n) {
        return f32(weights.require(name, n));
    }

    /** A tensor of any floating-point type as F32: itself, or a widened copy. */
    public Tensor f32(Tensor tensor) {
        return tensor.toF32(arena);
    }
}
