package dev.gatun.ops;

import dev.gatun.ops.internal.RowsKernel;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/** What {@link Backend#warmUp} of the vector backend does: the kernels for all weights that were packed. Thread-safe. */
final class WarmUp {
    /** Most models' rows; others are compiled on the way. */
    private static final List<RowsKernel> ROWS = List.of(RowsKernel.LAYER_NORM, RowsKernel.GELU, RowsKernel.ADD);

    /** For all that is compiled; past it, the rest is left to the first calls. */
    private static final long LIMIT = 5_000_000_000L;

    private static final long REST = 1_000_000;

    private final Set<WeightShape> shapes = new LinkedHashSet<>(); // guarded by this

    /** A weight was packed. Those whose tiles end alike share kernels. */
    synchronized void add(WeightShape shape) {
        shapes.add(KernelCompiler.small(shape));
    }

    void run(Backend.Progress progress) {
        List<Consumer<Kernels>> steps = new ArrayList<>();
        synchronized (this) {
            shapes.forEach(shape -> steps.add(compiler -> compiler.linear(8, shape)));
            shapes.forEach(shape -> steps.add(compiler -> compiler.linear(1, shape)));
        }
        steps.add(compiler -> compiler.attention(1, 8, 64, 64, 64));
        ROWS.forEach(kernel -> steps.add(compiler -> compiler.rows(kernel)));
        long end = System.nanoTime() + LIMIT;
        try (Kernels compiler =
                new KernelCompiler(() -> System.nanoTime() - end > 0, () -> LockSupport.parkNanos(this, REST))) {
            for (int i = 0; i < steps.size(); i++) {
                progress.at(i, steps.size());
                steps.get(i).accept(compiler);
            }
        }
        progress.at(steps.size(), steps.size());
    }
}
