package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The definition of a product, in plain Java: each element one chain of {@link Math#fma} in ascending k. The
 * oracle for bits. */
public final class ScalarMatMul implements MatMul {
    @Override
    public String name() {
        return "scalar";
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
        return Math.min(m, 16);
    }

    @Override
    public int tileCols(int m, int n, int k, int threads) {
        return Math.min(n, 64);
    }

    @Override
    public int gatedCols(int n) {
        return n;
    }

    @Override
    public boolean batchesHeads() {
        return false;
    }

    @Override
    public void linear(LinearOp op, int rowFrom, int rowTo, int colFrom, int colTo, ProductScratch scratch) {
        if (!(op.weight() instanceof StridedWeight w)) {
            throw new IllegalArgumentException("linear: the weight was packed by another backend than " + name());
        }
        MemorySegment bias = op.bias;
        for (int i = rowFrom; i < rowTo; i++) {
            for (int j = colFrom; j < colTo; j++) {
                float sum = chain(op.x, i * op.xStride, w.segment(), j * w.rowStride(), Float.BYTES, w.k());
                long at = j * (long) Float.BYTES;
                float y = bias == null ? sum : sum + bias.get(JAVA_FLOAT_UNALIGNED, at);
                long outAt = i * op.outStride + at;
                op.out.set(
                        JAVA_FLOAT_UNALIGNED,
                        outAt,
                        switch (op.into) {
                            case STORE -> y;
                            case ADD -> y + op.residual.get(JAVA_FLOAT_UNALIGNED, i * op.residualStride + at);
                            case MULTIPLY -> op.out.get(JAVA_FLOAT_UNALIGNED, outAt) * y;
                        });
            }
        }
        op.finish(rowFrom, rowTo, colFrom, colTo);
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
            ProductScratch scratch) {
        long bCol = bTransposed ? bStride : Float.BYTES;
        long bStep = bTransposed ? Float.BYTES : bStride;
        for (int batch = 0; batch < count; batch++) {
            for (int i = 0; i < m; i++) {
                long aRow = aOffset + batch * aBatch + i * aStride;
                long cRow = cOffset + batch * cBatch + i * cStride;
                for (int j = 0; j < n; j++) {
                    long at = cRow + j * (long) Float.BYTES;
                    long bFirst = bOffset + batch * bBatch + j * bCol;
                    float sum = chain(a, aRow, b, bFirst, bStep, k);
                    c.set(JAVA_FLOAT_UNALIGNED, at, accumulate ? sum + c.get(JAVA_FLOAT_UNALIGNED, at) : alpha * sum);
                }
            }
        }
    }

    /** The chain that one element of a product is: from 0, in ascending k. */
    static float chain(MemorySegment a, long aOffset, MemorySegment b, long bOffset, long bStep, int k) {
        float sum = 0f;
        for (int i = 0; i < k; i++) {
            sum = Math.fma(
                    a.get(JAVA_FLOAT_UNALIGNED, aOffset + i * (long) Float.BYTES),
                    b.get(JAVA_FLOAT_UNALIGNED, bOffset + i * bStep),
                    sum);
        }
        return sum;
    }
}
