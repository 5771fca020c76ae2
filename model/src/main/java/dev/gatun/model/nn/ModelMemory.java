package dev.gatun.model.nn;

import dev.gatun.memory.CountedArena;
import dev.gatun.memory.MemoryBudget;
import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;

/** What a model's weights take, planned before and accounted for while it is open. */
public final class ModelMemory {
    /** Of a model that takes nothing from a budget, because it is only planned. */
    public static final Reservation NONE = MemoryBudget.unlimited().reserve("", MemoryPlan::empty, List::of);

    private ModelMemory() {}

    /** Plans a model, with a backend that only plans. */
    @FunctionalInterface
    public interface Planner {
        /** What the model will take. */
        MemoryPlan plan() throws IOException;
    }

    /**
     * Takes what a model needs from the backend's budget.
     *
     * @param planner called where the budget is limited
     * @throws dev.gatun.memory.MemoryBudgetException if it does not fit
     * @throws IOException as the planner
     */
    public static Reservation reserve(String name, Backend backend, Planner planner) throws IOException {
        if (backend.isForPlanning() || !backend.budget().isLimited()) {
            return NONE;
        }
        MemoryPlan plan = planner.plan();
        return backend.budget().reserve("the model " + name, () -> plan, List::of);
    }

    /** As {@link #reserve}, of a model whose files are open. */
    public static Reservation reserveOpen(String name, Backend backend, Planner planner) {
        try {
            return reserve(name, backend, planner);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Files and what was made of them. */
    public static MemoryPlan plan(Weights weights, CountedArena arena) {
        return MemoryPlan.empty()
                .plus("checkpoint", Lifetime.MAPPED, weights.byteSize())
                .plus("packed weights", Lifetime.WEIGHTS, arena.expectedByteSize());
    }
}
