package dev.gatun.ops;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory that was taken earlier, handed out once to who asks an arena for it. Closing is up to the memory's own arena. */
record RoomArena(MemorySegment room) implements Arena {
    @Override
    public MemorySegment allocate(long byteSize, long byteAlignment) {
        return room.asSlice(0, byteSize, byteAlignment);
    }

    @Override
    public MemorySegment.Scope scope() {
        return room.scope();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException("the memory belongs to another arena");
    }
}
