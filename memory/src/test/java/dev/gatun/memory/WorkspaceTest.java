package dev.gatun.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import org.junit.jupiter.api.Test;

class WorkspaceTest {
    /** An arena that tells what is asked of it. */
    private record CountingArena(Arena arena, LongConsumer allocated) implements Arena {
        @Override
        public MemorySegment allocate(long byteSize, long byteAlignment) {
            allocated.accept(byteSize);
            return arena.allocate(byteSize, byteAlignment);
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

    @Test
    void takesToTheByteWhatTheLayoutSaid() {
        Workspace.Layout layout = new Workspace.Layout()
                .f32("q", 2, 3)
                .add("ids", DType.I64, Shape.of(9))
                .f32("none", 0);
        assertThat(layout.byteSize()).isEqualTo(64 + 128);
        AtomicLong allocated = new AtomicLong();
        try (Arena arena = new CountingArena(Arena.ofConfined(), allocated::addAndGet)) {
            Workspace workspace = layout.allocate(arena);
            assertThat(allocated).hasValue(layout.byteSize());
            assertThat(workspace.byteSize()).isEqualTo(layout.byteSize());
        }
    }

    @Test
    void givesZeroedAlignedBuffersThatDoNotOverlap() {
        try (Arena arena = Arena.ofConfined()) {
            Workspace workspace =
                    new Workspace.Layout().f32("a", 5).f32("b", 3, 7).allocate(arena);
            Tensor a = workspace.get("a");
            Tensor b = workspace.get("b");
            assertThat(b.toFloats()).containsOnly(0f);
            a.segment().fill((byte) 1);
            assertThat(b.toFloats()).containsOnly(0f);
            assertThat(a.segment().address() % Tensor.ALIGNMENT).isZero();
            assertThat(b.segment().address() % Tensor.ALIGNMENT).isZero();
            assertThat(b.shape()).isEqualTo(Shape.of(3, 7));
        }
    }

    @Test
    void namesTheBuffersItHasWhenAskedForAnother() {
        try (Arena arena = Arena.ofConfined()) {
            Workspace workspace = new Workspace.Layout().f32("scores", 1).allocate(arena);
            assertThatThrownBy(() -> workspace.get("score"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("score", "[scores]");
        }
    }

    @Test
    void refusesANameTwice() {
        Workspace.Layout layout = new Workspace.Layout().f32("q", 1);
        assertThatThrownBy(() -> layout.f32("q", 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("q");
    }
}
