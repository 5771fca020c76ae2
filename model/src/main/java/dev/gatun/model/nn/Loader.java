package dev.gatun.model.nn;

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
 */
public record Loader(Weights weights, Backend backend, Arena arena) {
    /** {@code name.weight} [n, k] and {@code name.bias} [n]. */
    public Linear linear(String name, int n, int k) {
        return new Linear(pack(name + ".weight", n, k), vector(name + ".bias", n));
    }

    /** The matrix {@code name} [n, k], of any type that files have, packed. */
    public PackedWeight pack(String name, int n, int k) {
        return weights.isQuantized(name)
                ? pack(weights.requireQuantized(name, n, k).toF32(arena))
                : pack(weights.require(name, n, k));
    }

    /** The matrix {@code name} [n, k] to look rows up in. */
    public Tensor table(String name, int n, int k) {
        return weights.isQuantized(name)
                ? weights.requireQuantized(name, n, k).toF32(arena)
                : weights.require(name, n, k);
    }

    /** {@code name.weight} [n, k], and {@code name.bias} [n] if the checkpoint has one. */
    public Linear linearMaybeBias(String name, int n, int k) {
        String bias = name + ".bias";
        return new Linear(pack(name + ".weight", n, k), weights.has(bias) ? vector(bias, n) : null);
    }

    /** A weight [n, k] of any floating-point type, packed. */
    public PackedWeight pack(Tensor weight) {
        return backend.pack(weight, arena);
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
