package dev.gatun.ops;

import java.util.Locale;

/** What products of activations and weights are computed in; all else is computed in F32, as are attention's products. */
public enum ComputeType {
    /** Floats: each element one chain of fused multiply-adds. */
    F32,
    /**
     * Bytes. A weight has a scale for each output feature, an activation one for each 64 floats of a row, found when it comes: the
     * largest absolute value becomes 127. Sums over 64 products are exact integers, added up as floats. The bits do not depend on
     * who computes.
     */
    INT8;

    /** The name on the command line. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
