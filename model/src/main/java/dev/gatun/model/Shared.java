package dev.gatun.model;

import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;

/**
 * Something that many callers use at once, which can be replaced and closed under way: whoever has begun with the old one ends with
 * it, and it is closed when the last of them has.
 */
final class Shared<T extends Shared.Resource> implements AutoCloseable {
    /** Something to close that throws nothing checked. */
    interface Resource extends AutoCloseable {
        @Override
        void close();
    }

    /** One value and its users, who hold the read lock. */
    private static final class Generation<T> {
        final T value;
        final ReadWriteLock lock = new ReentrantReadWriteLock();
        boolean closed; // guarded by lock

        Generation(T value) {
            this.value = value;
        }
    }

    private final String name;
    private volatile Generation<T> current;

    /** Holds {@code value}; {@code name} is what errors call it. */
    Shared(String name, T value) {
        this.name = name;
        this.current = new Generation<>(value);
    }

    /**
     * Lets {@code call} use the present value.
     *
     * @throws IllegalStateException after {@link #close}
     */
    <R> R use(Function<T, R> call) {
        while (true) {
            Generation<T> generation = current;
            generation.lock.readLock().lock();
            try {
                if (!generation.closed) {
                    return call.apply(generation.value);
                }
            } finally {
                generation.lock.readLock().unlock();
            }
            if (generation == current) {
                throw new IllegalStateException("the " + name + " is closed");
            }
            // It was replaced between our look and our lock: take the new one.
        }
    }

    /** Puts another value in the place of the present one, and closes that when nobody uses it any more. */
    synchronized void replace(T value) {
        Generation<T> old = current;
        if (old.closed) {
            value.close();
            throw new IllegalStateException("the " + name + " is closed");
        }
        current = new Generation<>(value);
        retire(old);
    }

    private static <T extends Resource> void retire(Generation<T> generation) {
        generation.lock.writeLock().lock();
        try {
            if (!generation.closed) {
                generation.closed = true;
                generation.value.close();
            }
        } finally {
            generation.lock.writeLock().unlock();
        }
    }

    /** Waits for those who use the value, and closes it; closing twice does nothing. */
    @Override
    public synchronized void close() {
        retire(current);
    }
}
