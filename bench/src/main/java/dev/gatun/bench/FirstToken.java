package dev.gatun.bench;

import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Fresh processes, in turn, from their start to the first byte of text that follows a prompt. Ours are {@code gatun generate} as
 * {@code ./gatun} starts it.
 */
final class FirstToken {
    /** Some 32 tokens. */
    private static final String PROMPT =
            "A canal lock is a chamber with gates at both ends. A ship goes in, the gates close behind it, water"
                    + " flows in, and the ship";

    private final int processes;
    private final List<EngineKind> kinds = new ArrayList<>();
    private final @Nullable Path llamaCpp;
    private final Consumer<String> notes;

    /**
     * @param processes of each engine and case; one more fills the page cache
     * @param backends of ours
     * @param llamaCpp the script that starts the peer, or null
     */
    FirstToken(int processes, List<Backend.Kind> backends, @Nullable Path llamaCpp, Consumer<String> notes) {
        this.processes = processes;
        backends.forEach(backend -> kinds.add(EngineKind.of(backend)));
        this.llamaCpp = llamaCpp;
        if (llamaCpp != null) {
            kinds.add(EngineKind.LLAMA_CPP);
        }
        this.notes = notes;
    }

    Result run(Case benchmark) throws IOException {
        Op.FirstToken op = (Op.FirstToken) benchmark.op();
        Path cache = Files.createTempFile("gatun-bench", ".aot");
        Files.delete(cache); // the JVM that makes it wants none there
        try {
            // As the launcher has it made after a build.
            EngineKind auto = EngineKind.of(Backend.Kind.AUTO);
            String cached = ChildJvm.aotCache(cache, option -> ours(auto, op, List.of(option)));
            Map<EngineKind, List<Double>> samples = new LinkedHashMap<>();
            for (EngineKind kind : kinds) {
                if (warm(kind, op, cached, benchmark)) {
                    samples.put(kind, new ArrayList<>());
                }
            }
            for (int i = 0; i < processes; i++) {
                for (Map.Entry<EngineKind, List<Double>> engine : samples.entrySet()) {
                    engine.getValue().add(benchmark.value(time(process(engine.getKey(), op, cached))));
                }
            }
            SequencedMap<EngineKind, Stats> values = new LinkedHashMap<>();
            samples.forEach((kind, of) -> values.put(kind, Stats.of(of)));
            return new Result(benchmark, null, values, Map.of(), 1);
        } finally {
            Files.deleteIfExists(cache);
        }
    }

    /** Whether it runs; its file is in the page cache then. */
    private boolean warm(EngineKind kind, Op.FirstToken op, String cached, Case benchmark) throws IOException {
        try {
            time(process(kind, op, cached));
            return true;
        } catch (IllegalStateException e) {
            notes.accept("not measured: " + benchmark.name() + " of " + kind.title() + ", " + e.getMessage());
            return false;
        }
    }

    private ProcessBuilder process(EngineKind kind, Op.FirstToken op, String option) {
        Path script = llamaCpp;
        return kind.equals(EngineKind.LLAMA_CPP) && script != null ? peer(script, op) : ours(kind, op, List.of(option));
    }

    private static ProcessBuilder ours(EngineKind kind, Op.FirstToken op, List<String> options) {
        return ChildJvm.asLaunched(
                dev.gatun.cli.Main.class,
                options,
                List.of(
                        "generate",
                        "--model",
                        op.file().toString(),
                        "--prompt",
                        PROMPT,
                        "--max-tokens",
                        "1",
                        "--temperature",
                        "0",
                        "--quiet",
                        "--backend",
                        kind.id(),
                        "--threads",
                        Integer.toString(op.threads())));
    }

    private static ProcessBuilder peer(Path script, Op.FirstToken op) {
        return new ProcessBuilder(
                script.toAbsolutePath().toString(),
                "first",
                op.file().toAbsolutePath().toString(),
                Integer.toString(op.threads()),
                PROMPT);
    }

    /** Nanoseconds until the process has written its first byte. */
    private static double time(ProcessBuilder builder) throws IOException {
        long start = System.nanoTime();
        Process process = ChildJvm.start(builder);
        process.getOutputStream().close();
        try (InputStream out = process.getInputStream()) {
            int first = out.read();
            double nanos = System.nanoTime() - start;
            out.readAllBytes();
            int code = process.waitFor();
            if (first < 0 || code != 0) {
                throw new IllegalStateException("its process ended with code " + code + " and said why on stderr");
            }
            return nanos;
        } catch (InterruptedException e) {
            throw new IllegalStateException("interrupted while it measured", e);
        } finally {
            process.destroy();
        }
    }
}
