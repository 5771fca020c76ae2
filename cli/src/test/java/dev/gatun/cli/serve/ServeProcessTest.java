package dev.gatun.cli.serve;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.cli.ChildJvm;
import dev.gatun.cli.serve.engine.TinyLlama;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ConnectException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gatun serve} as a process of its own, which is told to end while it writes, and whose model's file is removed. */
class ServeProcessTest {
    /** What it says of its place, with its port. */
    static final Pattern PLACE = Pattern.compile("serving \\[tiny] at http://127\\.0\\.0\\.1:(\\d+)");

    @TempDir
    private Path folder;

    @Test
    void whatIsUnderWayEndsBeforeTheProcessDoes() throws Exception {
        Path model = TinyLlama.withPositions(folder, 1024);
        Process process = serve(model, "0").start();
        try (BufferedReader err = new BufferedReader(new InputStreamReader(process.getErrorStream(), UTF_8))) {
            Matcher place = PLACE.matcher("");
            String line = "";
            while (line != null && !place.reset(line).find()) {
                line = err.readLine();
            }
            assertThat(line).as("the place").isNotNull();
            Files.delete(model); // it is mapped: who has it keeps it
            try (Socket socket = new Socket("127.0.0.1", Integer.parseInt(place.group(1)))) {
                socket.setSoTimeout(30_000);
                String body = "{\"prompt\": \"The\", \"max_tokens\": 300, \"seed\": 1, \"stream\": true}";
                socket.getOutputStream()
                        .write(("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                        + "Content-Length: " + body.length() + "\r\n\r\n" + body)
                                .getBytes(UTF_8));
                var in = new BufferedReader(new InputStreamReader(socket.getInputStream(), UTF_8));
                assertThat(in.readLine()).isEqualTo("HTTP/1.1 200 OK");
                process.toHandle().destroy(); // SIGTERM; Process.destroy would close its streams as well
                String last = "";
                for (String more = ""; more != null && !last.equals("data: [DONE]"); more = in.readLine()) {
                    last = more.startsWith("data: ") ? more : last;
                }
                assertThat(last).isEqualTo("data: [DONE]");
            }
            assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isEqualTo(143);
            assertThat(err.readLine()).as("nothing else is said").isNull();
        } finally {
            process.destroyForcibly();
        }
    }

    private static ProcessBuilder serve(Path model, String port) {
        return ChildJvm.gatun("serve", "--backend", "scalar", "--port", port, "--model", "tiny=" + model);
    }

    /** What it has to say, of its place and of each client it refuses, goes to a disk that is full. */
    @Test
    void itServesWhereItsLogCannotBeWritten() throws Exception {
        Path full = Path.of("/dev/full");
        assertThat(full).as("a device that is always full, as Linux has it").exists();
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        Process process = serve(TinyLlama.withPositions(folder, 256), Integer.toString(port))
                .redirectError(full.toFile())
                .redirectOutput(full.toFile())
                .start();
        try (HttpClient http = HttpClient.newHttpClient()) {
            HttpRequest bad = request(port, "{\"prompt\": 1}");
            for (int i = 0; i < 3; i++) {
                assertThat(answer(http, bad, process).statusCode()).isEqualTo(400);
            }
            HttpRequest good = request(port, "{\"prompt\": \"The\", \"max_tokens\": 3}");
            assertThat(answer(http, good, process).statusCode()).isEqualTo(200);
            process.destroy();
            assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isEqualTo(143);
        } finally {
            process.destroyForcibly();
        }
    }

    private static HttpRequest request(int port, String body) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/v1/completions"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }

    /** Once the server is there. */
    private static HttpResponse<String> answer(HttpClient http, HttpRequest request, Process process)
            throws IOException, InterruptedException {
        while (true) {
            try {
                return http.send(request, HttpResponse.BodyHandlers.ofString());
            } catch (ConnectException e) {
                assertThat(process.isAlive()).as("the server runs").isTrue();
                Thread.sleep(20);
            }
        }
    }
}
