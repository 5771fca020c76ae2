package dev.gatun.model.verify;

import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Compares one tensor with the reference, looking only at elements that count. */
final class Comparison {
    private Comparison() {}

    /**
     * Compares one output.
     *
     * @param about what expected.json says of it: tolerance, and {@code valid: {mask, axis}} where padding does not count
     */
    static Check compare(String name, JsonConfig about, Map<String, Tensor> expected, @Nullable Tensor computed) {
        double tolerance = about.optionalDouble("tolerance", 0, 0, 1e30);
        Tensor reference = expected.get(name);
        if (reference == null) {
            throw new ModelFormatException(about.file() + ": " + name + " is not in expected.safetensors");
        }
        if (computed == null) {
            return new Check(name, Double.NaN, tolerance, "not computed");
        }
        if (!computed.shape().equals(reference.shape())) {
            return new Check(
                    name, Double.NaN, tolerance, "shape is " + computed.shape() + ", expected " + reference.shape());
        }
        boolean[] counts = counts(about, expected, reference);
        double worst = 0;
        if (reference.dtype().isFloat()) {
            float[] ours = computed.toFloats();
            float[] theirs = reference.toFloats();
            for (int i = 0; i < ours.length; i++) {
                if (counts[i]) {
                    double difference = ours[i] == theirs[i] ? 0 : Math.abs((double) ours[i] - theirs[i]);
                    // A NaN is never within a tolerance.
                    worst = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(worst, difference);
                }
            }
        } else {
            long[] ours = computed.toLongs();
            long[] theirs = reference.toLongs();
            for (int i = 0; i < ours.length; i++) {
                worst += counts[i] && ours[i] != theirs[i] ? 1 : 0;
            }
        }
        return new Check(name, worst, tolerance, "");
    }

    private static boolean[] counts(JsonConfig about, Map<String, Tensor> expected, Tensor reference) {
        boolean[] counts = new boolean[Math.toIntExact(reference.elements())];
        if (!about.has("valid")) {
            Arrays.fill(counts, true);
            return counts;
        }
        JsonConfig valid = about.requireObject("valid");
        int axis = valid.requireInt("axis", 1, reference.rank() - 1);
        Tensor mask = expected.get(valid.requireString("mask"));
        if (mask == null || mask.rank() != 2 || mask.dim(0) != reference.dim(0) || mask.dim(1) != reference.dim(axis)) {
            throw new ModelFormatException(about.file() + ": the mask of " + reference + " does not fit: " + mask);
        }
        long[] set = mask.toLongs();
        int n = reference.dim(axis);
        int inner = 1;
        for (int i = axis + 1; i < reference.rank(); i++) {
            inner *= reference.dim(i);
        }
        int perBatch = counts.length / Math.max(1, reference.dim(0));
        for (int i = 0; i < counts.length; i++) {
            counts[i] = set[i / perBatch * n + i / inner % n] != 0;
        }
        return counts;
    }
}
