package dev.gatun.ops;

import dev.gatun.ops.internal.Rows;
import dev.gatun.ops.internal.RowsKernel;
import java.util.function.BooleanSupplier;

/** Gets vector kernels compiled. For one thread at a time; whoever opens it closes it. */
interface Kernels extends AutoCloseable {
    /** Opens one. */
    interface Factory {
        /**
         * Opens one.
         *
         * @param stopped asked now and then; when true, calls return soon
         * @param rest called while C2 is at work: gives up the processor for a little while
         */
        Kernels open(BooleanSupplier stopped, Runnable rest);
    }

    /** Whether out[m, n] = x[m, k] W[n, k], with all that may be done to it on the way, has become fast. */
    boolean linear(int m, WeightShape weight);

    /** Whether attention of {@code group} query heads to a key head has become fast. */
    boolean attention(int group, int queries, int keys, int dK, int dV);

    /** Whether a kernel on rows has become as fast as plain Java. */
    boolean rows(RowsKernel kernel);

    /** The rows whose kernels these are. */
    Rows rows();

    @Override
    void close();
}
