package dev.gatun.memory;

import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * A number of bytes that models and sessions draw from before they allocate: each {@linkplain #reserve reserves} what its plan
 * says and gives it back when it is closed. One that does not fit is refused with its plan, and nothing has been allocated.
 * Thread-safe.
 */
public final class MemoryBudget {
    private static final MemoryBudget UNLIMITED = new MemoryBudget(Long.MAX_VALUE);
    private static final Reservation NOTHING = new Reservation(UNLIMITED, 0);

    private final long bytes;
    private long taken; // guarded by this

    private MemoryBudget(long bytes) {
        this.bytes = bytes;
    }

    /**
     * A budget of so many bytes.
     *
     * @throws IllegalArgumentException if they are negative
     */
    public static MemoryBudget of(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("budget of " + bytes + " bytes");
        }
        return new MemoryBudget(bytes);
    }

    /** A budget that refuses nothing and keeps no account. */
    public static MemoryBudget unlimited() {
        return UNLIMITED;
    }

    /** Whether it refuses anything. */
    public boolean isLimited() {
        return this != UNLIMITED;
    }

    /** Bytes that are not taken. */
    public synchronized long free() {
        return bytes - taken;
    }

    /** What was drawn from a budget. */
    public static final class Reservation implements AutoCloseable {
        private final MemoryBudget budget;
        private long bytes; // guarded by budget

        private Reservation(MemoryBudget budget, long bytes) {
            this.budget = budget;
            this.bytes = bytes;
        }

        /** Gives it back. Closing twice does nothing. */
        @Override
        public void close() {
            synchronized (budget) {
                budget.taken -= bytes;
                bytes = 0;
            }
        }
    }

    /**
     * Takes what a plan needs.
     *
     * @param what it is for, for the message
     * @param plan makes the plan; not called of an unlimited budget
     * @param wouldFit asked only if the plan does not fit: changes that would make it fit, each a phrase
     * @return to be closed after what was planned is closed
     * @throws MemoryBudgetException if it does not fit; the message has every item, what is taken already, and the changes
     */
    public Reservation reserve(String what, Supplier<MemoryPlan> plan, Supplier<List<String>> wouldFit) {
        if (!isLimited()) {
            return NOTHING;
        }
        MemoryPlan needed = plan.get();
        long total = needed.totalBytes();
        long open;
        synchronized (this) {
            if (total <= bytes - taken) {
                taken += total;
                return new Reservation(this, total);
            }
            open = taken;
        }
        List<String> changes = wouldFit.get();
        throw new MemoryBudgetException(String.format(
                Locale.ROOT,
                "%s needs %,d bytes, %,d more than are left of the budget of %,d%s%n%s%s",
                what,
                total,
                total - (bytes - open),
                bytes,
                open == 0 ? "" : String.format(Locale.ROOT, ", of which %,d are taken", open),
                needed,
                changes.isEmpty() ? "nothing smaller would fit" : "would fit: " + String.join("; ", changes)));
    }
}
