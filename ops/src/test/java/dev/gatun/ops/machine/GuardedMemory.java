package dev.gatun.ops.machine;

import java.lang.foreign.MemorySegment;

/** Memory that ends where a page without access begins: one byte too far ends the process, not some other test. */
final class GuardedMemory implements AutoCloseable {
    private static final long PAGE = 1 << 14;

    private final PageCalls calls = PageCalls.ofThisSystem();
    private final MemorySegment whole;
    private final MemorySegment pages;

    GuardedMemory(long bytes) {
        long inner = (bytes + PAGE - 1) / PAGE * PAGE;
        whole = calls.reserve(inner + 2 * PAGE);
        pages = whole.asSlice(PAGE, inner);
        calls.makeWritable(pages);
    }

    /** The last {@code bytes} bytes before the guard. */
    MemorySegment last(long bytes) {
        return pages.asSlice(pages.byteSize() - bytes);
    }

    /** The first {@code bytes} bytes after the guard before them. */
    MemorySegment first(long bytes) {
        return pages.asSlice(0, bytes);
    }

    @Override
    public void close() {
        calls.release(whole);
    }
}
