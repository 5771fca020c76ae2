package dev.gatun.ops;

/**
 * The weight W[N, K] of a linear layer y = x W<sup>T</sup> + b, in the layout that the {@link Backend} which packed it reads. It
 * lives as long as the arena given to {@link Backend#pack} and the tensor it was packed from; it never changes, and any number
 * of threads may use it. Only {@link Backend#pack} makes one.
 */
public interface PackedWeight {
    /** Output features. */
    int n();

    /** Input features. */
    int k();

    /** Bytes that a product reads of it. */
    long byteSize();
}
