package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;
import static dev.gatun.ops.internal.TileShape.WIDTH_BYTES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The products of attention where columns are too few to fill a vector, as in decoding. Lanes are keys in the first product,
 * dimensions of V, which is read where it lies, in the second. The same chains as in {@link AttentionKernels}.
 */
final class FewColumns {
    private static final long ROW_BYTES = TileScratch.KEYS * (long) Float.BYTES;

    private FewColumns() {}

    /**
     * Goes on with the chains over d of K[key, d] &middot; q[d], for one column.
     *
     * @param strip {@code dims} dimensions of the keys, [dims, {@link TileScratch#KEYS}]
     * @param q the column's first of these elements, the next ones {@link TileShape#WIDTH_BYTES} apart
     * @param scores the scores, side by side, up to whole vectors
     */
    static void scores(int keys, int dims, MemorySegment scratch, long strip, long q, long scores) {
        for (int key = 0; key < keys; key += 4 * LANES) {
            long at = key * (long) Float.BYTES;
            fourVectors(dims, scratch, strip + at, q, scores + at);
        }
    }

    private static void fourVectors(int dims, MemorySegment scratch, long strip, long q, long scores) {
        scratch = OffHeap.of(scratch);
        FloatVector a = fromMemorySegment(FLOATS, scratch, scores, ORDER);
        FloatVector b = fromMemorySegment(FLOATS, scratch, scores + Species.BYTES, ORDER);
        FloatVector c = fromMemorySegment(FLOATS, scratch, scores + 2 * Species.BYTES, ORDER);
        FloatVector d = fromMemorySegment(FLOATS, scratch, scores + 3 * Species.BYTES, ORDER);
        for (int i = 0; i < dims; i++) {
            FloatVector x = broadcast(FLOATS, scratch.get(JAVA_FLOAT_UNALIGNED, q + i * WIDTH_BYTES));
            long at = strip + i * ROW_BYTES;
            a = fromMemorySegment(FLOATS, scratch, at, ORDER).fma(x, a);
            b = fromMemorySegment(FLOATS, scratch, at + Species.BYTES, ORDER).fma(x, b);
            c = fromMemorySegment(FLOATS, scratch, at + 2 * Species.BYTES, ORDER)
                    .fma(x, c);
            d = fromMemorySegment(FLOATS, scratch, at + 3 * Species.BYTES, ORDER)
                    .fma(x, d);
        }
        a.intoMemorySegment(scratch, scores, ORDER);
        b.intoMemorySegment(scratch, scores + Species.BYTES, ORDER);
        c.intoMemorySegment(scratch, scores + 2 * Species.BYTES, ORDER);
        d.intoMemorySegment(scratch, scores + 3 * Species.BYTES, ORDER);
    }

    /**
     * added[d] = the chain over keys of V[key, d] &middot; weight[key], for one column.
     *
     * @param rows where the keys' values begin, in bytes
     * @param weights the column's weight of the first key, the next keys' {@link TileShape#WIDTH_BYTES} apart
     */
    static void context(
            int keys, int dV, MemorySegment v, long[] rows, MemorySegment scratch, long weights, long added) {
        int d = 0;
        for (; d <= dV - 4 * LANES; d += 4 * LANES) {
            long offset = d * (long) Float.BYTES;
            four(keys, v, offset, rows, scratch, weights, added + offset);
        }
        for (; d <= dV - LANES; d += LANES) {
            long offset = d * (long) Float.BYTES;
            one(keys, v, offset, rows, scratch, weights, added + offset);
        }
        for (; d < dV; d++) {
            long offset = d * (long) Float.BYTES;
            float sum = 0f;
            for (int key = 0; key < keys; key++) {
                float weight = scratch.get(JAVA_FLOAT_UNALIGNED, weights + key * WIDTH_BYTES);
                sum = Math.fma(v.get(JAVA_FLOAT_UNALIGNED, rows[key] + offset), weight, sum);
            }
            scratch.set(JAVA_FLOAT_UNALIGNED, added + offset, sum);
        }
    }

    private static void four(
            int keys, MemorySegment v, long offset, long[] rows, MemorySegment scratch, long weights, long added) {
        v = OffHeap.of(v);
        scratch = OffHeap.of(scratch);
        FloatVector a = FloatVector.zero(FLOATS);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        for (int key = 0; key < keys; key++) {
            FloatVector weight = broadcast(FLOATS, scratch.get(JAVA_FLOAT_UNALIGNED, weights + key * WIDTH_BYTES));
            long row = rows[key] + offset;
            a = fromMemorySegment(FLOATS, v, row, ORDER).fma(weight, a);
            b = fromMemorySegment(FLOATS, v, row + Species.BYTES, ORDER).fma(weight, b);
            c = fromMemorySegment(FLOATS, v, row + 2 * Species.BYTES, ORDER).fma(weight, c);
            d = fromMemorySegment(FLOATS, v, row + 3 * Species.BYTES, ORDER).fma(weight, d);
        }
        a.intoMemorySegment(scratch, added, ORDER);
        b.intoMemorySegment(scratch, added + Species.BYTES, ORDER);
        c.intoMemorySegment(scratch, added + 2 * Species.BYTES, ORDER);
        d.intoMemorySegment(scratch, added + 3 * Species.BYTES, ORDER);
    }

    private static void one(
            int keys, MemorySegment v, long offset, long[] rows, MemorySegment scratch, long weights, long added) {
        v = OffHeap.of(v);
        scratch = OffHeap.of(scratch);
        FloatVector a = FloatVector.zero(FLOATS);
        for (int key = 0; key < keys; key++) {
            float weight = scratch.get(JAVA_FLOAT_UNALIGNED, weights + key * WIDTH_BYTES);
            a = fromMemorySegment(FLOATS, v, rows[key] + offset, ORDER).fma(broadcast(FLOATS, weight), a);
        }
        a.intoMemorySegment(scratch, added, ORDER);
    }

    /** context = context &middot; correction + added, for one column: contexts are a row's width apart. */
    static void add(MemorySegment scratch, long context, long correctionAt, long added, int dV) {
        float correction = scratch.get(JAVA_FLOAT_UNALIGNED, correctionAt);
        for (int d = 0; d < dV; d++) {
            long at = context + d * WIDTH_BYTES;
            float sum = scratch.get(JAVA_FLOAT_UNALIGNED, added + d * (long) Float.BYTES);
            scratch.set(JAVA_FLOAT_UNALIGNED, at, Math.fma(scratch.get(JAVA_FLOAT_UNALIGNED, at), correction, sum));
        }
    }
}
