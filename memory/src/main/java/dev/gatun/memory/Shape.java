package dev.gatun.memory;

import java.util.Arrays;

/**
 * The size of a tensor along each of its dimensions, outermost first. A scalar has rank 0. Immutable.
 *
 * <p>A dimension is 0 to 2<sup>31</sup> - 1 (what a BLAS takes), the number of elements at most 2<sup>59</sup>, so that a byte
 * size, 8 bytes an element at most, never overflows a {@code long}.
 */
public final class Shape {
    private static final long MAX_ELEMENTS = 1L << 59;

    private final int[] dims;
    private final long elements;

    private Shape(int[] dims) {
        long n = 1;
        for (int dim : dims) {
            if (dim < 0) {
                throw new ShapeException("shape " + Arrays.toString(dims) + ": dimension " + dim + " is negative");
            }
            n = dim == 0 || n <= MAX_ELEMENTS / dim ? n * dim : MAX_ELEMENTS + 1;
            if (n > MAX_ELEMENTS) {
                throw new ShapeException("shape " + Arrays.toString(dims) + ": more than 2^59 elements");
            }
        }
        this.dims = dims;
        this.elements = n;
    }

    /**
     * A shape of the given dimensions.
     *
     * @throws ShapeException if one is negative or their product exceeds 2<sup>59</sup>
     */
    public static Shape of(int... dims) {
        return new Shape(dims.clone());
    }

    /** Number of dimensions. */
    public int rank() {
        return dims.length;
    }

    /** Size along dimension {@code i}, 0 being the outermost; a negative {@code i} counts from the innermost, -1. */
    public int dim(int i) {
        return dims[index(i)];
    }

    /** Dimension {@code i} counted from the outermost. */
    int index(int i) {
        int at = i < 0 ? i + dims.length : i;
        if (at < 0 || at >= dims.length) {
            throw new ShapeException("shape " + this + ": no dimension " + i + ", rank is " + dims.length);
        }
        return at;
    }

    /** Product of all dimensions; 1 for a scalar. */
    public long elements() {
        return elements;
    }

    /** All dimensions, a copy. */
    public int[] toArray() {
        return dims.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape that && Arrays.equals(dims, that.dims);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dims);
    }

    /** For example {@code [4,16,512]}. */
    @Override
    public String toString() {
        var text = new StringBuilder("[");
        for (int i = 0; i < dims.length; i++) {
            text.append(i == 0 ? "" : ",").append(dims[i]);
        }
        return text.append(']').toString();
    }
}
