package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** The largest elements of each row, largest first, of equals the lower index; NaN is none of them. One caller at a time. */
public final class TopK implements WorkerPool.Task {
    private final WorkerPool pool;
    private MemorySegment x = MemorySegment.NULL;
    private long stride;
    private int cols;
    private int k;
    private int[] indices = {};
    private float[] values = {};

    /** Rows are cut over the pool's threads. */
    public TopK(WorkerPool pool) {
        this.pool = pool;
    }

    /**
     * Finds the {@code k} largest of each row.
     *
     * @param rowStride bytes from row to row
     * @param toIndices [rows, k]; -1 where a row has fewer numbers
     * @param toValues [rows, k]
     */
    public void run(
            MemorySegment from, long rowStride, int rows, int newCols, int newK, int[] toIndices, float[] toValues) {
        x = from;
        stride = rowStride;
        cols = newCols;
        k = newK;
        indices = toIndices;
        values = toValues;
        pool.run(this, rows);
    }

    @Override
    public void run(int row, int worker) {
        MemorySegment from = x;
        long at = row * stride;
        int first = row * k;
        Arrays.fill(indices, first, first + k, -1);
        Arrays.fill(values, first, first + k, Float.NEGATIVE_INFINITY);
        int found = 0;
        int n = cols;
        int i = 0;
        for (; i < n && found < k; i++) {
            float value = from.get(JAVA_FLOAT_UNALIGNED, at + i * (long) Float.BYTES);
            if (!Float.isNaN(value)) {
                insert(first, first + found++, i, value);
            }
        }
        int last = first + k - 1;
        float least = values[last];
        for (; i < n; i++) {
            float value = from.get(JAVA_FLOAT_UNALIGNED, at + i * (long) Float.BYTES);
            if (value > least) {
                insert(first, last, i, value);
                least = values[last];
            }
        }
    }

    /** Puts an element where it belongs among those before {@code place}, which it overwrites. */
    private void insert(int first, int place, int index, float value) {
        int at = place;
        for (; at > first && values[at - 1] < value; at--) {
            values[at] = values[at - 1];
            indices[at] = indices[at - 1];
        }
        values[at] = value;
        indices[at] = index;
    }
}
