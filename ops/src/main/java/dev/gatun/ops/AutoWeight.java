package dev.gatun.ops;

import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A weight that OpenBLAS reads where the checkpoint has it, and the vector kernels in a layout of theirs, once it is filled. Of F32
 * either may be the faster; what OpenBLAS has to widen goes over to the vector kernels as soon as they are compiled.
 */
final class AutoWeight implements PackedWeight {
    private final PackedWeight inPlace;
    private final Pick @Nullable [] picks;
    private final Auto.@Nullable Compiled oneRow;
    private final Auto.@Nullable Compiled moreRows;
    private final Supplier<PackedWeight> filler;
    private final Executor background;
    private final AtomicBoolean asked = new AtomicBoolean();
    private volatile @Nullable PackedWeight panels;

    /**
     * Keeps its arguments.
     *
     * @param inPlace for OpenBLAS
     * @param picks for each class of rows, see {@link AutoShapes}
     * @param filler fills the panels and returns them; called once, when somebody wants them
     * @param background where that is done
     */
    AutoWeight(PackedWeight inPlace, Pick[] picks, Supplier<PackedWeight> filler, Executor background) {
        this.inPlace = inPlace;
        this.picks = picks;
        this.oneRow = null;
        this.moreRows = null;
        this.filler = filler;
        this.background = background;
    }

    /**
     * A weight that OpenBLAS has to widen.
     *
     * @param oneRow whether the vector kernels of one row are compiled
     * @param moreRows those of more rows
     */
    AutoWeight(
            PackedWeight inPlace,
            Auto.Compiled oneRow,
            Auto.Compiled moreRows,
            Supplier<PackedWeight> filler,
            Executor background) {
        this.inPlace = inPlace;
        this.picks = null;
        this.oneRow = oneRow;
        this.moreRows = moreRows;
        this.filler = filler;
        this.background = background;
    }

    @Override
    public int n() {
        return inPlace.n();
    }

    @Override
    public int k() {
        return inPlace.k();
    }

    /** Who may be the faster with m rows; null where the vector kernels are, once they are compiled. */
    @Nullable
    Pick pick(int m) {
        return picks == null ? null : picks[AutoShapes.ofRows(m)];
    }

    /** Of a weight without picks, whether the vector kernels for m rows are compiled. */
    boolean isCompiled(int m) {
        Auto.Compiled compiled = m == 1 ? oneRow : moreRows;
        return compiled == null || compiled.isDone();
    }

    @Override
    public long byteSize() {
        PackedWeight there = panels;
        return (there == null ? inPlace : there).byteSize();
    }

    PackedWeight inPlace() {
        return inPlace;
    }

    /** For the vector kernels; null until they are filled, which the first call asks for. */
    @Nullable
    PackedWeight panels() {
        PackedWeight there = panels;
        if (there == null && !asked.get() && asked.compareAndSet(false, true)) {
            background.execute(this::filledPanels);
        }
        return there;
    }

    /** For the vector kernels; filled by this thread if they are not yet. */
    PackedWeight filledPanels() {
        PackedWeight there = panels;
        return there == null ? fill() : there;
    }

    private synchronized PackedWeight fill() {
        PackedWeight there = panels;
        if (there == null) {
            there = filler.get();
            panels = there;
        }
        return there;
    }
}
