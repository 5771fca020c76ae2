package dev.gatun.cli.serve;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.cli.ChildJvm;
import dev.gatun.cli.serve.engine.TinyLlama;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Bad clients, again and again, leave nothing behind in the process: no file descriptor, no memory; and the others do not notice. */
@EnabledOnOs(OS.LINUX) // which says what a process has
class LeakTest {
    private static final int WARM_UP = 4;
    private static final int ROUNDS = 40;

    /** What the JVM itself may take more meanwhile, for compiled code and its books; a leak of a body a round is 400 MB. */
    private static final long MEGABYTES = 64;

    /** Files that a JVM may open later. */
    private static final int MAY_OPEN = 8;

    private static final String GOOD = "{\"prompt\": \"The\", \"max_tokens\": 8, \"seed\": 1, \"temperature\": 1}";
    private static final String ENDLESS = "{\"prompt\": \"The\", \"max_tokens\": 400, \"stream\": true, \"seed\": ";

    private static final Pattern TEXT = Pattern.compile("\"text\":\"([^\"\\\\]|\\\\.)*\"");

    private int port;

    private Socket socket() throws IOException {
        Socket socket = new Socket();
        socket.setReceiveBufferSize(4096);
        socket.setSoTimeout(60_000);
        socket.connect(new InetSocketAddress("127.0.0.1", port));
        return socket;
    }

    private static void send(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(ISO_8859_1));
        socket.getOutputStream().flush();
    }

    private static String request(String body) {
        return head(body.length()) + body;
    }

    private static String head(int length) {
        return "POST /v1/completions HTTP/1.1\r\n"
                + "Host: localhost\r\n"
                + "Content-Type: application/json\r\n"
                + "Connection: close\r\n"
                + "Content-Length:"
                + " " + length + "\r\n\r\n";
    }

    private static void expect(Socket socket, int status) throws IOException {
        byte[] start = socket.getInputStream().readNBytes(12);
        assertThat(new String(start, UTF_8)).isEqualTo("HTTP/1.1 " + status);
    }

    /** What a client that behaves is told. */
    private String good() throws IOException {
        try (Socket socket = socket()) {
            send(socket, request(GOOD));
            String answer = new String(socket.getInputStream().readAllBytes(), UTF_8);
            assertThat(answer).startsWith("HTTP/1.1 200");
            Matcher text = TEXT.matcher(answer);
            assertThat(text.find()).as(answer).isTrue();
            return text.group();
        }
    }

    private void refused(String body, int status) throws IOException {
        try (Socket socket = socket()) {
            send(socket, request(body));
            expect(socket, status);
        }
    }

    /** All that may go wrong, once. */
    private void round(int number) throws IOException {
        refused("{\"prompt\": ", 400);
        refused("{\"prompt\": " + "[".repeat(20_000) + "]".repeat(20_000) + "}", 400);
        refused("{\"prompt\": \"\u00ff\u00fe\"}", 400); // one byte each: no UTF-8
        refused("{\"prompt\": \"" + "The ".repeat(20_000) + "\"}", 400);
        try (Socket socket = socket()) {
            send(socket, head(10 << 20));
            expect(socket, 413); // before it is sent
        }
        try (Socket socket = socket()) {
            send(socket, "POST /v1/comp");
        }
        try (Socket socket = socket()) {
            send(socket, head(1 << 20) + "{\"prompt\": \"" + "a".repeat(100_000));
        }
        try (Socket slow = socket();
                Socket gone = socket()) {
            send(slow, request(ENDLESS + number + "}"));
            send(gone, request(ENDLESS + (number + 1) + "}"));
            expect(gone, 200);
            gone.setSoLinger(true, 0);
            expect(slow, 200); // and reads no more
        }
    }

    private static long descriptors(Process process) throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc", Long.toString(process.pid()), "fd"))) {
            return open.count();
        }
    }

    private static long megabytes(Process process) throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc", Long.toString(process.pid()), "status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) >> 10;
            }
        }
        throw new IOException("no VmRSS");
    }

    @Test
    void badClientsLeaveNothingBehind(@TempDir Path folder) throws Exception {
        Path model = TinyLlama.withPositions(folder, 512);
        Process process = ChildJvm.of(
                        List.of(
                                "-XX:TieredStopAtLevel=1",
                                "-Xms128m",
                                "-Xmx128m",
                                "-XX:+AlwaysPreTouch",
                                "-XX:+UseSerialGC"),
                        "dev.gatun.cli.Main",
                        "serve",
                        "--backend",
                        "scalar",
                        "--port",
                        "0",
                        "--model",
                        "tiny=" + model)
                .start();
        try {
            BufferedReader err = process.errorReader();
            Matcher place = ServeProcessTest.PLACE.matcher("");
            for (String line = ""; !place.reset(line).find(); ) {
                line = err.readLine();
                assertThat(line).as("the place").isNotNull();
            }
            port = Integer.parseInt(place.group(1));
            Thread.ofVirtual().start(() -> err.lines().forEach(_ -> {})); // or it would wait for a reader
            String text = good();
            for (int i = 0; i < WARM_UP; i++) {
                round(i);
            }
            assertThat(good()).isEqualTo(text);
            long descriptors = descriptors(process);
            long megabytes = megabytes(process);
            for (int i = 0; i < ROUNDS; i++) {
                round(i);
                assertThat(good()).isEqualTo(text);
            }
            awaitDescriptors(process, descriptors + MAY_OPEN);
            assertThat(megabytes(process)).isLessThan(megabytes + MEGABYTES);
        } finally {
            process.destroyForcibly();
        }
    }

    /** Connections are closed once the server has seen that their clients are gone: soon, on a machine that has time. */
    private void awaitDescriptors(Process process, long most) throws Exception {
        for (int i = 0; descriptors(process) > most; i++) {
            assertThat(i)
                    .as("descriptors: %s, they were %s", descriptors(process), most)
                    .isLessThan(1200);
            TimeUnit.MILLISECONDS.sleep(50);
        }
    }
}
