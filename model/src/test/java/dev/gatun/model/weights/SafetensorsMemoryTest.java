package dev.gatun.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Headers made to need far more memory than their size. Counted is all that is allocated, also what is garbage at once. */
class SafetensorsMemoryTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final long MB = 1 << 20;

    @TempDir
    private Path folder;

    private long allocated(String header, String... message) throws IOException {
        Path file = RawSafetensors.write(folder.resolve("x.safetensors"), header, 0);
        try (Arena arena = Arena.ofConfined()) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            if (message.length == 0) {
                SafetensorsFile.open(file, arena);
            } else {
                assertThatThrownBy(() -> SafetensorsFile.open(file, arena))
                        .isInstanceOf(ModelFormatException.class)
                        .hasMessageContainingAll(message);
            }
            return THREADS.getCurrentThreadAllocatedBytes() - before;
        }
    }

    private static String tinyTensors(int count) {
        var header = new StringBuilder("{");
        for (int i = 0; i < count; i++) {
            header.append(i == 0 ? "" : ",")
                    .append('"')
                    .append(i)
                    .append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
        }
        return header.append('}').toString();
    }

    @Test
    void asManyTensorsAsAreAllowedTakeABoundedAmount() throws IOException {
        assertThat(allocated(tinyTensors(SafetensorsFile.MAX_TENSORS))).isLessThan(160 * MB);
    }

    @Test
    void oneTensorMoreIsRefused() throws IOException {
        allocated(tinyTensors(SafetensorsFile.MAX_TENSORS + 1), "tensor 131072", "at most 131072");
    }

    @Test
    void aHugeMetadataStringIsNeverHeld() throws IOException {
        String header = "{\"__metadata__\":{\"a\":\"" + "x".repeat(30_000_000) + "\"}}";
        assertThat(allocated(header)).isLessThan(4 * MB);
    }

    @Test
    void hugeNamesNumbersAndNestingAreRefusedBeforeTheyAreHeld() throws IOException {
        assertThat(allocated("{\"" + "n".repeat(30_000_000), "Name length")).isLessThan(4 * MB);
        assertThat(allocated("{\"a\":{\"shape\":[" + "9".repeat(30_000_000), "tensor a", "length"))
                .isLessThan(4 * MB);
        assertThat(allocated("{\"a\":{\"shape\":[" + "1,".repeat(15_000_000), "dimensions"))
                .isLessThan(4 * MB);
        assertThat(allocated("{\"a\":" + "[".repeat(30_000_000), "tensor a")).isLessThan(4 * MB);
    }
}
