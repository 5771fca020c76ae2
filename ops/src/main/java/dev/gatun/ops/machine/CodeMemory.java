package dev.gatun.ops.machine;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Machine code in pages that can be run and read but not written, a page without access on either side. Whoever makes one closes
 * it, after the last call of what is in it.
 */
final class CodeMemory implements AutoCloseable {
    private static final long PAGE = 1 << 14; // of Apple's CPUs; a multiple of everybody else's

    private final Arena arena;
    private final MemorySegment code;

    private CodeMemory(Arena arena, MemorySegment code) {
        this.arena = arena;
        this.code = code;
    }

    /**
     * A copy of {@code code} that can be run.
     *
     * @throws MachineUnavailableException if the system does not let pages be run
     */
    @SuppressWarnings("restricted") // the pages live as long as the arena
    static CodeMemory of(PageCalls calls, byte[] code) {
        long inner = (code.length + PAGE - 1) / PAGE * PAGE;
        Arena arena = Arena.ofShared();
        try {
            MemorySegment whole = calls.reserve(inner + 2 * PAGE).reinterpret(arena, calls::release);
            MemorySegment pages = whole.asSlice(PAGE, inner);
            calls.makeWritable(pages);
            pages.copyFrom(MemorySegment.ofArray(code));
            calls.makeExecutable(pages);
            return new CodeMemory(arena, pages.asSlice(0, code.length));
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** Where the code at {@code offset} can be called, until this is closed. */
    MemorySegment entry(int offset) {
        return code.asSlice(offset);
    }

    /**
     * @throws IllegalStateException if a call is under way
     */
    @Override
    public void close() {
        arena.close();
    }
}
