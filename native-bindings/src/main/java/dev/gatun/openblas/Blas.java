package dev.gatun.openblas;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.gatun.openblas.cblas.cblas_h;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;

/**
 * The products of BLAS on float matrices that lie row by row in off-heap memory.
 *
 * <p>A matrix is a segment, which starts at the first element, and its leading dimension: the number of floats from the
 * start of a row to the start of the next. {@code op(a)} is {@code a}, or with {@code transA} its transpose; the segment
 * then holds the transpose of what is multiplied. Every size is checked against the segments before native code is
 * called, so it can neither read nor write outside of them. The caller owns the segments; an arena that is closed while
 * a product reads its memory refuses with an {@link IllegalStateException}, and so does a product on closed memory.
 *
 * <p>As in BLAS, {@code c} (or {@code y}) is only written where {@code beta} is 0: a NaN that lies there does not spread.
 * Where {@code alpha} is 0 or the inner size is 0, {@code a} and {@code b} are not read. Where {@code c} overlaps
 * {@code a} or {@code b} the result is undefined.
 *
 * <p>Calls allocate nothing, but for the case that {@link #sgemmBatchStrided} names. All methods may be called from any
 * number of threads at a time.
 */
public final class Blas {
    private static final int ROW_MAJOR = cblas_h.CblasRowMajor();

    /**
     * OpenBLAS 0.3.31 built for several CPUs, as the one in the jar is, jumps to a wrong address in
     * cblas_sgemm_batch_strided where m * n * k is at most this (its pull request 5980, merged in August 2026).
     */
    private static final long SMALL_PRODUCT = 100L * 100 * 100;

    private final String origin;
    private final Path file;
    private final boolean hasBatchStrided;
    private final boolean hasThreads;
    private final boolean hasConfig;
    private final boolean hasCoreName;

    /** The library must be loaded in this class loader. */
    Blas(String origin, Path file) {
        this.origin = origin;
        this.file = file;
        SymbolLookup symbols = SymbolLookup.loaderLookup();
        hasBatchStrided = symbols.find("cblas_sgemm_batch_strided").isPresent();
        hasThreads = symbols.find("openblas_set_num_threads").isPresent()
                && symbols.find("openblas_get_num_threads").isPresent();
        hasConfig = symbols.find("openblas_get_config").isPresent();
        hasCoreName = symbols.find("openblas_get_corename").isPresent();
    }

    /**
     * {@code c = alpha * op(a) * op(b) + beta * c}, with op(a) [m, k], op(b) [k, n] and c [m, n].
     *
     * @param lda at least k, or m where {@code a} is transposed
     * @param ldb at least n, or k where {@code b} is transposed
     * @param ldc at least n
     * @throws IllegalArgumentException if a size is negative, a leading dimension too small, a segment too short, on the
     *                                  heap or not aligned to 4 bytes, or {@code c} read-only
     * @throws IllegalStateException    if the memory of a segment is closed
     */
    public void sgemm(
            boolean transA,
            boolean transB,
            int m,
            int n,
            int k,
            float alpha,
            MemorySegment a,
            int lda,
            MemorySegment b,
            int ldb,
            float beta,
            MemorySegment c,
            int ldc) {
        checkProduct("sgemm", transA, transB, m, n, k, a, lda, 0, b, ldb, 0, c, ldc, 0, 1);
        product(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    }

    /**
     * {@code batch} products of the same shape: {@link #sgemm} on the matrices that start {@code i * strideA},
     * {@code i * strideB} and {@code i * strideC} floats into the segments, for i from 0 to batch - 1.
     *
     * <p>Goes to the library in one call where m * n * k is above a million and the library has such a call; OpenBLAS
     * then spreads the batch over its threads. Else it is a loop of sgemm, which allocates up to three small objects, the
     * slices of the segments, for each i.
     *
     * @param strideA not negative; 0 uses the same {@code a} throughout; likewise {@code strideB}
     * @param strideC such that no two matrices overlap: one after the other, {@code strideC >= (m - 1) * ldc + n}, or
     *                side by side in the same rows, {@code strideC >= n} and {@code (batch - 1) * strideC + n <= ldc}
     * @throws IllegalArgumentException as {@link #sgemm}, and if a stride breaks these rules
     * @throws IllegalStateException    if the memory of a segment is closed
     */
    public void sgemmBatchStrided(
            boolean transA,
            boolean transB,
            int m,
            int n,
            int k,
            float alpha,
            MemorySegment a,
            int lda,
            int strideA,
            MemorySegment b,
            int ldb,
            int strideB,
            float beta,
            MemorySegment c,
            int ldc,
            int strideC,
            int batch) {
        String op = "sgemmBatchStrided";
        checkNotNegative(op, "batch", batch);
        checkNotNegative(op, "strideA", strideA);
        checkNotNegative(op, "strideB", strideB);
        checkNotNegative(op, "strideC", strideC);
        checkProduct(op, transA, transB, m, n, k, a, lda, strideA, b, ldb, strideB, c, ldc, strideC, batch);
        boolean apart = strideC >= (m - 1L) * ldc + n;
        boolean sideBySide = strideC >= n && (batch - 1L) * strideC + n <= ldc;
        if (batch > 1 && m > 0 && n > 0 && !apart && !sideBySide) {
            throw new IllegalArgumentException(op + ": the " + batch + " matrices c [" + m + ", " + n + "] with ldc "
                    + ldc + " and strideC " + strideC + " overlap: strideC must be at least (m - 1) * ldc + n = "
                    + ((m - 1L) * ldc + n) + ", or at least n with (batch - 1) * strideC + n at most ldc");
        }
        if (hasBatchStrided && isLarge(m, n, k, alpha) && reachableByInt(strideA, strideB, strideC, batch)) {
            cblas_h.cblas_sgemm_batch_strided(
                    ROW_MAJOR,
                    op(transA),
                    op(transB),
                    m,
                    n,
                    k,
                    alpha,
                    a,
                    lda,
                    strideA,
                    b,
                    ldb,
                    strideB,
                    beta,
                    c,
                    ldc,
                    strideC,
                    batch);
            return;
        }
        if (m == 0 || n == 0) return;
        boolean reads = k > 0 && alpha != 0;
        for (int i = 0; i < batch; i++) {
            MemorySegment ai = reads ? from(a, i, strideA) : a;
            MemorySegment bi = reads ? from(b, i, strideB) : b;
            MemorySegment ci = from(c, i, strideC);
            product(transA, transB, m, n, k, alpha, ai, lda, bi, ldb, beta, ci, ldc);
        }
    }

    /**
     * {@code y = alpha * op(a) * x + beta * y}, with a [m, n] as it lies in memory; op(a) is [m, n], or [n, m] with
     * {@code trans}. As in BLAS, nothing happens where m or n is 0: {@code y} is not even multiplied by {@code beta}.
     *
     * @param lda  at least n
     * @param incX floats from one element of x to the next, at least 1; likewise {@code incY}
     * @throws IllegalArgumentException as {@link #sgemm}
     * @throws IllegalStateException    if the memory of a segment is closed
     */
    public void sgemv(
            boolean trans,
            int m,
            int n,
            float alpha,
            MemorySegment a,
            int lda,
            MemorySegment x,
            int incX,
            float beta,
            MemorySegment y,
            int incY) {
        checkNotNegative("sgemv", "m", m);
        checkNotNegative("sgemv", "n", n);
        checkMatrix("sgemv", "a", m, n, a, lda, 0, 1);
        // A vector is a matrix of one column, its increment the leading dimension.
        checkMatrix("sgemv", "x", trans ? m : n, 1, x, incX, 0, 1);
        checkMatrix("sgemv", "y", trans ? n : m, 1, y, incY, 0, 1);
        checkWritable("sgemv", "y", y);
        if (m == 0 || n == 0) return;
        if (alpha == 0) {
            scale(trans ? n : m, 1, beta, y, incY);
        } else {
            cblas_h.cblas_sgemv(ROW_MAJOR, op(trans), m, n, alpha, a, lda, x, incX, beta, y, incY);
        }
    }

    /**
     * Sets how many threads the library uses for one product, for the whole process: class loaders share the library.
     * Not to be called while a product runs.
     *
     * @param threads at least 1; OpenBLAS takes less where it was built for less
     * @return the number the library now says it uses, or 0 where it can neither be told nor asked (a library other than
     *         OpenBLAS has environment variables for it, as MKL_NUM_THREADS)
     */
    public int setThreads(int threads) {
        if (threads < 1) throw new IllegalArgumentException("threads is " + threads + ", must be at least 1");
        if (hasThreads) cblas_h.openblas_set_num_threads(threads);
        return threads();
    }

    /** The number of threads the library uses for one product, or 0 where it does not tell. */
    public int threads() {
        return hasThreads ? cblas_h.openblas_get_num_threads() : 0;
    }

    /** What was loaded and how it is set up now. */
    public BlasStatus status() {
        String config = hasConfig ? cblas_h.openblas_get_config().getString(0).strip() : "unknown";
        String coreName =
                hasCoreName ? cblas_h.openblas_get_corename().getString(0).strip() : "unknown";
        return new BlasStatus(origin, file, config, coreName, threads());
    }

    /** One product whose operands have been checked. */
    private static void product(
            boolean transA,
            boolean transB,
            int m,
            int n,
            int k,
            float alpha,
            MemorySegment a,
            int lda,
            MemorySegment b,
            int ldb,
            float beta,
            MemorySegment c,
            int ldc) {
        if (m == 0 || n == 0) return;
        if (k == 0 || alpha == 0) {
            // Left to the library, this depends on it: 0.3.11 left c as it was, small kernels multiply NaN by 0.
            scale(m, n, beta, c, ldc);
        } else {
            cblas_h.cblas_sgemm(ROW_MAJOR, op(transA), op(transB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        }
    }

    private static void scale(int rows, int columns, float beta, MemorySegment c, int ldc) {
        if (beta == 1) return;
        for (long row = 0; row < rows; row++) {
            for (long i = row * ldc; i < row * ldc + columns; i++) {
                c.setAtIndex(JAVA_FLOAT, i, beta == 0 ? 0 : beta * c.getAtIndex(JAVA_FLOAT, i));
            }
        }
    }

    private static int op(boolean transposed) {
        return transposed ? cblas_h.CblasTrans() : cblas_h.CblasNoTrans();
    }

    /**
     * Whether {@link #sgemmBatchStrided} hands products of this shape to the library in one call. Where it does not, a caller
     * that keeps its slices saves the garbage by calling {@link #sgemm} for each.
     */
    public boolean batchesInOneCall(int m, int n, int k) {
        return hasBatchStrided && isLarge(m, n, k, 1);
    }

    private static boolean isLarge(int m, int n, int k, float alpha) {
        // m * n * k > SMALL_PRODUCT, without the overflow: a whole number is above a quotient iff above its floor.
        return alpha != 0 && k > 0 && (long) m * n > SMALL_PRODUCT / k;
    }

    /** OpenBLAS multiplies the index by the stride in 32 bits. */
    private static boolean reachableByInt(int strideA, int strideB, int strideC, int batch) {
        return (batch - 1L) * Math.max(strideA, Math.max(strideB, strideC)) <= Integer.MAX_VALUE;
    }

    private static MemorySegment from(MemorySegment segment, long index, int stride) {
        long offset = index * stride * Float.BYTES;
        return offset == 0 ? segment : segment.asSlice(offset);
    }

    private static void checkProduct(
            String op,
            boolean transA,
            boolean transB,
            int m,
            int n,
            int k,
            MemorySegment a,
            int lda,
            int strideA,
            MemorySegment b,
            int ldb,
            int strideB,
            MemorySegment c,
            int ldc,
            int strideC,
            int batch) {
        checkNotNegative(op, "m", m);
        checkNotNegative(op, "n", n);
        checkNotNegative(op, "k", k);
        checkMatrix(op, "a", transA ? k : m, transA ? m : k, a, lda, strideA, batch);
        checkMatrix(op, "b", transB ? n : k, transB ? k : n, b, ldb, strideB, batch);
        checkMatrix(op, "c", m, n, c, ldc, strideC, batch);
        checkWritable(op, "c", c);
    }

    private static void checkNotNegative(String op, String name, int value) {
        if (value < 0) throw new IllegalArgumentException(op + ": " + name + " is " + value + ", must not be negative");
    }

    /** Checks that {@code batch} matrices of [rows, columns] as they lie in memory lie inside of the segment. */
    private static void checkMatrix(
            String op, String name, int rows, int columns, MemorySegment segment, int ld, int stride, int batch) {
        if (ld < Math.max(1, columns)) {
            throw new IllegalArgumentException(op + ": " + describe(name, rows, columns, ld, stride, batch)
                    + ": the leading dimension must be at least " + Math.max(1, columns));
        }
        if (!segment.isNative()) {
            throw new IllegalArgumentException(op + ": " + name + " lies on the heap, must be off-heap memory");
        }
        if ((segment.address() & (Float.BYTES - 1)) != 0) {
            throw new IllegalArgumentException(op + ": " + name + " starts at address 0x"
                    + Long.toHexString(segment.address()) + ", must be a multiple of " + Float.BYTES);
        }
        // Below 2^63: each of the two products is below 2^62, by enough for the columns.
        long needed = rows == 0 || columns == 0 || batch == 0 ? 0 : (batch - 1L) * stride + (rows - 1L) * ld + columns;
        long there = segment.byteSize() / Float.BYTES;
        if (needed > there) {
            throw new IllegalArgumentException(op + ": " + describe(name, rows, columns, ld, stride, batch) + " needs "
                    + needed + " floats, its segment has " + there);
        }
    }

    private static String describe(String name, int rows, int columns, int ld, int stride, int batch) {
        String one = name + " [" + rows + ", " + columns + "] with leading dimension " + ld;
        return batch == 1 ? one : one + ", " + batch + " times with stride " + stride;
    }

    private static void checkWritable(String op, String name, MemorySegment segment) {
        if (segment.isReadOnly()) {
            throw new IllegalArgumentException(op + ": " + name + " is read-only, native code would write to it");
        }
    }
}
