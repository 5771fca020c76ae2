package dev.gatun.ops;

import dev.gatun.memory.DType;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.AutoThread.Urgency;
import dev.gatun.ops.internal.MachineMatMul;
import dev.gatun.ops.internal.MatMul;
import dev.gatun.ops.internal.OpenBlasMatMul;
import dev.gatun.ops.internal.Rows;
import dev.gatun.ops.internal.RowsKernel;
import dev.gatun.ops.internal.ScalarRows;
import dev.gatun.ops.internal.SwitchingRows;
import dev.gatun.ops.internal.VectorMatMul;
import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.MachineUnavailableException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What {@link Backend.Kind#AUTO} adds to OpenBLAS and our kernels: who computes which shape ({@link Pick}), panels that
 * are filled in the background, rows that change over, and a table of all that for the next process.
 *
 * <p>Where all kernels are machine code, they compute from the first call, and OpenBLAS is loaded in the background to be tried, unless
 * the table says that it is not needed. Elsewhere OpenBLAS computes until vector kernels are compiled.
 *
 * <p>Sessions ask it for the picks of their operations and tell it which shapes they see for the first time; a {@link
 * AutoThread} then gets their kernels compiled. Thread-safe.
 */
final class Auto implements AutoCloseable {
    private final OpenBlasMatMul openBlas;
    private final boolean kernelsFirst;
    private final Rows rows;
    private final Map<PickTable.Shape, Pick> picks = new ConcurrentHashMap<>();
    private final Map<List<Integer>, Pick[]> linear = new ConcurrentHashMap<>();
    private final Map<WeightShape, Compiled[]> widened = new ConcurrentHashMap<>();
    private final AutoThread thread;
    private volatile Map<PickTable.Shape, Pick.Timing> known = Map.of();
    private volatile @Nullable AttentionPicks attention;
    private volatile @Nullable MatMul kernels;

    /** The picks of attention with heads of one kind, [queries][keys]; a list, for a model has one or two of them. */
    private record AttentionPicks(
            int group,
            int dK,
            int dV,
            Pick[][] picks,
            Compiled vector,
            @Nullable AttentionPicks next) {}

    /** Whether vector kernels that have no rival but plain Java are compiled. */
    static final class Compiled {
        private final AtomicBoolean asked = new AtomicBoolean();
        private volatile boolean yes;

        boolean isDone() {
            return yes;
        }
    }

    /**
     * Starts the thread.
     *
     * @param openBlas not asked for its library before it computes
     * @param machineRows rows that are fast from the first call, where products and attention are as well, or null: then plain ones,
     *     until vector kernels are compiled
     * @param table where choices are kept
     * @param kernels what the thread compiles kernels with
     */
    Auto(OpenBlasMatMul openBlas, @Nullable Rows machineRows, AutoThread.TableSource table, Kernels.Factory kernels) {
        this.openBlas = openBlas;
        this.kernelsFirst = machineRows != null;
        this.rows = machineRows != null ? machineRows : new SwitchingRows(new ScalarRows(), this::compile);
        this.thread = new AutoThread(this, table, kernels);
        thread.start();
    }

    OpenBlasMatMul openBlas() {
        return openBlas;
    }

    /**
     * Kernels of ours: machine code where it can be run, else vector kernels. The first call waits for the JVM to load the Vector
     * API, which the thread began when this was opened.
     */
    MatMul vector() {
        MatMul there = kernels;
        return there != null ? there : openKernels();
    }

    private synchronized MatMul openKernels() {
        MatMul there = kernels;
        if (there == null) {
            try {
                there = new MachineMatMul(MachineHost.open());
            } catch (MachineUnavailableException e) {
                there = new VectorMatMul();
            }
            kernels = there;
        }
        return there;
    }

    /** Whether products with a compressed weight are fast from the first call. */
    private boolean hasBlockCode(WeightShape s) {
        boolean known = s.format() != null || s.type() == DType.BF16 && s.k() % 2 == 0;
        return known && vector() instanceof MachineMatMul machine && machine.hasBlockCode();
    }

    /** Whether products of F32 weights are fast from the first call. */
    private boolean isMachine() {
        return vector() instanceof MachineMatMul;
    }

    Rows rows() {
        return rows;
    }

    /** Whether our kernels compute before OpenBLAS is there. */
    boolean kernelsComeFirst() {
        return kernelsFirst;
    }

    /** Products of activations: there are few, and their shapes change. */
    MatMul products() {
        return kernelsFirst ? vector() : openBlas;
    }

    /** Panels, and no copy for OpenBLAS: it reads a weight in place, or not at all. */
    long packedByteSize(Tensor weight) {
        return vector().packedByteSize(weight);
    }

    PackedWeight pack(Tensor weight, Arena arena) {
        if (openBlas.packedByteSize(weight) == 0) {
            Pick[] classes = linear.computeIfAbsent(List.of(weight.dim(0), weight.dim(1)), this::linearPicks);
            return background(
                    weight.segment(),
                    arena,
                    new AutoWeight(openBlas.pack(weight, arena), classes, () -> vector().pack(weight, arena), thread));
        }
        boolean rows = weight.stride(1) == 1 && weight.dtype() != DType.F32;
        Compiled[] compiled = compileFirst(WeightShape.of(weight));
        if (!rows || !openBlas.widens(weight.dim(1))) {
            return vector().pack(weight, arena);
        }
        Supplier<PackedWeight> filler = () -> vector().pack(weight, arena);
        return background(weight.segment(), arena, widened(openBlas.widened(weight), compiled, filler));
    }

    /** A weight that OpenBLAS widens until the vector kernels are compiled. */
    private AutoWeight widened(PackedWeight inPlace, Compiled[] compiled, Supplier<PackedWeight> filler) {
        return new AutoWeight(inPlace, compiled[0], compiled[1], filler, thread);
    }

    /** A weight whose panels the thread will fill; filled at once where it must not touch the memory. */
    private AutoWeight background(MemorySegment source, Arena arena, AutoWeight packed) {
        if (kernelsFirst || !source.isAccessibleBy(thread) || !arena.allocate(0).isAccessibleBy(thread)) {
            packed.filledPanels();
        }
        if (kernelsFirst && source.isMapped()) {
            source.unload(); // who reads it again, to try OpenBLAS, gets it back from the file
        }
        return packed;
    }

    /** A weight that OpenBLAS has to widen: the vector kernels are compiled while the rest of the model is loaded. */
    private Compiled[] compileFirst(WeightShape shape) {
        return widened.computeIfAbsent(shape, s -> {
            Compiled[] compiled = {new Compiled(), new Compiled()};
            if (hasBlockCode(s)) {
                compiled[0].yes = true;
                compiled[1].yes = true;
                return compiled;
            }
            thread.compile(Urgency.LINEAR, compiler -> compiled[0].yes = compiler.linear(1, s) || !thread.isStopped());
            thread.compile(Urgency.LINEAR, compiler -> compiled[1].yes = compiler.linear(8, s) || !thread.isStopped());
            thread.loading();
            return compiled;
        });
    }

    /** Paged attention of a prompt is under way by who was there first. */
    void postponeCompiling() {
        thread.postpone();
    }

    PackedWeight pack(QuantizedMatrix weight, Arena arena) {
        compileFirst(WeightShape.of(weight));
        return vector().pack(weight, arena);
    }

    /** A weight that stays where it is, but where it is packed in no time. */
    PackedWeight packInPlace(QuantizedMatrix weight, Arena arena) {
        if (vector() instanceof MachineMatMul machine && machine.packsByCode(weight)) {
            return machine.pack(weight, arena);
        }
        Compiled[] compiled = compileFirst(WeightShape.of(weight));
        if (!openBlas.widens(weight.k())) {
            return vector().pack(weight, arena);
        }
        Supplier<PackedWeight> filler = () -> vector().pack(weight, arena);
        return background(weight.segment(), arena, widened(openBlas.widened(weight), compiled, filler));
    }

    /** A weight that OpenBLAS reads as it is stored, and the kernels as well. */
    PackedWeight adopt(Tensor weight, PackedWeight kernels, Arena arena) {
        if (openBlas.packedByteSize(weight) == 0) {
            Pick[] classes = linear.computeIfAbsent(List.of(weight.dim(0), weight.dim(1)), this::linearPicks);
            return there(new AutoWeight(openBlas.pack(weight, arena), classes, () -> kernels, thread));
        }
        Compiled[] compiled = compileFirst(WeightShape.of(weight));
        return openBlas.widens(weight.dim(1))
                ? there(widened(openBlas.widened(weight), compiled, () -> kernels))
                : kernels;
    }

    /** The same of blocks. */
    PackedWeight adopt(QuantizedMatrix weight, PackedWeight kernels) {
        if (hasBlockCode(WeightShape.of(weight))) {
            return kernels;
        }
        Compiled[] compiled = compileFirst(WeightShape.of(weight));
        return openBlas.widens(weight.k())
                ? there(widened(openBlas.widened(weight), compiled, () -> kernels))
                : kernels;
    }

    /** A weight whose panels are there already. */
    private static AutoWeight there(AutoWeight weight) {
        weight.filledPanels();
        return weight;
    }

    private Pick[] linearPicks(List<Integer> size) {
        Pick[] classes = new Pick[AutoShapes.ROWS];
        Arrays.setAll(classes, i -> pick(new PickTable.Shape("linear", i, size.get(0), size.get(1))));
        return classes;
    }

    private Pick pick(PickTable.Shape shape) {
        return picks.computeIfAbsent(shape, s -> {
            Pick pick = new Pick(kernelsFirst, thread::changed);
            Pick.Timing timing = known.get(s);
            if (timing != null) {
                pick.know(timing);
            }
            return pick;
        });
    }

    /** The pick of attention; makes no object once it has been asked for the same. */
    Pick attention(int group, int queries, int keys, int dK, int dV) {
        AttentionPicks found = find(group, dK, dV);
        if (found == null) {
            found = add(group, dK, dV);
        }
        return found.picks[AutoShapes.ofRows(queries)][AutoShapes.ofKeys(keys)];
    }

    /** Whether attention by kernels is fast, as machine code or because it is compiled; the first call sees to it that it will be. Makes no object but then. */
    boolean isAttentionCompiled(int group, int queries, int keys, int dK, int dV) {
        if (vector() instanceof MachineMatMul machine && machine.hasAttentionCode(queries * group, dK)) {
            return true;
        }
        AttentionPicks found = find(group, dK, dV);
        Compiled compiled = (found == null ? add(group, dK, dV) : found).vector;
        if (!compiled.yes && !compiled.asked.get() && compiled.asked.compareAndSet(false, true)) {
            thread.compile(
                    Urgency.ATTENTION, kernels -> compiled.yes = kernels.attention(group, queries, keys, dK, dV));
        }
        return compiled.yes;
    }

    private @Nullable AttentionPicks find(int group, int dK, int dV) {
        AttentionPicks found = attention;
        while (found != null && (found.group != group || found.dK != dK || found.dV != dV)) {
            found = found.next;
        }
        return found;
    }

    private synchronized AttentionPicks add(int group, int dK, int dV) {
        AttentionPicks found = find(group, dK, dV);
        if (found == null) {
            String operation = "attention" + (group == 1 ? "" : "/" + group) + (dK == dV ? "" : "+" + dV);
            Pick[][] classes = new Pick[AutoShapes.ROWS][AutoShapes.KEYS];
            for (int i = 0; i < AutoShapes.ROWS; i++) {
                for (int j = 0; j < AutoShapes.KEYS; j++) {
                    classes[i][j] = pick(new PickTable.Shape(operation, i, j, dK));
                }
            }
            found = new AttentionPicks(group, dK, dV, classes, new Compiled(), attention);
            attention = found;
        }
        return found;
    }

    /** A session computes out[m, n] = x[m, k] W[n, k] for the first time. */
    void compileLinear(Pick pick, int m, int n, int k) {
        if (kernelsFirst) {
            tryOpenBlas(pick);
            return;
        }
        if (isMachine()) {
            pick.ready();
            return;
        }
        thread.compile(Urgency.LINEAR, compiler -> settle(pick, compiler.linear(m, WeightShape.f32(n, k))));
    }

    /** A session computes attention of this shape for the first time. */
    void compileAttention(Pick pick, int group, int queries, int keys, int dK, int dV) {
        if (kernelsFirst) {
            tryOpenBlas(pick);
            return;
        }
        thread.compile(Urgency.ATTENTION, compiler -> settle(pick, compiler.attention(group, queries, keys, dK, dV)));
    }

    /** Once it is loaded; not at all, if it can't be. */
    private void tryOpenBlas(Pick pick) {
        thread.later(() -> settle(pick, openBlas.isThere()));
    }

    private void settle(Pick pick, boolean fast) {
        if (fast) {
            pick.ready();
        } else if (!thread.isStopped()) {
            pick.giveUp();
        }
    }

    private void compile(RowsKernel kernel) {
        thread.compile(Urgency.ROWS, compiler -> {
            if (compiler.rows(kernel) && rows instanceof SwitchingRows switching) {
                switching.choose(kernel, compiler.rows());
            }
        });
    }

    /** What the table of an earlier process says. */
    void know(Map<PickTable.Shape, Pick.Timing> table) {
        known = table;
        table.forEach((shape, timing) -> {
            Pick pick = picks.get(shape);
            if (pick != null) {
                pick.know(timing);
            }
        });
    }

    /** All that was read or measured. */
    Map<PickTable.Shape, Pick.Timing> timings() {
        var all = new TreeMap<>(known);
        picks.forEach((shape, pick) -> {
            Pick.Timing timing = pick.timing();
            if (timing != null) {
                all.put(shape, timing);
            }
        });
        return all;
    }

    /** What is known and what is being tried, by shape. */
    List<Decision> decisions() {
        thread.awaitTable();
        List<Decision> decisions = new ArrayList<>();
        Map<PickTable.Shape, Pick.Timing> all = timings();
        String kernels = vector().name();
        picks.forEach((shape, pick) -> {
            if (pick.isAsked()) {
                all.putIfAbsent(shape, new Pick.Timing(false, 0, 0));
            }
        });
        all.forEach((shape, timing) -> {
            Pick pick = picks.get(shape);
            boolean keys = !shape.operation().equals("linear");
            decisions.add(new Decision(
                    shape.operation(),
                    AutoShapes.from(shape.rows()),
                    AutoShapes.to(shape.rows(), AutoShapes.ROWS),
                    keys ? AutoShapes.to(shape.n(), AutoShapes.KEYS) : shape.n(),
                    shape.k(),
                    pick != null ? pick.chosen(kernels) : timing.vector() ? kernels : "openblas",
                    timing.openBlasNanos(),
                    timing.vectorNanos(),
                    pick == null || pick.isCached()));
        });
        return decisions;
    }

    /** Stops compiling, and writes the table if there is news. Picks stay as they are, and can be used. */
    @Override
    public void close() {
        thread.close();
        if (kernels instanceof MachineMatMul machine) {
            machine.close();
        }
    }
}
