package dev.gatun.ops;

import dev.gatun.ops.internal.Attention;
import dev.gatun.ops.internal.AttentionCall;
import dev.gatun.ops.internal.LinearTask;
import dev.gatun.ops.internal.MatMul;
import dev.gatun.ops.internal.ProductScratch;
import dev.gatun.ops.internal.ScalarMatMul;
import dev.gatun.ops.internal.TileScratches;
import dev.gatun.ops.internal.WorkerPool;
import java.lang.foreign.Arena;

/**
 * A session's operations of which {@link Auto} chooses who computes them: once a call, never within one. What OpenBLAS computes
 * with is here; what the vector kernels compute with, the session's {@link Ops} has.
 */
final class AutoOps {
    /** What {@link #choose} returns for a weight that only the vector kernels read; and what other kinds of backend have. */
    static final int NO_CHOICE = Pick.VECTOR;

    private final Auto auto;
    private final LinearTask linear;
    private final Attention attention;
    private final Attention plainAttention;

    /** Takes {@link #scratchByteSize} bytes of {@code arena}. */
    AutoOps(Auto auto, WorkerPool pool, TileScratches tiles, Arena arena) {
        this.auto = auto;
        ProductScratch[] scratch = ProductScratch.of(auto.openBlas().scratchByteSize(), pool.threads(), arena);
        this.linear = new LinearTask(auto.openBlas(), auto.rows(), pool, scratch);
        this.attention = Attention.of(auto.openBlas(), auto.rows(), pool, tiles, scratch, arena);
        this.plainAttention = Attention.of(new ScalarMatMul(), auto.rows(), pool, tiles, scratch, arena);
    }

    static long scratchByteSize(Auto auto, int threads) {
        return Ops.scratchByteSize(auto.openBlas(), auto.openBlas(), threads);
    }

    /** Products of activations. */
    MatMul products() {
        return auto.products();
    }

    /** Products of weights by OpenBLAS. */
    LinearTask openBlas() {
        return linear;
    }

    /**
     * Who computes a product of m rows with two weights of the same shape, which may be the same: what the other methods want to
     * be told.
     */
    int choose(int m, PackedWeight weight, PackedWeight second) {
        if (!(weight instanceof AutoWeight both) || !(second instanceof AutoWeight bothToo)) {
            return NO_CHOICE; // also where one of two is an AutoWeight: it has panels as well
        }
        Pick pick = both.pick(m);
        int way = pick == null ? both.isCompiled(m) ? Pick.VECTOR : 0 : pick.next();
        if ((way & Pick.FIRST) != 0 && pick != null) {
            auto.compileLinear(pick, m, weight.n(), weight.k());
        }
        if ((way & Pick.VECTOR) == 0) {
            return way;
        }
        if (!bothToo.isCompiled(m)) {
            return 0;
        }
        PackedWeight panels = both.panels();
        PackedWeight panelsToo = bothToo.panels(); // asked for too, whether the first are there or not
        return panels != null && panelsToo != null ? way : 0; // OpenBLAS until they are filled
    }

    static boolean isVector(int way) {
        return (way & Pick.VECTOR) != 0;
    }

    /** The weight as who was chosen reads it. */
    static PackedWeight chosen(int way, PackedWeight weight) {
        if (!(weight instanceof AutoWeight both)) {
            return weight;
        }
        return isVector(way) ? both.filledPanels() : both.inPlace();
    }

    /** When a call begins, if it is timed. */
    static long start(int way) {
        return (way & Pick.TRIAL) == 0 ? 0 : System.nanoTime();
    }

    /** Tells the weight's pick what a timed call of m rows and one or two products took. */
    static void report(int way, long start, int m, int products, PackedWeight weight) {
        if ((way & Pick.TRIAL) != 0 && m > 0 && weight instanceof AutoWeight both) {
            Pick pick = both.pick(m);
            if (pick != null) {
                pick.report(way, (System.nanoTime() - start) / ((double) m * products));
            }
        }
    }

    /** As {@link Attention#run}, by {@code vector} or by OpenBLAS; returns who it was, for {@link #isVector}. */
    int attention(Attention vector, AttentionCall call) {
        if (call.nHeads() > attention.maxHeads()) {
            vector.run(call);
            return Pick.VECTOR;
        }
        int queries = call.mostQueries();
        int keys = call.mostKeys();
        Pick pick = auto.attention(call.group(), queries, keys, call.dK(), call.dV());
        int way = pick.next();
        if ((way & Pick.FIRST) != 0) {
            auto.compileAttention(pick, call.group(), queries, keys, call.dK(), call.dV());
        }
        long start = start(way);
        (isVector(way) ? vector : attention).run(call);
        if ((way & Pick.TRIAL) != 0) {
            pick.report(way, (System.nanoTime() - start) / (double) call.scores());
        }
        return way;
    }

    /**
     * Attention over keys in pages: OpenBLAS until {@code vector} is compiled. Returns what {@link #choose} would.
     */
    int pagedAttention(Attention vector, AttentionCall call) {
        if (auto.isAttentionCompiled(call.group(), call.mostQueries(), call.mostKeys(), call.dK(), call.dV())) {
            vector.run(call);
            return NO_CHOICE;
        }
        if (call.mostQueries() > 1) {
            auto.postponeCompiling();
        }
        (call.nHeads() <= attention.maxHeads() ? attention : plainAttention).run(call);
        return 0;
    }
}
