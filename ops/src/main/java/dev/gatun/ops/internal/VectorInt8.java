package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Int8.BLOCK;
import static dev.gatun.ops.internal.MatMulKernels.PITCH;
import static dev.gatun.ops.internal.MatMulKernels.STEPS;
import static dev.gatun.ops.internal.Species.BYTES;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.INTS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.ops.machine.Int8Product;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Products in 8 bits by the Vector API, which has no dot products of bytes: codes become floats, whose products the kernels for
 * floats sum up exactly.
 */
public final class VectorInt8 extends Int8Linears {
    @Override
    public String name() {
        return "vector int8";
    }

    /** A panel's block as floats. */
    @Override
    public long scratchByteSize() {
        return BLOCK * MatMulKernels.VECTORS * BYTES;
    }

    @Override
    public void linear(LinearOp op, int rowFrom, int rowTo, int colFrom, int colTo, ProductScratch scratch) {
        Int8Weight w = weight(op);
        int blockRows = blockRows(w.k());
        for (int row = rowFrom; row < rowTo; row += blockRows) {
            rows(op, w, row, Math.min(blockRows, rowTo - row), colFrom, colTo, scratch);
        }
        op.finish(rowFrom, rowTo, colFrom, colTo);
    }

    private static void rows(
            LinearOp op, Int8Weight w, int row, int rows, int colFrom, int colTo, ProductScratch scratch) {
        int k = w.k();
        int blocks = Int8.blocks(k);
        int scalesAt = VectorMatMul.aAt(rows, k + STEPS - 1);
        float[] a = scratch.a(scalesAt + rows * blocks);
        for (int i = 0; i < rows; i++) {
            quantize(op.x, (row + i) * op.xStride, k, rows, i, a, scalesAt + i * blocks);
        }
        int sumsAt = VectorMatMul.padded(rows) * PITCH;
        float[] c = scratch.c(2 * sumsAt);
        MemorySegment panel = scratch.segment();
        int width = 0;
        for (int col = colFrom; col < colTo; col += width * LANES) {
            width = Math.min((colTo - col + LANES - 1) / LANES, MatMulKernels.VECTORS);
            zero(c, 0, rows, width);
            for (int b = 0; b < blocks; b++) {
                int steps = Math.min(BLOCK, k - b * BLOCK);
                for (int v = 0; v < width; v++) {
                    decode(w, col / LANES + v, b, panel, v * BLOCK * BYTES);
                }
                zero(c, sumsAt, VectorMatMul.padded(rows), width);
                int aAt = VectorMatMul.aAt(rows, b * BLOCK / STEPS * STEPS) + b * BLOCK % STEPS;
                VectorMatMul.tiles(rows, width, steps, a, aAt, panel, 0, BLOCK * BYTES, c, sumsAt);
                for (int i = 0; i < rows; i++) {
                    fold(a[scalesAt + i * blocks + b], c, sumsAt + i * PITCH, i * PITCH, width);
                }
            }
            for (int i = 0; i < rows; i++) {
                scale(w, col / LANES, c, i * PITCH, width);
            }
            VectorMatMul.write(op, row, rows, col, Math.min(width * LANES, colTo - col), c);
        }
    }

    private static void zero(float[] c, int at, int rows, int vectors) {
        for (int i = 0; i < rows; i++) {
            Arrays.fill(c, at + i * PITCH, at + i * PITCH + vectors * LANES, 0f);
        }
    }

    /** A row's codes as floats, as kernels read them, and the scales of its blocks. */
    private static void quantize(MemorySegment x, long xAt, int k, int rows, int row, float[] a, int scalesAt) {
        for (int b = 0; b < Int8.blocks(k); b++) {
            int first = b * BLOCK;
            int count = Math.min(BLOCK, k - first);
            long at = xAt + first * (long) Float.BYTES;
            int to = VectorMatMul.aAt(rows, first / STEPS * STEPS) + row * PITCH + first % STEPS;
            int most = most(x, at, count);
            float scale = Int8.scale(most);
            a[scalesAt + b] = scale;
            if (Float.isNaN(scale)) {
                Arrays.fill(a, to, to + count, 0f); // whose product with the scale is the one NaN, not one of many
            } else {
                codes(x, at, count, Int8.inverse(most), a, to);
            }
        }
    }

    private static int most(MemorySegment x, long at, int count) {
        x = OffHeap.of(x);
        IntVector most = IntVector.zero(INTS);
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            most = most.max(IntVector.fromMemorySegment(INTS, x, at + i * (long) Float.BYTES, ORDER)
                    .and(Integer.MAX_VALUE));
        }
        return Math.max(most.reduceLanes(VectorOperators.MAX), Int8.most(x, at + i * (long) Float.BYTES, count - i));
    }

    private static void codes(MemorySegment x, long at, int count, float inverse, float[] a, int to) {
        x = OffHeap.of(x);
        FloatVector factor = FloatVector.broadcast(FLOATS, inverse);
        FloatVector offset = FloatVector.broadcast(FLOATS, Int8.OFFSET);
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            FloatVector.fromMemorySegment(FLOATS, x, at + i * (long) Float.BYTES, ORDER)
                    .fma(factor, offset)
                    .sub(offset)
                    .intoArray(a, to + i);
        }
        for (; i < count; i++) {
            a[to + i] = Int8.code(x.get(JAVA_FLOAT_UNALIGNED, at + i * (long) Float.BYTES), inverse);
        }
    }

    /** A block of one vector of features, step by step. */
    private static void decode(Int8Weight w, int vector, int block, MemorySegment to, long toAt) {
        MemorySegment from = OffHeap.of(w.segment());
        to = OffHeap.of(to);
        long at = columnAt(w, vector) + (long) block * Int8Product.BLOCK_BYTES + Int8Product.LANES * Integer.BYTES;
        for (int i = 0; i < Int8Product.LANES; i++) {
            IntVector four = IntVector.fromMemorySegment(INTS, from, at + i * (long) Int8Product.SCALE_BYTES, ORDER);
            for (int j = 0; j < Integer.BYTES; j++) {
                four.lanewise(VectorOperators.LSHL, 24 - 8 * j)
                        .lanewise(VectorOperators.ASHR, 24)
                        .convert(VectorOperators.I2F, 0)
                        .reinterpretAsFloats()
                        .intoMemorySegment(to, toAt + (Int8Product.LANES * j + i) * BYTES, ORDER);
            }
        }
    }

    /** Where a vector of features begins. */
    private static long columnAt(Int8Weight w, int vector) {
        int feature = vector * LANES;
        return feature / Int8Product.LANES * Int8Weight.columnBytes(w.k())
                + feature % Int8Product.LANES * (long) Integer.BYTES;
    }

    private static void fold(float scale, float[] c, int sumsAt, int totalsAt, int vectors) {
        FloatVector factor = FloatVector.broadcast(FLOATS, scale);
        for (int v = 0; v < vectors; v++) {
            FloatVector total = FloatVector.fromArray(FLOATS, c, totalsAt + v * LANES);
            FloatVector.fromArray(FLOATS, c, sumsAt + v * LANES)
                    .fma(factor, total)
                    .intoArray(c, totalsAt + v * LANES);
        }
    }

    private static void scale(Int8Weight w, int first, float[] c, int at, int vectors) {
        MemorySegment from = OffHeap.of(w.segment());
        long scales = (long) Int8.blocks(w.k()) * Int8Product.BLOCK_BYTES;
        for (int v = 0; v < vectors; v++) {
            FloatVector factor = FloatVector.fromMemorySegment(FLOATS, from, columnAt(w, first + v) + scales, ORDER);
            FloatVector.fromArray(FLOATS, c, at + v * LANES).mul(factor).intoArray(c, at + v * LANES);
        }
    }
}
