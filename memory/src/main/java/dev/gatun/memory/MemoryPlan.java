package dev.gatun.memory;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What a run will need, item by item, in bytes, before anything is allocated. Immutable; {@link #plus} returns a longer plan.
 *
 * @param items the parts, in the order they were added
 */
public record MemoryPlan(List<Item> items) {
    /** How long an item lives. */
    public enum Lifetime {
        /** File pages that are mapped: the system shares them and may drop them. Opened and closed by the model. */
        MAPPED,
        /** Weights in a layout of our own. Opened and closed by the model. */
        WEIGHTS,
        /** Cache, activations, scratch. Opened and closed by the session. */
        SESSION
    }

    /**
     * One part of the plan.
     *
     * @param name what it is
     * @param lifetime how long it lives
     * @param bytes how much it takes, 0 or more
     */
    public record Item(String name, Lifetime lifetime, long bytes) {
        /** Checks that bytes are not negative. */
        public Item {
            if (bytes < 0) {
                throw new IllegalArgumentException("plan item " + name + ": " + bytes + " bytes");
            }
        }
    }

    /** Copies the list. */
    public MemoryPlan {
        items = List.copyOf(items);
    }

    /** A plan that needs nothing. */
    public static MemoryPlan empty() {
        return new MemoryPlan(List.of());
    }

    /** This plan and one more item. */
    public MemoryPlan plus(String name, Lifetime lifetime, long bytes) {
        return plus(new MemoryPlan(List.of(new Item(name, lifetime, bytes))));
    }

    /** This plan and all of another. */
    public MemoryPlan plus(MemoryPlan other) {
        var all = new ArrayList<>(items);
        all.addAll(other.items);
        return new MemoryPlan(all);
    }

    /** Bytes of all items; overflow is refused. */
    public long totalBytes() {
        return items.stream().mapToLong(Item::bytes).reduce(0, Math::addExact);
    }

    /** Bytes of the items of one lifetime. */
    public long totalBytes(Lifetime lifetime) {
        return items.stream()
                .filter(item -> item.lifetime == lifetime)
                .mapToLong(Item::bytes)
                .reduce(0, Math::addExact);
    }

    /**
     * Returns this plan if it fits.
     *
     * @throws MemoryBudgetException if the total exceeds {@code budget} bytes
     */
    public MemoryPlan requireWithin(long budget) {
        if (totalBytes() > budget) {
            throw new MemoryBudgetException(
                    "plan needs " + totalBytes() + " bytes, budget is " + budget + ":\n" + this);
        }
        return this;
    }

    /** One line an item: name, lifetime, bytes; the total last. */
    @Override
    public String toString() {
        var text = new StringBuilder();
        for (Item item : items) {
            text.append(row(item.name, item.lifetime.name().toLowerCase(Locale.ROOT), item.bytes));
        }
        return text.append(row("total", "", totalBytes())).toString();
    }

    private static String row(String name, String lifetime, long bytes) {
        return String.format(Locale.ROOT, "%-32s %-8s %,20d bytes\n", name, lifetime, bytes);
    }
}
