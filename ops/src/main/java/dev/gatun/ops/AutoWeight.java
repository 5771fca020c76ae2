package dev.gatun.ops;

import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A weight that OpenBLAS reads where the checkpoint has it, and the vector kernels as panels, once they are filled. */
final class AutoWeight implements PackedWeight {
    private final PackedWeight inPlace;
    private final Pick[] picks;
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

    Pick pick(int m) {
        return picks[AutoShapes.ofRows(m)];
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
