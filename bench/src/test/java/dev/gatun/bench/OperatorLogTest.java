package dev.gatun.bench;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.cli.Failure;
import dev.gatun.cli.Results;
import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Ops;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import jdk.jfr.Recording;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A recording of operators, read again and placed under the limits; and files that are none. */
class OperatorLogTest {
    @TempDir
    private Path folder;

    private Path record(String... events) throws IOException {
        Path file = folder.resolve("gatun.jfr");
        try (Recording recording = new Recording();
                Arena arena = Arena.ofConfined();
                Backend backend = Backend.open(new Backend.Options(Backend.Kind.SCALAR, 1, null))) {
            for (String event : events) {
                recording.enable("dev.gatun." + event);
            }
            recording.start();
            Ops ops = backend.newOps(arena);
            Tensor w = Tensor.allocate(arena, DType.F32, Shape.of(40, 300));
            for (int rows = 1; rows <= 6; rows++) {
                Tensor x = Tensor.allocate(arena, DType.F32, Shape.of(rows, 300));
                ops.linear(x, backend.pack(w, arena), null, Tensor.allocate(arena, DType.F32, Shape.of(rows, 40)));
            }
            Tensor q = Tensor.allocate(arena, DType.F32, Shape.of(1, 4, 30, 16));
            Tensor k = Tensor.allocate(arena, DType.F32, Shape.of(1, 2, 30, 16));
            Tensor out = Tensor.allocate(arena, DType.F32, Shape.of(1, 4, 30, 16));
            ops.attention(q, k, k, AttentionMask.causal(), 1f, 0f, out);
            ops.softmax(w, w);
            recording.stop();
            recording.dump(file);
        }
        return file;
    }

    private static BenchRun run(ByteArrayOutputStream out) {
        var catalogue = new Catalogue(new Caches(1 << 12, 1 << 14), true, 64);
        var settings = new BenchRun.Settings(
                catalogue, 1, new Comparison.Pace(1, 1, 1, Long.MAX_VALUE), new ColdStart.Pace(1, 0));
        return new BenchRun(
                settings,
                kind -> new LocalEngine(kind.open(1)),
                new LinkedHashMap<>(),
                new TextReport(new Results(out)));
    }

    @Test
    void whatWasRecordedStandsUnderTheLimits() throws Exception {
        OperatorLog log = OperatorLog.read(record("Linear", "Attention", "Softmax"));
        var out = new ByteArrayOutputStream();

        Report report = run(out).recorded(log);

        assertThat(report.results())
                .extracting(result -> result.benchmark().name())
                .containsExactlyInAnyOrder(
                        "Linear 40x300 M 1, scalar",
                        "Linear 40x300 M 2, scalar",
                        "Linear 40x300 M to 4, scalar",
                        "Linear 40x300 M to 8, scalar",
                        "Attention heads 4/2 dK 16 queries to 32 keys to 32, scalar",
                        "Softmax width 300 rows to 64, scalar");
        for (Result result : report.results()) {
            boolean two = result.benchmark().variant().contains("M to");
            assertThat(result.weight()).isEqualTo(two ? 2 : 1);
            assertThat(result.values().firstEntry().getValue().median()).isPositive();
        }
        assertThat(out.toString(UTF_8))
                .contains("FMA peak", "FLOP/B", "Linear 40x300 M to 4, scalar", "Operators of the recording");
        assertThat(HtmlReport.of(report)).contains("Linear 40x300 M to 4, scalar", "Roofline");
        Path json = folder.resolve("report.json");
        JsonReport.write(report, json);
        assertThat(json).content().contains("\"recorded\"");
    }

    @Test
    void whatIsNoRecordingIsRefused() throws Exception {
        assertThatThrownBy(() -> OperatorLog.read(folder.resolve("none.jfr")))
                .isInstanceOf(Failure.class)
                .hasMessageEndingWith("there is no such file");
        Path empty = Files.createFile(folder.resolve("empty.jfr"));
        assertThatThrownBy(() -> OperatorLog.read(empty))
                .isInstanceOf(Failure.class)
                .hasMessageContaining("cannot be read as a recording");
        Path file = record();
        assertThatThrownBy(() -> OperatorLog.read(file))
                .isInstanceOf(Failure.class)
                .hasMessageContaining("no operator was recorded");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length / 2));
        assertThatThrownBy(() -> OperatorLog.read(file)).isInstanceOf(Failure.class);
        Arrays.fill(bytes, 100, Math.min(bytes.length, 400), (byte) -1);
        Files.write(file, bytes);
        assertThatThrownBy(() -> OperatorLog.read(file)).isInstanceOf(Failure.class);
    }
}
