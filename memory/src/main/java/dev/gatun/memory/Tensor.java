package dev.gatun.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * A view of elements in off-heap memory: a segment, an element type, a shape and a stride (in elements) for each dimension.
 * It owns nothing; whoever opened the segment's arena closes it, and using the view after that throws {@link
 * IllegalStateException}. Views ({@link #slice}, {@link #transpose}, {@link #splitHeads}, ...) share the elements: no byte is
 * copied. The object itself is immutable, the elements are not; concurrent writes are the caller's to order.
 */
public final class Tensor {
    /** Alignment of what {@link #allocate} returns, in bytes: a cache line, and the widest vector. */
    public static final int ALIGNMENT = 64;

    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment segment;
    private final DType dtype;
    private final Shape shape;
    private final long[] strides;
    private final boolean contiguous;

    private Tensor(MemorySegment segment, DType dtype, Shape shape, long[] strides) {
        this.segment = segment;
        this.dtype = dtype;
        this.shape = shape;
        this.contiguous = isRowMajor(shape, strides);
        this.strides = contiguous ? rowMajor(shape) : strides;
    }

    /** Whether the strides that matter, those of dimensions with more than one index, are row-major. */
    private static boolean isRowMajor(Shape shape, long[] strides) {
        if (shape.elements() == 0) {
            return true;
        }
        long stride = 1;
        for (int i = strides.length - 1; i >= 0; i--) {
            if (shape.dim(i) != 1 && strides[i] != stride) {
                return false;
            }
            stride *= shape.dim(i);
        }
        return true;
    }

    /**
     * A new row-major tensor of zeros, aligned to {@value #ALIGNMENT} bytes, that lives as long as the arena.
     *
     * @throws OutOfMemoryError if the system has no such memory
     */
    public static Tensor allocate(Arena arena, DType dtype, Shape shape) {
        return of(arena.allocate(shape.elements() * dtype.byteSize(), ALIGNMENT), dtype, shape);
    }

    /** A new F32 tensor of the given shape that holds a copy of {@code values} in row-major order. */
    public static Tensor copyOf(Arena arena, float[] values, int... dims) {
        Shape shape = Shape.of(dims);
        if (shape.elements() != values.length) {
            throw new ShapeException("copyOf: " + values.length + " values for shape " + shape);
        }
        Tensor tensor = allocate(arena, DType.F32, shape);
        MemorySegment.copy(values, 0, tensor.segment, FLOAT, 0, values.length);
        return tensor;
    }

    /**
     * The row-major tensor that a segment's first bytes are.
     *
     * @throws ShapeException if the segment is too short
     */
    public static Tensor of(MemorySegment segment, DType dtype, Shape shape) {
        long bytes = shape.elements() * dtype.byteSize();
        if (segment.byteSize() < bytes) {
            throw new ShapeException("tensor " + dtype + shape + " takes " + bytes + " bytes, its segment has only "
                    + segment.byteSize());
        }
        return new Tensor(segment.asSlice(0, bytes), dtype, shape, rowMajor(shape));
    }

    private static long[] rowMajor(Shape shape) {
        long[] strides = new long[shape.rank()];
        long stride = 1;
        for (int i = strides.length - 1; i >= 0; i--) {
            strides[i] = stride;
            stride *= shape.dim(i);
        }
        return strides;
    }

    /** From the view's first element to its last; a strided view's gaps are inside. */
    public MemorySegment segment() {
        return segment;
    }

    /** Type of each element. */
    public DType dtype() {
        return dtype;
    }

    /** Size along each dimension. */
    public Shape shape() {
        return shape;
    }

    /** Number of dimensions. */
    public int rank() {
        return shape.rank();
    }

    /** Size along dimension {@code i}; negative counts from the innermost. */
    public int dim(int i) {
        return shape.dim(i);
    }

    /** Elements from one index of dimension {@code i} to the next; negative {@code i} counts from the innermost. */
    public long stride(int i) {
        return strides[shape.index(i)];
    }

    /** Number of elements. */
    public long elements() {
        return shape.elements();
    }

    /** Bytes that the elements take (without a strided view's gaps). */
    public long byteSize() {
        return shape.elements() * dtype.byteSize();
    }

    /** Whether elements lie in row-major order without gaps. */
    public boolean isContiguous() {
        return contiguous;
    }

    /**
     * The part of dimension {@code dim} from index {@code from} (inclusive) to {@code to} (exclusive); rank stays.
     *
     * @throws ShapeException unless 0 &le; from &le; to &le; dim(dim)
     */
    public Tensor slice(int dim, int from, int to) {
        int size = shape.dim(dim);
        if (from < 0 || from > to || to > size) {
            throw new ShapeException(
                    "slice of " + shape + ": [" + from + "," + to + ") is not within dimension " + dim + " of " + size);
        }
        int[] dims = shape.toArray();
        dims[shape.index(dim)] = to - from;
        return view(from * stride(dim), Shape.of(dims), strides);
    }

    /** The elements at one index of dimension {@code dim}, which is dropped: {@code [B,T,D].select(1, t)} is {@code [B,D]}. */
    public Tensor select(int dim, int index) {
        int size = shape.dim(dim);
        if (index < 0 || index >= size) {
            throw new ShapeException(
                    "select from " + shape + ": no index " + index + " in dimension " + dim + " of " + size);
        }
        int at = shape.index(dim);
        int[] dims = new int[rank() - 1];
        long[] kept = new long[rank() - 1];
        for (int i = 0, j = 0; i < rank(); i++) {
            if (i != at) {
                dims[j] = shape.dim(i);
                kept[j++] = strides[i];
            }
        }
        return view(index * strides[at], Shape.of(dims), kept);
    }

    /** The same elements with two dimensions exchanged. */
    public Tensor transpose(int dim0, int dim1) {
        int a = shape.index(dim0);
        int b = shape.index(dim1);
        int[] dims = shape.toArray();
        long[] swapped = strides.clone();
        dims[a] = shape.dim(b);
        dims[b] = shape.dim(a);
        swapped[a] = strides[b];
        swapped[b] = strides[a];
        return view(0, Shape.of(dims), swapped);
    }

    /**
     * The same elements, in the same order, under another shape. Legal where strides allow it without a copy: always for a
     * contiguous tensor; else each old dimension may be split, and neighbours may be merged that follow one another in memory.
     *
     * @throws ShapeException if the numbers of elements differ, or if only a copy could do it
     */
    public Tensor reshape(int... dims) {
        Shape target = Shape.of(dims);
        if (target.elements() != elements()) {
            throw new ShapeException("reshape " + shape + " to " + target + ": " + elements() + " elements are not "
                    + target.elements());
        }
        if (contiguous) {
            return view(0, target, rowMajor(target));
        }
        // Dimensions of size 1 are anywhere at no cost: only the others have to fit.
        int[] from = IntStream.range(0, rank()).filter(i -> shape.dim(i) != 1).toArray();
        long[] result = new long[dims.length];
        int to = 0;
        for (int i = 0; i < from.length; ) {
            // One group: the fewest old and new dimensions whose sizes have the same product.
            int iEnd = i + 1;
            int toEnd = to + 1;
            long old = shape.dim(from[i]);
            long renewed = dims[to];
            while (old != renewed) {
                if (old < renewed) {
                    old *= shape.dim(from[iEnd++]);
                } else {
                    renewed *= dims[toEnd++];
                }
            }
            for (int j = i; j + 1 < iEnd; j++) {
                if (strides[from[j]] != strides[from[j + 1]] * shape.dim(from[j + 1])) {
                    throw new ShapeException(
                            "reshape " + shape + " with strides " + Arrays.toString(strides) + " to " + target
                                    + ": needs a copy, dimensions " + from[j] + " and " + from[j + 1]
                                    + " do not follow one another in memory");
                }
            }
            long stride = strides[from[iEnd - 1]];
            for (int j = toEnd - 1; j >= to; j--) {
                result[j] = stride;
                stride *= dims[j];
            }
            i = iEnd;
            to = toEnd;
        }
        Arrays.fill(result, to, dims.length, 1); // trailing new dimensions are all of size 1
        return view(0, target, result);
    }

    /**
     * {@code [batch, ctx, nHeads * headDim]} seen as {@code [batch, nHeads, ctx, headDim]}: splitting heads moves no byte
     * (Vaswani et al. 2017, section 3.2.2).
     *
     * @throws ShapeException unless rank is 3 and nHeads divides the last dimension
     */
    public Tensor splitHeads(int nHeads) {
        if (rank() != 3 || nHeads <= 0 || dim(2) % nHeads != 0) {
            throw new ShapeException("splitHeads " + shape + " into " + nHeads
                    + ": needs [batch, ctx, nHeads * headDim] with nHeads dividing the last dimension");
        }
        int headDim = dim(2) / nHeads;
        return view(0, Shape.of(dim(0), nHeads, dim(1), headDim), new long[] {
            strides[0], headDim * strides[2], strides[1], strides[2]
        });
    }

    private Tensor view(long offset, Shape newShape, long[] newStrides) {
        long last = 0;
        for (int i = 0; i < newStrides.length && newShape.elements() > 0; i++) {
            last += (newShape.dim(i) - 1) * newStrides[i];
        }
        long bytes = newShape.elements() == 0 ? 0 : (last + 1) * dtype.byteSize();
        // A view of nothing lies at the start: its offset may point past the end.
        long at = newShape.elements() == 0 ? 0 : offset * dtype.byteSize();
        return new Tensor(segment.asSlice(at, bytes), dtype, newShape, newStrides);
    }

    /** Bytes from {@link #segment()}'s start to the element at {@code index}, one number a dimension. */
    private long byteOffset(int[] index) {
        if (index.length != rank()) {
            throw new ShapeException("index " + Arrays.toString(index) + " into " + shape + ": rank is " + rank());
        }
        long offset = 0;
        for (int i = 0; i < index.length; i++) {
            if (index[i] < 0 || index[i] >= shape.dim(i)) {
                throw new ShapeException("index " + Arrays.toString(index) + " is outside " + shape);
            }
            offset += index[i] * strides[i];
        }
        return offset * dtype.byteSize();
    }

    /** One element of any floating-point tensor, widened (F64: rounded) to float. For tests and tools, not for kernels. */
    public float getFloat(int... index) {
        return floatAt(byteOffset(index));
    }

    /** Element {@code index} of a vector of a floating-point type, without the garbage of the general form. */
    public float getFloat(int index) {
        if (rank() != 1) {
            throw new ShapeException("index " + index + " into " + shape + ": rank is " + rank());
        }
        return floatAt(Objects.checkIndex(index, shape.dim(0)) * strides[0] * dtype.byteSize());
    }

    /** Sets one element of an F32 tensor. For tests and tools, not for kernels. */
    public void setFloat(float value, int... index) {
        require(DType.F32);
        segment.set(FLOAT, byteOffset(index), value);
    }

    /** Sets element {@code index}, in row-major order, of a contiguous F32 tensor without any garbage. */
    public void setFloatAt(long index, float value) {
        require(DType.F32);
        if (!contiguous) {
            throw new ShapeException("setFloatAt: " + this + " is not contiguous");
        }
        segment.set(FLOAT, index * Float.BYTES, value);
    }

    /** One element of any integer or boolean tensor. For tests and tools, not for kernels. */
    public long getLong(int... index) {
        return longAt(byteOffset(index));
    }

    /** Sets one element of an I64 tensor. For tests and tools, not for kernels. */
    public void setLong(long value, int... index) {
        require(DType.I64);
        segment.set(LONG, byteOffset(index), value);
    }

    /**
     * Copies {@code count} adjacent elements into another tensor of the same type. Positions count elements from the first of
     * each view, as {@link #stride} does; nothing is allocated.
     *
     * @throws ShapeException if the types differ
     * @throws IndexOutOfBoundsException if a run is not within its view
     */
    public void copyRun(long from, Tensor to, long toFrom, long count) {
        to.require(dtype);
        long size = dtype.byteSize();
        MemorySegment.copy(segment, from * size, to.segment, toFrom * size, count * size);
    }

    private float floatAt(long offset) {
        return switch (dtype) {
            case F32 -> segment.get(FLOAT, offset);
            case F64 -> (float) segment.get(DOUBLE, offset);
            case F16 -> Float.float16ToFloat(segment.get(SHORT, offset));
            case BF16 -> Float.intBitsToFloat(segment.get(SHORT, offset) << 16);
            case I8, U8, I16, I32, I64, BOOL -> throw new ShapeException("getFloat: " + dtype + " is not a float type");
        };
    }

    private long longAt(long offset) {
        return switch (dtype) {
            case I8 -> segment.get(ValueLayout.JAVA_BYTE, offset);
            case U8 -> segment.get(ValueLayout.JAVA_BYTE, offset) & 0xFF;
            case BOOL -> segment.get(ValueLayout.JAVA_BYTE, offset) == 0 ? 0 : 1;
            case I16 -> segment.get(SHORT, offset);
            case I32 -> segment.get(INT, offset);
            case I64 -> segment.get(LONG, offset);
            case F32, F64, F16, BF16 -> throw new ShapeException("getLong: " + dtype + " is not an integer type");
        };
    }

    /**
     * Writes row {@code row} of this floating-point matrix [n, d], widened to float, as d adjacent floats.
     *
     * @param out where to, from byte {@code outOffset}
     * @throws ShapeException if this is not a matrix of floats with such a row
     */
    public void widenRow(int row, MemorySegment out, long outOffset) {
        if (rank() != 2 || row < 0 || row >= shape.dim(0) || !dtype.isFloat()) {
            throw new ShapeException("row " + row + " of " + this + ": needs a matrix of floats with that row");
        }
        long from = row * strides[0] * dtype.byteSize();
        long step = strides[1] * dtype.byteSize();
        int cols = shape.dim(1);
        if (dtype == DType.F32 && strides[1] == 1) {
            MemorySegment.copy(segment, from, out, outOffset, cols * (long) Float.BYTES);
            return;
        }
        for (int i = 0; i < cols; i++) {
            out.set(FLOAT, outOffset + i * (long) Float.BYTES, floatAt(from + i * step));
        }
    }

    /** All elements in row-major order, widened to float. */
    public float[] toFloats() {
        float[] values = new float[arrayLength()];
        if (contiguous && dtype == DType.F32) {
            MemorySegment.copy(segment, FLOAT, 0, values, 0, values.length);
        } else {
            int[] index = new int[rank()];
            for (int i = 0; i < values.length; i++) {
                values[i] = floatAt(byteOffset(index));
                next(index);
            }
        }
        return values;
    }

    /** All elements of an integer or boolean tensor in row-major order. */
    public long[] toLongs() {
        long[] values = new long[arrayLength()];
        int[] index = new int[rank()];
        for (int i = 0; i < values.length; i++) {
            values[i] = longAt(byteOffset(index));
            next(index);
        }
        return values;
    }

    /** This tensor if it is F32, else a copy in {@code arena}, widened (F64: rounded) to F32. */
    public Tensor toF32(Arena arena) {
        if (dtype == DType.F32) {
            return this;
        }
        Tensor widened = allocate(arena, DType.F32, shape);
        widened.copyFrom(this);
        return widened;
    }

    /** Copies {@code source}, of the same shape and any floating-point type, into this F32 tensor. */
    public void copyFrom(Tensor source) {
        require(DType.F32);
        if (!source.shape.equals(shape)) {
            throw new ShapeException("copyFrom: source " + source.shape + " is not of this shape " + shape);
        }
        if (contiguous && source.contiguous && source.dtype == DType.F32) {
            segment.copyFrom(source.segment);
        } else if (contiguous && rank() == 2) {
            for (int row = 0; row < dim(0); row++) {
                source.widenRow(row, segment, row * strides[0] * Float.BYTES);
            }
        } else {
            int[] index = new int[rank()];
            for (long i = 0; i < elements(); i++) {
                segment.set(FLOAT, byteOffset(index), source.floatAt(source.byteOffset(index)));
                next(index);
            }
        }
    }

    private int arrayLength() {
        if (elements() > Integer.MAX_VALUE - 8) {
            throw new ShapeException("tensor " + this + ": " + elements() + " elements do not fit in an array");
        }
        return (int) elements();
    }

    private void next(int[] index) {
        for (int i = index.length - 1; i >= 0; i--) {
            if (++index[i] < shape.dim(i)) {
                return;
            }
            index[i] = 0;
        }
    }

    private void require(DType wanted) {
        if (dtype != wanted) {
            throw new ShapeException("tensor " + this + " is not " + wanted);
        }
    }

    /** Type and shape, for example {@code F32[4,16,512]}; says when it is a strided view. */
    @Override
    public String toString() {
        return dtype.toString() + shape + (contiguous ? "" : " strides " + Arrays.toString(strides));
    }
}
