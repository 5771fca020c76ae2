package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import jdk.jfr.Configuration;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The events of docs/JFR.md, recorded with its settings. */
class OpEventsTest {
    private static final Path SETTINGS = Path.of("..", "docs", "gatun.jfc");

    @TempDir
    Path folder;

    private List<RecordedEvent> record(Consumer<Ops> work) throws Exception {
        Path file = folder.resolve("ops.jfr");
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 2, null));
                Recording recording = new Recording(Configuration.create(SETTINGS))) {
            Ops ops = backend.newOps(arena);
            recording.start();
            work.accept(ops);
            recording.stop();
            recording.dump(file);
        }
        List<RecordedEvent> events = new ArrayList<>();
        for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
            if (event.getEventType().getName().startsWith("dev.gatun.")) {
                events.add(event);
            }
        }
        events.sort((a, b) -> a.getStartTime().compareTo(b.getStartTime()));
        return events;
    }

    @Test
    void aRecordingSumsToTheFlopAndBytesOfTheWork() throws Exception {
        try (Arena arena = Arena.ofShared();
                Backend scalar = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            Tensor x = random(arena, 1, 2, 3, 16);
            PackedWeight weight = scalar.pack(random(arena, 2, 32, 16), arena);
            Tensor out = nan(arena, 2, 3, 32);
            Tensor norm = random(arena, 3, 32);
            List<RecordedEvent> events = record(ops -> {
                ops.linear(x, weight, null, out);
                ops.layerNorm(out, norm, norm, 1e-5f, out);
                ops.activate(Activation.GELU, out, out);
            });
            assertThat(events)
                    .extracting(event -> event.getEventType().getName())
                    .containsExactly("dev.gatun.Linear", "dev.gatun.LayerNorm", "dev.gatun.Activate");
            RecordedEvent linear = events.getFirst();
            assertThat(linear.getInt("m")).isEqualTo(6);
            assertThat(linear.getInt("n")).isEqualTo(32);
            assertThat(linear.getInt("k")).isEqualTo(16);
            assertThat(linear.getString("backend")).isEqualTo("scalar");
            assertThat(events.get(1).getLong("rows")).isEqualTo(6);
            assertThat(events.get(1).getInt("width")).isEqualTo(32);
            assertThat(events.get(2).getString("function")).isEqualTo("GELU");
            long flop =
                    events.stream().mapToLong(event -> event.getLong("flop")).sum();
            long bytes =
                    events.stream().mapToLong(event -> event.getLong("bytes")).sum();
            assertThat(flop).isEqualTo(2 * 6 * 32 * 16 + (8 + 32) * 6 * 32);
            assertThat(bytes).isEqualTo(4 * (6 * 16 + 32 * 16 + 6 * 32) + 2 * 2 * 4 * 6 * 32);
            assertThat(events).allMatch(event -> event.getDuration().toNanos() > 0);
        }
    }

    @Test
    void everyOperatorHasItsEventAndTheSettingsNameThemAll() throws Exception {
        try (Arena arena = Arena.ofShared();
                Backend scalar = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            Tensor x = random(arena, 1, 4, 8);
            Tensor w = random(arena, 2, 8);
            PackedWeight weight = scalar.pack(random(arena, 3, 8, 8), arena);
            Tensor out = nan(arena, 4, 8);
            Tensor heads = random(arena, 4, 1, 2, 4, 8);
            Tensor angles = random(arena, 5, 1, 4, 4);
            Tensor outHeads = nan(arena, 1, 2, 4, 8);
            List<RecordedEvent> events = record(ops -> {
                ops.linear(x, weight, null, out);
                ops.linearGated(x, weight, null, Activation.SILU, weight, null, out);
                ops.matmul(heads, heads.transpose(2, 3), nan(arena, 1, 2, 4, 4));
                ops.attention(heads, heads, heads, AttentionMask.full(), 1f, 0f, outHeads);
                ops.softmax(x, out);
                ops.logSoftmax(x, out);
                ops.layerNorm(x, w, null, 1e-5f, out);
                ops.rmsNorm(x, w, 1e-5f, out);
                ops.activate(Activation.RELU, x, out);
                ops.add(x, w, out);
                ops.multiply(x, w, out);
                ops.scale(2f, x, out);
                ops.softCap(30f, out);
                ops.rope(heads, angles, angles, false, outHeads);
                ops.gather(x, new int[] {3, 2, 1, 0}, 0, out);
                ops.argMax(w);
            });
            assertThat(events)
                    .extracting(event -> event.getEventType().getName())
                    .doesNotHaveDuplicates()
                    .hasSameElementsAs(FlightRecorder.getFlightRecorder().getEventTypes().stream()
                            .map(type -> type.getName())
                            .filter(name -> name.startsWith("dev.gatun.") && !name.equals("dev.gatun.MachineCode"))
                            .toList())
                    .hasSize(16);
            RecordedEvent attention = events.get(3);
            assertThat(attention.getInt("heads")).isEqualTo(2);
            assertThat(attention.getLong("flop")).isEqualTo(2 * 2 * 4 * 4 * (8 + 8));
            assertThat(events.get(2).getLong("flop")).isEqualTo(2 * 2 * 4 * 4 * 8);
        }
    }

    @Test
    void offTheyMakeNoObjectEvenAfterARecording() throws Exception {
        try (Arena arena = Arena.ofShared();
                Backend scalar = Backend.open(new Backend.Options(Kind.SCALAR, 1, null));
                Recording other = new Recording(Configuration.getConfiguration("default"))) {
            other.start(); // a recording that does not ask for them
            Ops ops = scalar.newOps(arena);
            Tensor x = random(arena, 1, 4, 8);
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long allocated = Long.MAX_VALUE;
            for (int block = 0; block < 2000 && allocated > 0; block++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int call = 0; call < 100; call++) {
                    ops.softmax(x, x);
                    ops.activate(Activation.GELU, x, x);
                    ops.scale(2f, x, x);
                }
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            }
            assertThat(allocated).isZero();
        }
    }
}
