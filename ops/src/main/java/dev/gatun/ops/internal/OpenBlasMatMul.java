package dev.gatun.ops.internal;

import dev.gatun.memory.Tensor;
import dev.gatun.openblas.Blas;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Products by {@code cblas_sgemm} through the generated bindings, on the checkpoint's own bytes; all heads of a layer in one
 * strided batch where the products are large enough for one (else OpenBLAS 0.3.31 crashes, see {@link Blas}). The library divides the work among its own threads, so one output is one tile. Its sums are in an order of its
 * own: equal to the other backends' within rounding, not to the bit.
 */
public final class OpenBlasMatMul implements MatMul {
    private final Blas blas;
    private final Slices slices = new Slices();

    /** Products by {@code blas}, whose threads have been set. */
    public OpenBlasMatMul(Blas blas) {
        this.blas = blas;
    }

    /** One that remembers the session's slices. */
    @Override
    public MatMul forSession() {
        return new OpenBlasMatMul(blas);
    }

    @Override
    public String name() {
        return "openblas";
    }

    @Override
    public long packedByteSize(Tensor weight) {
        return StridedWeights.byteSize(weight);
    }

    @Override
    public PackedWeight pack(Tensor weight, Arena arena) {
        return StridedWeights.pack(weight, arena);
    }

    @Override
    public long scratchByteSize() {
        return 0;
    }

    @Override
    public int tileRows(int m, int n, int k, int threads) {
        return m;
    }

    @Override
    public int tileCols(int m, int n, int k, int threads) {
        return n;
    }

    @Override
    public boolean batchesHeads() {
        return true;
    }

    /** A bias is laid out as every row of out first, then the product is added to it. */
    @Override
    public void linear(
            MemorySegment x,
            long xStride,
            PackedWeight weight,
            @Nullable MemorySegment bias,
            MemorySegment out,
            long outStride,
            int rowFrom,
            int rowTo,
            int colFrom,
            int colTo,
            MemorySegment scratch,
            long scratchOffset) {
        if (!(weight instanceof StridedWeight w)) {
            throw new IllegalArgumentException("linear: the weight was packed by another backend than " + name());
        }
        int rows = rowTo - rowFrom;
        int cols = colTo - colFrom;
        long outFirst = rowFrom * outStride + colFrom * (long) Float.BYTES;
        if (bias != null) {
            for (int i = 0; i < rows; i++) {
                MemorySegment.copy(
                        bias, colFrom * (long) Float.BYTES, out, outFirst + i * outStride, cols * (long) Float.BYTES);
            }
        }
        blas.sgemm(
                false,
                true,
                rows,
                cols,
                w.k(),
                1f,
                slices.of(x, rowFrom * xStride),
                leading(xStride),
                slices.of(w.segment(), colFrom * w.rowStride()),
                leading(w.rowStride()),
                bias == null ? 0f : 1f,
                slices.of(out, outFirst),
                leading(outStride));
    }

    @Override
    public void multiply(
            int count,
            int m,
            int n,
            int k,
            float alpha,
            MemorySegment a,
            long aOffset,
            long aBatch,
            long aStride,
            MemorySegment b,
            long bOffset,
            long bBatch,
            long bStride,
            boolean bTransposed,
            boolean accumulate,
            MemorySegment c,
            long cOffset,
            long cBatch,
            long cStride,
            MemorySegment scratch,
            long scratchOffset) {
        float beta = accumulate ? 1f : 0f;
        if (count > 1 && blas.batchesInOneCall(m, n, k)) {
            blas.sgemmBatchStrided(
                    false,
                    bTransposed,
                    m,
                    n,
                    k,
                    alpha,
                    slices.of(a, aOffset),
                    leading(aStride),
                    floats(aBatch),
                    slices.of(b, bOffset),
                    leading(bStride),
                    floats(bBatch),
                    beta,
                    slices.of(c, cOffset),
                    leading(cStride),
                    floats(cBatch),
                    count);
            return;
        }
        for (int i = 0; i < count; i++) {
            blas.sgemm(
                    false,
                    bTransposed,
                    m,
                    n,
                    k,
                    alpha,
                    slices.of(a, aOffset + i * aBatch),
                    leading(aStride),
                    slices.of(b, bOffset + i * bBatch),
                    leading(bStride),
                    beta,
                    slices.of(c, cOffset + i * cBatch),
                    leading(cStride));
        }
    }

    /** A leading dimension: BLAS wants at least 1, also of rows without elements. */
    private static int leading(long bytes) {
        return Math.max(1, floats(bytes));
    }

    private static int floats(long bytes) {
        return Math.toIntExact(bytes / Float.BYTES);
    }
}
