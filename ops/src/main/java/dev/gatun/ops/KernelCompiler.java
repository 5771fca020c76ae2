package dev.gatun.ops;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.internal.Rows;
import dev.gatun.ops.internal.RowsKernel;
import dev.gatun.ops.internal.ScalarRows;
import dev.gatun.ops.internal.TileScratches;
import dev.gatun.ops.internal.VectorMatMul;
import dev.gatun.ops.internal.VectorRows;
import dev.gatun.ops.internal.WorkerPool;
import java.lang.foreign.Arena;
import java.util.function.BooleanSupplier;

/**
 * Makes C2 compile vector kernels by calling them on invented data, and measures whether they have become fast. Until then one
 * multiply-add takes some 100 ns, for every vector is an object; so the calls are small and many: C2 starts after 15,000 turns
 * of a kernel's loop in 600 calls or more (Tier4CompileThreshold), whatever the turns do.
 */
final class KernelCompiler implements Kernels {
    /** Inner size of the first, small calls: see above. */
    private static final int SMALL_K = 24;

    /** Greatest inner size of the calls that follow: where kernels cut k into blocks, these come to a second block. */
    private static final int LARGE_K = 2048;

    /** Columns that are whole panels at any width: 3 vectors of 16, 8 or 4. */
    private static final int WHOLE_PANELS = 48;

    /** Rows beyond which a kernel does the same again. */
    private static final int MOST_ROWS = 8;

    /**
     * Nanoseconds of a multiply-add below which vectors are in registers: interpreted it takes 100, compiled by C1 6 to 9, by C2
     * 0.02 to 0.2. (Plain Java is no measure: it is not compiled either when this starts.)
     */
    private static final double FAST = 0.5;

    /** Likewise in attention, of which exp and packing are a part that a small call does not hide. */
    private static final double FAST_ATTENTION = 3;

    private static final long MILLISECOND = 1_000_000;

    /** A kernel that is not fast by then never will be: the JVM interprets, or the CPU has no such vectors. */
    private static final long LIMIT = 20_000 * MILLISECOND;

    /** Time without gain after which all that is called is compiled as well as it will be. */
    private static final long SETTLED = 10 * MILLISECOND;

    private static final long MOST_SETTLING = 100 * MILLISECOND;

    private final Arena arena = Arena.ofShared();
    private final WorkerPool pool = new WorkerPool(1);
    private final VectorRows rows = new VectorRows();
    private final ScalarRows plain = new ScalarRows();
    private final VectorMatMul matMul = new VectorMatMul();
    private final RowsKernel.Data rowsData = new RowsKernel.Data(arena);
    private final Ops ops = new Ops(matMul, rows, pool, new TileScratches(), arena);
    private final BooleanSupplier stopped;
    private final Runnable rest;

    /** As {@link Kernels.Factory#open}. */
    KernelCompiler(BooleanSupplier stopped, Runnable rest) {
        this.stopped = stopped;
        this.rest = rest;
    }

    @Override
    public Rows rows() {
        return rows;
    }

    @Override
    public boolean linear(int m, WeightShape weight) {
        int rows = m <= MOST_ROWS ? m : MOST_ROWS + m % MOST_ROWS;
        WeightShape small = small(weight);
        WeightShape large = small.resized(small.n(), Math.min(weight.k(), LARGE_K));
        return linearCalls(rows, small, true) && (large.equals(small) || linearCalls(rows, large, false));
    }

    /** The weight that needs the same kernels and takes them least time. */
    static WeightShape small(WeightShape weight) {
        int n = weight.n() <= WHOLE_PANELS ? weight.n() : WHOLE_PANELS + weight.n() % WHOLE_PANELS;
        return weight.resized(n, Math.min(weight.k(), SMALL_K));
    }

    /**
     * What C2 has seen only one way it compiles only that way, and takes back when a session comes another: so here are all.
     *
     * @param wait until they are fast, or just call a little
     */
    private boolean linearCalls(int m, WeightShape shape, boolean wait) {
        try (Arena data = Arena.ofShared()) {
            int n = shape.n();
            PackedWeight weight = shape.zeros(matMul, data);
            Tensor x = ones(data, m, shape.k());
            Tensor bias = ones(data, n);
            Tensor out = ones(data, m, n);
            Runnable calls = () -> {
                ops.linear(x, weight, bias, out);
                ops.linear(x, weight, null, out);
                ops.linear(x, weight, bias, Activation.RELU, out);
                ops.linearAdd(x, weight, bias, out, out);
                ops.linearGated(x, weight, null, Activation.RELU, weight, null, out);
            };
            if (wait) {
                return compile(calls, FAST * 6 * m * n * shape.k());
            }
            settle(calls);
            return true;
        }
    }

    @Override
    public boolean attention(int group, int queries, int keys, int dK, int dV) {
        int q = Math.min(queries, MOST_ROWS);
        int s = Math.min(keys, 80);
        try (Arena data = Arena.ofShared()) {
            Tensor query = ones(data, 1, group, q, dK);
            Tensor key = ones(data, 1, 1, s, dK);
            Tensor value = ones(data, 1, 1, s, dV);
            Tensor out = ones(data, 1, group, q, dV);
            AttentionMask causal = AttentionMask.causal().atPositions(new int[] {Math.max(0, s - q)});
            double work = (double) group * q * s * (dK + dV);
            return compile(
                    () -> {
                        ops.attention(query, key, value, AttentionMask.full(), 0.1f, 0f, out);
                        ops.attention(query, key, value, causal, 0.1f, 0f, out);
                    },
                    FAST_ATTENTION * 2 * work);
        }
    }

    @Override
    public boolean rows(RowsKernel kernel) {
        double plainNanos = settle(() -> kernel.run(plain, rowsData));
        return compile(() -> kernel.run(rows, rowsData), plainNanos);
    }

    private static Tensor ones(Arena arena, int... dims) {
        Tensor tensor = Tensor.allocate(arena, DType.F32, Shape.of(dims));
        tensor.segment().fill((byte) 0x3F); // 0.747 in every element: no NaN, no denormal
        return tensor;
    }

    /** Calls until a call takes at most {@code nanos}, and no less than before; whether it came to that. */
    private boolean compile(Runnable call, double nanos) {
        long end = System.nanoTime() + LIMIT;
        while (!stopped.getAsBoolean() && System.nanoTime() - end < 0) {
            if (best(call, MILLISECOND) <= nanos) {
                settle(call);
                return true;
            }
            rest.run();
        }
        return false;
    }

    /** Calls until calls become no faster; the nanoseconds of one. */
    private double settle(Runnable call) {
        long now = System.nanoTime();
        long end = now + MOST_SETTLING;
        long gained = now;
        double best = Double.MAX_VALUE;
        while (!stopped.getAsBoolean() && now - end < 0 && now - gained < SETTLED) {
            double nanos = best(call, MILLISECOND);
            now = System.nanoTime();
            if (nanos < best * 0.9) {
                best = nanos;
                gained = now;
            }
        }
        return best;
    }

    /** The least nanoseconds of a call, over {@code nanos} of calls and at least one. */
    private double best(Runnable call, long nanos) {
        long end = System.nanoTime() + nanos;
        long best = Long.MAX_VALUE;
        long from = System.nanoTime();
        do {
            call.run();
            long to = System.nanoTime();
            best = Math.min(best, to - from);
            from = to;
        } while (from - end < 0 && !stopped.getAsBoolean());
        return best;
    }

    @Override
    public void close() {
        pool.close();
        arena.close();
    }
}
