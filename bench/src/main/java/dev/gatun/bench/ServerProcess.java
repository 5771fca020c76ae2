package dev.gatun.bench;

import dev.gatun.cli.Failure;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.ConnectException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A server of a model in a process of its own, which speaks OpenAI's protocol. */
final class ServerProcess implements AutoCloseable {
    private static final Duration STARTS_WITHIN = Duration.ofMinutes(2);
    private static final int LAST_LINES = 5;

    private final Process process;
    private final URI place;
    private final Deque<String> lines = new ArrayDeque<>(); // guarded by itself

    private ServerProcess(ProcessBuilder builder, int port) throws IOException {
        place = URI.create("http://127.0.0.1:" + port);
        process = builder.redirectErrorStream(true).start();
        Thread.ofVirtual().start(this::read);
    }

    /**
     * Ours.
     *
     * @param model a GGUF file or a folder
     * @param streams that it writes at once
     * @param ctx tokens of a text
     */
    static ServerProcess gatun(Path model, String backend, int threads, int streams, int ctx)
            throws IOException, InterruptedException {
        int port = freePort();
        ProcessBuilder builder = ChildJvm.of(
                dev.gatun.cli.Main.class,
                List.of(),
                List.of(
                        "serve",
                        "--model",
                        "model=" + model,
                        "--backend",
                        backend,
                        "--threads",
                        Integer.toString(threads),
                        "--parallel",
                        Integer.toString(streams),
                        "--ctx",
                        Integer.toString(ctx),
                        "--cache-tokens",
                        Integer.toString(streams * ctx / 2 + ctx),
                        "--port",
                        Integer.toString(port)));
        return started(new ServerProcess(builder, port));
    }

    /** llama.cpp's, by a script as bench/peers/llamacpp_server.sh. It writes one text at a time; the others wait. */
    static ServerProcess llamaCpp(Path script, Path model, int threads, int ctx)
            throws IOException, InterruptedException {
        int port = freePort();
        var builder = new ProcessBuilder(
                script.toAbsolutePath().toString(),
                "--model",
                model.toString(),
                "--host",
                "127.0.0.1",
                "--port",
                Integer.toString(port),
                "--n_threads",
                Integer.toString(threads),
                "--n_threads_batch",
                Integer.toString(threads),
                "--n_ctx",
                Integer.toString(ctx),
                "--interrupt_requests", // or a request ends the one before
                "False");
        return started(new ServerProcess(builder, port));
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    private static ServerProcess started(ServerProcess server) throws IOException, InterruptedException {
        try (HttpClient http = HttpClient.newHttpClient()) {
            HttpRequest request =
                    HttpRequest.newBuilder(server.place.resolve("/v1/models")).build();
            long deadline = System.nanoTime() + STARTS_WITHIN.toNanos();
            while (true) {
                try {
                    if (http.send(request, HttpResponse.BodyHandlers.discarding())
                                    .statusCode()
                            == 200) {
                        return server;
                    }
                } catch (ConnectException e) {
                    if (!server.process.isAlive() || System.nanoTime() > deadline) {
                        throw new Failure("a server has not started: " + server.said(), e);
                    }
                }
                TimeUnit.MILLISECONDS.sleep(50);
            }
        } catch (Throwable e) {
            server.close();
            throw e;
        }
    }

    private void read() {
        try (BufferedReader out = process.inputReader()) {
            for (String line = out.readLine(); line != null; line = out.readLine()) {
                synchronized (lines) {
                    lines.add(line);
                    if (lines.size() > LAST_LINES) {
                        lines.remove();
                    }
                }
            }
        } catch (IOException _) {
            // It was ended while it said something.
        }
    }

    /** The last lines that it has written. */
    private String said() {
        synchronized (lines) {
            return String.join(" / ", lines);
        }
    }

    /** Where it listens. */
    URI place() {
        return place;
    }

    /** Megabytes of it that are in memory, mapped files included. */
    long megabytes() throws IOException {
        return ProcStatus.kilobytes(Long.toString(process.pid()), "VmRSS") >> 10;
    }

    /** File descriptors that it has open. */
    long descriptors() throws IOException {
        return ProcStatus.descriptors(Long.toString(process.pid()));
    }

    /** Tells it to end, and sees to it that it does. */
    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
