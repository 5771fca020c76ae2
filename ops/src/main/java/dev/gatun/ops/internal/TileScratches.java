package dev.gatun.ops.internal;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The scratch of {@link VectorAttention}, shared by the sessions of a backend: as much as threads have ever computed attention
 * at once, 80 KiB each and more with dK, where one for each session would be garbage on the heap with each session.
 */
public final class TileScratches {
    private static final int SLOTS = 64;

    private final AtomicReferenceArray<TileScratch> free = new AtomicReferenceArray<>(SLOTS);

    /** One that nobody else has until it is given back. */
    TileScratch take() {
        for (int i = 0; i < SLOTS; i++) {
            TileScratch scratch = free.get(i);
            if (scratch != null && free.compareAndSet(i, scratch, null)) {
                return scratch;
            }
        }
        return new TileScratch();
    }

    void give(TileScratch scratch) {
        scratch.memory = MemorySegment.NULL;
        scratch.keys = MemorySegment.NULL;
        scratch.values = MemorySegment.NULL;
        for (int i = 0; i < SLOTS; i++) {
            if (free.get(i) == null && free.compareAndSet(i, null, scratch)) {
                return;
            }
        }
    }
}
