package dev.gatun.cli.serve;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.cli.serve.engine.TinyLlama;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gatun serve} as a process of its own, which is told to end while it writes, and whose model's file is removed. */
class ServeProcessTest {
    private static final Pattern PLACE = Pattern.compile("serving \\[tiny] at http://127\\.0\\.0\\.1:(\\d+)");

    @TempDir
    private Path folder;

    @Test
    void whatIsUnderWayEndsBeforeTheProcessDoes() throws Exception {
        Path model = TinyLlama.withPositions(folder, 1024);
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        "--add-modules",
                        "jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xlog:disable",
                        "dev.gatun.cli.Main",
                        "serve",
                        "--backend",
                        "scalar",
                        "--port",
                        "0",
                        "--model",
                        "tiny=" + model)
                .start();
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
}
