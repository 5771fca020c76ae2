package dev.gatun.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** An engine in a process of its own, a JVM that {@link EngineMain} serves or a peer: a line asks, a line answers. */
final class EngineProcess implements Engine {
    /** An answer, followed by its value. */
    static final String OK = "ok ";

    /** Why there is no answer. */
    static final String ERROR = "error ";

    private final Process process;
    private final BufferedWriter to;
    private final BufferedReader from;
    private final String description;

    /**
     * Starts it.
     *
     * @throws UnsupportedOperationException if the library is not there; the message says why
     */
    EngineProcess(EngineKind kind, int threads) {
        // Compilation that the caller waits for: a kernel is never timed while it is still interpreted.
        this(
                ChildJvm.of(
                        EngineMain.class, List.of("-Xbatch", "-Xmx3g"), List.of(kind.id(), Integer.toString(threads))),
                true,
                kind,
                threads);
    }

    /**
     * Starts a program that serves as {@link EngineMain} does.
     *
     * @throws UnsupportedOperationException if it cannot; the message says why
     */
    EngineProcess(ProcessBuilder builder, EngineKind kind, int threads) {
        this(builder, false, kind, threads);
    }

    private EngineProcess(ProcessBuilder builder, boolean jvm, EngineKind kind, int threads) {
        Path arguments = null;
        try {
            for (String name : List.of("OPENBLAS", "BLIS", "MKL", "OMP")) { // where nobody calls a function for it
                builder.environment().put(name + "_NUM_THREADS", Integer.toString(threads));
            }
            arguments = jvm ? ChildJvm.argumentsToFile(builder) : null;
            process = ChildJvm.start(builder);
        } catch (IOException e) {
            delete(arguments);
            throw new UnsupportedOperationException("the process of " + kind.id() + " does not start: " + e, e);
        }
        to = new BufferedWriter(new OutputStreamWriter(process.getOutputStream(), UTF_8));
        from = new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8));
        try {
            description = answer();
        } catch (UnsupportedOperationException e) {
            close();
            throw e;
        } finally {
            delete(arguments);
        }
    }

    private static void delete(@Nullable Path file) {
        try {
            if (file != null) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete " + file, e);
        }
    }

    private String ask(String line) {
        try {
            to.write(line);
            to.write('\n');
            to.flush();
        } catch (IOException e) {
            throw new UncheckedIOException("the process that measures has gone", e);
        }
        return answer();
    }

    private String answer() {
        try {
            String line = from.readLine();
            if (line == null) {
                throw new UnsupportedOperationException("its process ended; what it said is on stderr");
            }
            if (line.startsWith(OK)) {
                return line.substring(OK.length());
            }
            throw new UnsupportedOperationException(line.substring(ERROR.length()));
        } catch (IOException e) {
            throw new UncheckedIOException("the process that measures has gone", e);
        }
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public double open(Op op, long warmUpNanos) {
        return Double.parseDouble(ask("open " + warmUpNanos + " " + op));
    }

    @Override
    public double sample(long nanos) {
        return Double.parseDouble(ask("sample " + nanos));
    }

    @Override
    public double[] calls(long nanos) {
        return Arrays.stream(ask("calls " + nanos).split(" ", -1))
                .mapToDouble(Double::parseDouble)
                .toArray();
    }

    @Override
    public void closeOp() {
        ask("close");
    }

    @Override
    public double peakBytes() {
        return Double.parseDouble(ask("peak"));
    }

    /** Ends the process: at the end of its input it closes its library. */
    @Override
    public void close() {
        try {
            to.close();
            process.waitFor();
        } catch (IOException _) {
            process.destroy(); // gone already
        } catch (InterruptedException _) {
            process.destroy();
            Thread.currentThread().interrupt();
        }
    }
}
