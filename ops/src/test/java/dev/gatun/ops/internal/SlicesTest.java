package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class SlicesTest {
    @Test
    void aSliceIsTheRestOfItsSegment() {
        try (Arena arena = Arena.ofConfined()) {
            Slices slices = new Slices();
            MemorySegment base = arena.allocate(100);
            assertThat(slices.of(base, 0)).isSameAs(base);
            MemorySegment rest = slices.of(base, 60);
            assertThat(rest.address()).isEqualTo(base.address() + 60);
            assertThat(rest.byteSize()).isEqualTo(40);
            MemorySegment shorter = base.asSlice(0, 80);
            assertThat(slices.of(shorter, 60).byteSize())
                    .as("the same address in another segment")
                    .isEqualTo(20);
            assertThatThrownBy(() -> slices.of(base, 101)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    /** 12 layers and 12 heads: keys and values, each layer's in a buffer of its own. */
    @Test
    void whatADecodingStepAsksForIsSoonRemembered() {
        try (Arena arena = Arena.ofConfined()) {
            Slices slices = new Slices();
            List<MemorySegment> buffers = new ArrayList<>();
            for (int i = 0; i < 2 * 12; i++) {
                buffers.add(arena.allocate(12 * 512 * 64 * Float.BYTES, 64));
            }
            for (int warmUp = 0; warmUp < 20; warmUp++) {
                step(slices, buffers);
            }
            List<MemorySegment> first = step(slices, buffers);
            List<MemorySegment> second = step(slices, buffers);
            for (int i = 0; i < first.size(); i++) {
                assertThat(second.get(i)).isSameAs(first.get(i));
            }
        }
    }

    private static List<MemorySegment> step(Slices slices, List<MemorySegment> buffers) {
        List<MemorySegment> asked = new ArrayList<>();
        for (MemorySegment buffer : buffers) {
            for (int head = 0; head < 12; head++) {
                asked.add(slices.of(buffer, head * 512L * 64 * Float.BYTES));
            }
        }
        return asked;
    }

    @Test
    void moreSlicesThanThereIsRoomForAreStillRight() {
        try (Arena arena = Arena.ofConfined()) {
            Slices slices = new Slices();
            MemorySegment base = arena.allocate(100_000);
            for (int round = 0; round < 2; round++) {
                for (int offset = 0; offset < 100_000; offset += 4) {
                    MemorySegment slice = slices.of(base, offset);
                    assertThat(slice.address() - base.address()).isEqualTo(offset);
                    assertThat(slice.byteSize()).isEqualTo(100_000 - offset);
                }
            }
        }
    }
}
