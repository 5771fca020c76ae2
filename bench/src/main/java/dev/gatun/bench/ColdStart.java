package dev.gatun.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.gatun.ops.Backend;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Fresh processes, in turn, from their start to the result of one {@link MiniLmStack}, and on until calls run at full speed. They
 * start as {@code ./gatun} starts: classes from an archive, the serial collector, files in the page cache.
 */
final class ColdStart {
    /**
     * What fresh processes with a backend took, in milliseconds.
     *
     * @param first from the start of the process to the first result
     * @param fullSpeed from the start of the process until calls ran at full speed
     * @param call one call at full speed
     */
    record Result(EngineKind backend, Stats first, Stats fullSpeed, Stats call) {}

    /**
     * How much to measure.
     *
     * @param processes of each backend
     * @param goOnMillis for which each calls on after its first result
     */
    record Pace(int processes, int goOnMillis) {
        static final Pace FULL = new Pace(9, 5000);
        static final Pace QUICK = new Pace(3, 4000);
    }

    private record Sample(double firstMillis, FullSpeed fullSpeed) {}

    private final Pace pace;
    private final int threads;
    private final Consumer<String> notes;

    ColdStart(Pace pace, int threads, Consumer<String> notes) {
        this.pace = pace;
        this.threads = threads;
        this.notes = notes;
    }

    List<Result> run(List<Backend.Kind> backends) throws IOException {
        Path folder = Files.createTempDirectory("gatun-bench");
        try {
            Path weights = folder.resolve("stack.safetensors");
            MiniLmStack.write(weights);
            // As the launcher makes it; this also brings the weights into the page cache.
            String cached = ChildJvm.aotCache(
                    folder.resolve("start.aot"), option -> process(Backend.Kind.AUTO, weights, 0, List.of(option)));
            Map<Backend.Kind, List<Sample>> samples = new LinkedHashMap<>();
            for (int i = 0; i < pace.processes; i++) {
                for (Backend.Kind kind : backends) {
                    samples.computeIfAbsent(kind, _ -> new ArrayList<>())
                            .add(start(kind, weights, pace.goOnMillis, List.of(cached)));
                }
            }
            List<Result> results = new ArrayList<>();
            samples.forEach((kind, of) -> results.add(result(kind, of)));
            return results;
        } finally {
            delete(folder);
        }
    }

    private Result result(Backend.Kind kind, List<Sample> samples) {
        List<Double> first = new ArrayList<>();
        List<Double> full = new ArrayList<>();
        List<Double> call = new ArrayList<>();
        for (Sample sample : samples) {
            first.add(sample.firstMillis);
            if (Double.isNaN(sample.fullSpeed.callMillis())) {
                notes.accept("cold start, " + kind + ": too few calls to say when they run at full speed");
            }
            full.add(sample.firstMillis + sample.fullSpeed.afterMillis());
            call.add(sample.fullSpeed.callMillis());
        }
        return new Result(EngineKind.of(kind), Stats.of(first), Stats.of(full), Stats.of(call));
    }

    private ProcessBuilder process(Backend.Kind kind, Path weights, int goOnMillis, List<String> options) {
        return ChildJvm.asLaunched(
                ColdMain.class,
                options,
                List.of(kind.toString(), Integer.toString(threads), weights.toString(), Integer.toString(goOnMillis)));
    }

    private Sample start(Backend.Kind kind, Path weights, int goOnMillis, List<String> options) throws IOException {
        ProcessBuilder builder = process(kind, weights, goOnMillis, options);
        long start = System.nanoTime();
        Process process = ChildJvm.start(builder);
        try (BufferedReader out = process.inputReader(UTF_8)) {
            String line = out.readLine();
            double millis = (System.nanoTime() - start) / 1e6;
            String full = out.readLine();
            if (line == null || full == null || !line.startsWith(ColdMain.FIRST)) {
                throw new IOException("cold start: the process with " + kind + " failed, it says why on stderr");
            }
            return new Sample(millis, FullSpeed.parse(full));
        } finally {
            process.destroy();
        }
    }

    private static void delete(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
