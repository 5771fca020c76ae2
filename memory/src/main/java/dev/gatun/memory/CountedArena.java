package dev.gatun.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/**
 * An arena that counts the bytes it was asked for, so that a plan can be held against what was taken. Thread-safe as far as the
 * arena behind it is.
 *
 * <p>Beside what it has allocated it knows what will have been allocated in the end: a weight that is packed later, or never in
 * a dry run, counts there from the start ({@link #expect}).
 */
public final class CountedArena implements Arena {
    private final Arena arena;
    private final AtomicLong allocated;
    private final AtomicLong expected;
    private final boolean expects;

    private CountedArena(Arena arena, AtomicLong allocated, AtomicLong expected, boolean expects) {
        this.arena = arena;
        this.allocated = allocated;
        this.expected = expected;
        this.expects = expects;
    }

    /** A new shared arena, counted. */
    public static CountedArena ofShared() {
        return new CountedArena(Arena.ofShared(), new AtomicLong(), new AtomicLong(), true);
    }

    /** The same arena for allocations that somebody has said to {@link #expect}: they do not count there again. */
    public Arena expected() {
        return new CountedArena(arena, allocated, expected, false);
    }

    /** Counts bytes that {@link #expected()} will be asked for. */
    public void expect(long bytes) {
        expected.addAndGet(bytes);
    }

    /** Bytes asked for so far. */
    public long byteSize() {
        return allocated.get();
    }

    /** Bytes asked for in the end: all but those of {@link #expected()}, and what {@link #expect} was told. */
    public long expectedByteSize() {
        return expected.get();
    }

    @Override
    public MemorySegment allocate(long byteSize, long byteAlignment) {
        MemorySegment segment = arena.allocate(byteSize, byteAlignment);
        allocated.addAndGet(byteSize);
        if (expects) {
            expected.addAndGet(byteSize);
        }
        return segment;
    }

    @Override
    public MemorySegment.Scope scope() {
        return arena.scope();
    }

    @Override
    public void close() {
        arena.close();
    }
}
