package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/** The definition of a product in 8 bits, in plain Java. */
public final class ScalarInt8 extends Int8Linears {
    @Override
    public String name() {
        return "scalar int8";
    }

    @Override
    public long scratchByteSize() {
        return 0;
    }

    @Override
    public void linear(LinearOp op, int rowFrom, int rowTo, int colFrom, int colTo, ProductScratch scratch) {
        Int8Weight w = weight(op);
        int blocks = Int8.blocks(w.k());
        float[] codes = scratch.a(w.k() + blocks);
        for (int i = rowFrom; i < rowTo; i++) {
            quantize(op.x, i * op.xStride, w.k(), codes);
            for (int j = colFrom; j < colTo; j++) {
                float total = 0f;
                for (int b = 0; b < blocks; b++) {
                    int sum = 0;
                    for (int s = b * Int8.BLOCK; s < Math.min(w.k(), (b + 1) * Int8.BLOCK); s++) {
                        int code = (int) codes[s];
                        sum += code * w.code(j, s);
                    }
                    total = Math.fma((float) sum, codes[w.k() + b], total);
                }
                long outAt = i * op.outStride + j * (long) Float.BYTES;
                float y = finished(op, i, j, total * w.scale(j), op.out.get(JAVA_FLOAT_UNALIGNED, outAt));
                op.out.set(JAVA_FLOAT_UNALIGNED, outAt, y);
            }
        }
        op.finish(rowFrom, rowTo, colFrom, colTo);
    }

    /** k codes, then the scales of their blocks. */
    private static void quantize(MemorySegment x, long at, int k, float[] codes) {
        for (int b = 0; b < Int8.blocks(k); b++) {
            int first = b * Int8.BLOCK;
            int count = Math.min(Int8.BLOCK, k - first);
            int most = Int8.most(x, at + first * (long) Float.BYTES, count);
            float inverse = Int8.inverse(most);
            for (int i = first; i < first + count; i++) {
                codes[i] = Int8.code(x.get(JAVA_FLOAT_UNALIGNED, at + i * (long) Float.BYTES), inverse);
            }
            codes[k + b] = Int8.scale(most);
        }
    }
}
