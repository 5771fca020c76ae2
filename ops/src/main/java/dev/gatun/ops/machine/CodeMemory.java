package dev.gatun.ops.machine;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import jdk.jfr.FlightRecorder;

/**
 * Machine code in pages that can be run and read but not written, a page without access on either side. Whoever makes one closes
 * it, after the last call of what is in it.
 */
final class CodeMemory implements AutoCloseable {
    private static final long PAGE = 1 << 14; // of Apple's CPUs; a multiple of everybody else's

    private final Arena arena;
    private final MemorySegment[] entries;

    private CodeMemory(Arena arena, MemorySegment[] entries) {
        this.arena = arena;
        this.entries = entries;
    }

    /**
     * A copy of {@code code} that can be run. Its pages have its name in the process's map, which the JVM prints when it crashes, where
     * the system names pages; its functions are told to the Flight Recorder and to {@code map}.
     *
     * @throws MachineUnavailableException if the system does not let pages be run
     */
    @SuppressWarnings("restricted") // the pages live as long as the arena
    static CodeMemory of(PageCalls calls, CodeMap map, NamedCode code) {
        byte[] bytes = code.bytes();
        long inner = (bytes.length + PAGE - 1) / PAGE * PAGE;
        Arena arena = Arena.ofShared();
        try {
            MemorySegment whole = calls.reserve(inner + 2 * PAGE).reinterpret(arena, calls::release);
            MemorySegment pages = whole.asSlice(PAGE, inner);
            calls.makeWritable(pages);
            pages.copyFrom(MemorySegment.ofArray(bytes));
            calls.makeExecutable(pages);
            calls.name(pages, "gatun " + code.name());
            List<NamedCode.Function> functions = code.functions();
            var entries = new MemorySegment[functions.size()];
            for (int i = 0; i < entries.length; i++) {
                int at = functions.get(i).at();
                int end = i + 1 < entries.length ? functions.get(i + 1).at() : bytes.length;
                entries[i] = pages.asSlice(at, end - at);
                map.add(functions.get(i).name(), entries[i].address(), end - at);
                if (FlightRecorder.isInitialized()) { // or the event's class would, which takes 0.1 s
                    MachineCodeEvent.commit(functions.get(i).name(), entries[i].address(), end - at);
                }
            }
            return new CodeMemory(arena, entries);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** A function, in the order in which they were written; it can be called until this is closed. */
    MemorySegment entry(int function) {
        return entries[function];
    }

    int functions() {
        return entries.length;
    }

    /**
     * @throws IllegalStateException if a call is under way
     */
    @Override
    public void close() {
        arena.close();
    }
}
