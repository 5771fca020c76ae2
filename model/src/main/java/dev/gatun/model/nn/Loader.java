package dev.gatun.model.nn;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.CountedArena;
import dev.gatun.memory.DType;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Quantizer;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Backend;
import dev.gatun.ops.PackedWeight;
import dev.gatun.ops.StoredWeight;
import java.lang.foreign.Arena;
import java.util.function.Supplier;

/**
 * Makes parts from a checkpoint's tensors by their names, checking their shapes.
 *
 * @param weights the checkpoint; outlives the parts
 * @param backend packs the weights
 * @param arena where packed weights and tables live; outlives the parts
 * @param format of packed weights; those that are in blocks stay as they are
 */
public record Loader(Weights weights, Backend backend, CountedArena arena, WeightFormat format) {
    /** A loader that keeps weights as the files have them. */
    public Loader(Weights weights, Backend backend, CountedArena arena) {
        this(weights, backend, arena, WeightFormat.AS_STORED);
    }

    /** {@code name.weight} [n, k] and {@code name.bias} [n]. */
    public Linear linear(String name, int n, int k) {
        return new Linear(pack(name + ".weight", n, k), vector(name + ".bias", n));
    }

    /** The matrix {@code name} [n, k], of any type that files have, packed. */
    public PackedWeight pack(String name, int n, int k) {
        return pack(name, n, k, format);
    }

    /** The matrix {@code name} [n, k] packed as the projection to the vocabulary. */
    public PackedWeight packHead(String name, int n, int k) {
        return pack(name, n, k, format == WeightFormat.Q4_0 ? WeightFormat.Q8_0 : format);
    }

    private PackedWeight pack(String name, int n, int k, WeightFormat as) {
        return weights.isQuantized(name)
                ? stored(name, n, k, () -> packInPlace(weights.requireQuantized(name, n, k)))
                : stored(name, n, k, () -> pack(weights.require(name, n, k), as));
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

    /**
     * A weight [n, k] of any floating-point type, packed.
     *
     * @param key what the weight is called in a packed file: no other that differs in its numbers is
     * @param source asks the checkpoint for it
     */
    public PackedWeight pack(String key, int n, int k, Supplier<Tensor> source) {
        return stored(key, n, k, () -> pack(source.get(), format));
    }

    private PackedWeight stored(String key, int n, int k, Supplier<PackedWeight> packed) {
        StoredWeight there = weights.stored(key);
        PackedWeight weight = there == null ? weights.packing(key, packed) : adopt(key, there);
        if (weight.n() != n || weight.k() != k) {
            throw new ModelFormatException(weights.source() + ": weight " + key + " is [" + weight.n() + ","
                    + weight.k() + "], but the model's config asks for [" + n + "," + k + "]");
        }
        return weight;
    }

    private PackedWeight adopt(String key, StoredWeight there) {
        if (format != WeightFormat.AS_STORED) {
            throw new ModelFormatException(weights.source() + ": packed already, which cannot become " + format);
        }
        arena.expect(backend.adoptedByteSize(there));
        try {
            return backend.adopt(there, arena.expected());
        } catch (ShapeException e) {
            throw new ModelFormatException(weights.source() + ": weight " + key + ": " + e.getMessage(), e);
        }
    }

    private PackedWeight packInPlace(QuantizedMatrix weight) {
        arena.expect(backend.packedByteSize(weight));
        PackedWeight made = backend.packInPlace(weight, arena.expected());
        weights.packed(made, null, weight);
        return made;
    }

    private PackedWeight pack(Tensor weight, WeightFormat as) {
        boolean wholeBlocks = weight.dim(1) % BlockFormat.Q8_0.blockSize() == 0;
        return switch (as) {
            case AS_STORED -> packed(weight);
            case BF16 -> packed(weight.dtype() == DType.BF16 ? weight : bf16(weight));
            case Q8_0 -> wholeBlocks ? packed(weight, BlockFormat.Q8_0) : packed(weight);
            case Q4_0 -> wholeBlocks ? packed(weight, BlockFormat.Q4_0) : packed(weight);
        };
    }

    private PackedWeight packed(Tensor weight) {
        arena.expect(backend.packedByteSize(weight));
        PackedWeight made = backend.pack(weight, arena.expected());
        weights.packed(made, weight, null);
        return made;
    }

    private PackedWeight packed(Tensor weight, BlockFormat blocks) {
        if (backend.isForPlanning()) { // blocks take less than what they are made of: it stands in for them, and nobody
            // reads it
            return packed(new QuantizedMatrix(weight.segment(), blocks, weight.dim(0), weight.dim(1)));
        }
        try (Arena temporary = Arena.ofShared()) {
            return packed(Quantizer.quantize(weight, blocks, temporary));
        }
    }

    private PackedWeight packed(QuantizedMatrix weight) {
        arena.expect(backend.packedByteSize(weight));
        PackedWeight made = backend.pack(weight, arena.expected());
        weights.packed(made, null, weight);
        return made;
    }

    private Tensor bf16(Tensor weight) {
        if (backend.isForPlanning()) { // as above
            arena.expect(weight.elements() * DType.BF16.byteSize());
            return Tensor.of(weight.segment(), DType.BF16, Shape.of(weight.dim(0), weight.dim(1)));
        }
        return Quantizer.toBf16(weight, arena);
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
