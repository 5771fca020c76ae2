package dev.gatun.model.weights;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import org.jspecify.annotations.Nullable;

/** Sees the weights that a model packs while it is loaded. */
interface PackRecorder {
    /** Weights that are opened within this scope tell it. */
    ScopedValue<PackRecorder> CURRENT = ScopedValue.newInstance();

    /**
     * Called for each weight.
     *
     * @param key what the weight is called
     * @param plain what it was made of, or null; valid until the call returns
     * @param blocks likewise, or null
     */
    void packed(String key, PackedWeight weight, @Nullable Tensor plain, @Nullable QuantizedMatrix blocks);
}
