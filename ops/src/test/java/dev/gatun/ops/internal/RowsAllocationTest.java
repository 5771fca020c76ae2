package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.gatun.ops.Activation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("species")
class RowsAllocationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @ParameterizedTest
    @ValueSource(strings = {"scalar", "vector"})
    void onceCompiledNoOperatorAllocates(String name) {
        Rows rows = name.equals("scalar") ? new ScalarRows() : new VectorRows();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(1 << 16, 64);
            for (int i = 0; i < 1 << 14; i++) {
                memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, 0.001f * (i % 1000) - 0.5f);
            }
            // C2 compiles in the background and starts over where it guessed wrong, so the end of the warm-up shows in
            // the
            // figure itself: blocks of calls are run until one has allocated nothing, or a minute has gone.
            long allocated = Long.MAX_VALUE;
            long deadline = System.nanoTime() + 60_000_000_000L;
            while (allocated > 0 && System.nanoTime() < deadline) {
                long before = THREADS.getCurrentThreadAllocatedBytes();
                for (int call = 0; call < 50; call++) {
                    everyOperator(rows, memory, 32 + call % 37);
                }
                allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
            }
            assertThat(allocated)
                    .as("bytes that 50 calls of every operator allocate")
                    .isZero();
        }
    }

    private static final Activation[] ACTIVATIONS = Activation.values();

    private static void everyOperator(Rows k, MemorySegment s, int cols) {
        long x = 0;
        long y = 1 << 13;
        long out = 1 << 14;
        long stride = cols * 4L + 8;
        k.softmax(s, x, stride, s, out, stride, 4, cols);
        k.logSoftmax(s, x, stride, s, out, stride, 4, cols);
        k.softmaxTile(s, out, stride, 4, cols, s, 1 << 15, 4);
        k.scaleRows(s, out, stride, 4, cols, s, y);
        k.divideRows(s, out, stride, 4, cols, s, y);
        k.layerNorm(s, x, stride, s, y, s, y, 1e-5f, s, out, stride, 4, cols);
        k.layerNorm(s, x, stride, s, y, null, 0, 1e-5f, s, out, stride, 4, cols);
        k.rmsNorm(s, x, stride, s, y, 1e-5f, s, out, stride, 4, cols);
        for (Activation activation : ACTIVATIONS) {
            k.activate(activation, s, x, stride, s, out, stride, 4, cols);
        }
        k.add(s, x, stride, s, y, 0, s, out, stride, 4, cols);
        k.multiply(s, x, stride, s, y, stride, s, out, stride, 4, cols);
        k.scale(0.5f, s, x, stride, s, out, stride, 4, cols);
        k.softCap(30f, s, out, stride, 4, cols);
        k.rope(s, x, stride, s, y, s, y, 256, 32, false, s, out, stride, 4, cols);
        k.rope(s, x, stride, s, y, s, y, 256, 32, true, s, out, stride, 4, cols);
        k.argMax(s, x, cols);
    }
}
