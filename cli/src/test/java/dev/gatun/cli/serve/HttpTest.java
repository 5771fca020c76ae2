package dev.gatun.cli.serve;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.gatun.cli.serve.engine.TextEngine;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Clients that behave badly are told so, or dropped; the others do not notice, and nothing stays behind. */
class HttpTest {
    private static final String ENDLESS =
            "{\"model\": \"tiny\", \"prompt\": \"The\", \"max_tokens\": 1000, \"temperature\": 1, \"seed\": 7";
    private static final String SHORT = "{\"prompt\": \"The\", \"max_tokens\": 3, \"temperature\": 0}";
    private static final ServeSettings IMPATIENT = ServeSettings.DEFAULT
            .withTimes(Duration.ofMillis(700), Duration.ofSeconds(20), Duration.ofSeconds(60), Duration.ofMillis(50))
            .withLimits(100_000, 100);

    @TempDir
    private Path folder;

    private RunningServer server;

    @BeforeEach
    void start() throws IOException {
        server = RunningServer.start(IMPATIENT, folder, 2, 2);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private static String head(String path, int length, String... more) {
        return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                + length + "\r\n" + String.join("", more) + "\r\n";
    }

    private void send(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(UTF_8));
        socket.getOutputStream().flush();
    }

    private void sendRequest(Socket socket, String path, String body) throws IOException {
        send(socket, head(path, body.length()) + body);
    }

    /** Waits until the engine has nothing to do: what a client has left behind is not worked on. */
    private void awaitIdle() throws InterruptedException {
        TextEngine engine = server.tiny().engine();
        for (int i = 0; i < 1000; i++) {
            TextEngine.State state = engine.state();
            if (state.active() == 0 && state.waiting() == 0) {
                return;
            }
            Thread.sleep(10);
        }
        throw new AssertionError("still at work: " + engine.state());
    }

    private void assertServes() throws Exception {
        HttpResponse<String> response = server.post("/v1/completions", SHORT);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "not json | the body is not JSON at line 1",
                "{} | prompt is missing",
                "[1] | the body is not a JSON object",
                "{\"prompt\": 1} | prompt: must be a string",
                "{\"prompt\": \"a\", \"prompt\": \"b\"} | Duplicate field",
                "{\"prompt\": \"a\"} {} | the body is not JSON",
                "{\"prompt\": [1, 99999]} | prompt[1]: must be the id of a token",
                "{\"prompt\": \"\\ud83d\"} | lone surrogate",
                "{\"prompt\": \"a\", \"max_tokens\": 0} | max_tokens: must be an integer from 1",
                "{\"prompt\": \"a\", \"max_tokens\": 1e99} | max_tokens: must be an integer from 1",
                "{\"prompt\": \"a\", \"temperature\": 1e999} | temperature",
                "{\"prompt\": \"a\", \"logit_bias\": {\"1\": 2}} | logit_bias: is not supported",
                "{\"prompt\": \"a\", \"stop\": [\"\"]} | stop: must not be empty",
                "{\"prompt\": \"a\", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\":"
                        + " {\"type\": \"moon\"}}}} | moon",
            })
    void aBadRequestIsToldWhy(String body, String why) throws Exception {
        HttpResponse<String> response = server.post("/v1/completions", body.strip());
        assertThat(response.statusCode()).isEqualTo(400);
        JsonNode error = new ObjectMapper().readTree(response.body()).get("error");
        assertThat(error.get("message").asText().replace("prompt: is", "prompt is"))
                .contains(why.strip());
    }

    @Test
    void whatIsTooMuchIsRefused() throws Exception {
        String deep = "{\"prompt\": " + "[".repeat(50_000) + "]".repeat(49_000) + "}";
        HttpResponse<String> nested = server.post("/v1/completions", deep);
        assertThat(nested.statusCode()).as(nested.body()).isEqualTo(400);
        assertThat(nested.body()).contains("nesting depth");
        HttpResponse<String> large = server.post("/v1/completions", "{\"prompt\": \"" + "a".repeat(100_000) + "\"}");
        assertThat(large.statusCode()).isEqualTo(413);
        try (Socket socket = server.socket()) { // says nothing of its length
            send(
                    socket,
                    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                            + "Transfer-Encoding: chunked\r\n\r\n");
            String chunk = "4000\r\n" + "[".repeat(0x4000) + "\r\n";
            for (int i = 0; i < 7; i++) {
                send(socket, chunk);
            }
            assertThat(answer(socket)).startsWith("HTTP/1.1 413 ");
        }
        try (Socket socket = server.socket()) {
            send(socket, "GET /" + "x".repeat(40_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assertThat(answer(socket)).containsPattern("HTTP/1.1 4(14|31) ");
        }
        assertServes();
    }

    private static String answer(Socket socket) throws IOException {
        byte[] bytes = new byte[1 << 16];
        int n = socket.getInputStream().read(bytes);
        return n < 0 ? "" : new String(bytes, 0, n, UTF_8);
    }

    @Test
    void whatIsNotUtf8OrNotHttpIsRefused() throws Exception {
        try (Socket socket = server.socket()) {
            send(socket, head("/v1/completions", 15));
            socket.getOutputStream()
                    .write("{\"prompt\": \"\u00ff\"}".getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
            assertThat(answer(socket)).startsWith("HTTP/1.1 400 ").contains("not UTF-8");
        }
        try (Socket socket = server.socket()) {
            send(socket, "\u0016\u0003\u0001 hello\r\n\r\n");
            assertThat(answer(socket)).startsWith("HTTP/1.1 400 ");
        }
        HttpResponse<String> form = server.post("/v1/completions", SHORT, "Content-Type", "text/plain");
        assertThat(form.statusCode()).isEqualTo(415);
        try (Socket socket = server.socket()) {
            send(socket, "GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n");
            assertThat(answer(socket)).startsWith("HTTP/1.1 403 ");
        }
        assertThat(server.get("/v1/nothing").statusCode()).isEqualTo(404);
        assertThat(server.get("/v1/completions").statusCode()).isEqualTo(405);
        assertThat(server.post("/health", "{}").statusCode()).isEqualTo(405);
        assertServes();
    }

    @Test
    void aHalfRequestIsDropped() throws Exception {
        try (Socket head = server.socket();
                Socket body = server.socket()) {
            send(head, "POST /v1/compl");
            send(body, head("/v1/completions", 100) + "{\"prompt\":");
            assertServes();
            assertThat(answer(body)).startsWith("HTTP/1.1 408 ");
            while (!answer(head).isEmpty()) {} // the end, after whatever it is told
        }
        assertServes();
    }

    @ParameterizedTest
    @CsvSource({"true", "false"})
    void whoVanishesIsNotWrittenFor(boolean stream) throws Exception {
        try (Socket socket = server.socket()) {
            sendRequest(socket, "/v1/completions", ENDLESS + ", \"stream\": " + stream + "}");
            while (server.tiny().engine().state().active() == 0) {
                Thread.sleep(1);
            }
            if (stream) {
                assertThat(answer(socket)).startsWith("HTTP/1.1 200 ").contains("text/event-stream");
            }
            socket.setSoLinger(true, 0);
        }
        awaitIdle();
        assertServes();
    }

    @ParameterizedTest
    @CsvSource({"true", "false"})
    void whoVanishesBeforeItsTurnIsNotWrittenFor(boolean stream) throws Exception {
        TextEngine engine = server.tiny().engine();
        try (Socket one = server.socket();
                Socket two = server.socket()) {
            for (Socket socket : List.of(one, two)) { // as many as are written at once
                sendRequest(socket, "/v1/completions", ENDLESS + ", \"stream\": true}");
            }
            while (engine.state().active() < 2) {
                Thread.sleep(1);
            }
            try (Socket queued = server.socket()) {
                sendRequest(queued, "/v1/completions", ENDLESS + ", \"stream\": " + stream + "}");
                while (engine.state().waiting() == 0) {
                    Thread.sleep(1);
                }
                queued.setSoLinger(true, 0);
            }
        }
        awaitIdle();
        assertServes();
    }

    @Test
    void aSlowReaderHoldsUpNobody() throws Exception {
        try (Socket socket = new Socket()) {
            socket.setReceiveBufferSize(1024);
            socket.connect(new InetSocketAddress("127.0.0.1", server.server().port()));
            // Some megabytes: what the system does not take waits in the server.
            sendRequest(socket, "/v1/completions", ENDLESS + ", \"n\": 4, \"stream\": true, \"logprobs\": 20}");
            Thread.sleep(50);
            awaitIdle(); // whatever has not been read
            assertServes();
        }
    }

    @Test
    void overloadIsToldToComeBack() throws Exception {
        Socket[] sockets = new Socket[4]; // two texts are written, two wait
        try {
            for (int i = 0; i < 4; i++) {
                sockets[i] = server.socket();
                sendRequest(sockets[i], "/v1/completions", ENDLESS + ", \"stream\": true}");
            }
            TextEngine engine = server.tiny().engine();
            while (engine.state().active() < 2 || engine.state().waiting() < 2) {
                Thread.sleep(1);
            }
            HttpResponse<String> refused = server.post("/v1/completions", SHORT);
            assertThat(refused.statusCode()).isEqualTo(429);
            assertThat(refused.headers().firstValueAsLong("Retry-After").orElseThrow())
                    .isBetween(1L, 60L);
            assertThat(server.get("/health").statusCode()).isEqualTo(200);
        } finally {
            for (Socket socket : sockets) {
                socket.close();
            }
        }
        awaitIdle();
        assertServes();
    }

    @Test
    void aDrainingServerEndsWhatItHasBegunAndTakesNoMore() throws Exception {
        try (Socket socket = server.socket()) {
            sendRequest(socket, "/v1/completions", ENDLESS.replace("1000", "60") + ", \"stream\": true}");
            var text = new StringBuilder(answer(socket)); // on a slow machine already all of it
            assertThat(text.toString()).startsWith("HTTP/1.1 200 ");
            var drained = new AtomicBoolean();
            Thread drain = Thread.startVirtualThread(() -> {
                try {
                    drained.set(server.server().drain(Duration.ofSeconds(20)));
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
            while (server.get("/ready").statusCode() != 503) {
                Thread.sleep(1);
            }
            HttpResponse<String> refused = server.post("/v1/completions", SHORT);
            assertThat(refused.statusCode()).isEqualTo(503);
            assertThat(refused.headers().firstValue("Retry-After")).isPresent();
            assertThat(server.get("/health").statusCode()).isEqualTo(200);
            drain.join();
            assertThat(drained).isTrue();
            while (text.indexOf("[DONE]") < 0) {
                String more = answer(socket);
                assertThat(more).as("ends before [DONE]: %s", text).isNotEmpty();
                text.append(more);
            }
        }
    }

    @Test
    void keysKeepOthersOut(@TempDir Path other) throws Exception {
        try (RunningServer locked = RunningServer.start(IMPATIENT.withKeys(List.of("one", "two")), other, 1, 1)) {
            assertThat(locked.get("/health").statusCode()).isEqualTo(200);
            assertThat(locked.get("/v1/models").statusCode()).isEqualTo(401);
            assertThat(locked.get("/metrics").statusCode()).isEqualTo(401);
            for (String[] header :
                    new String[][] {{"Authorization", "Bearer three"}, {"Authorization", "Basic one"}, {"x-api-key", ""}
                    }) {
                assertThat(locked.post("/v1/completions", SHORT, header).statusCode())
                        .isEqualTo(401);
            }
            assertThat(locked.post("/v1/completions", SHORT, "Authorization", "Bearer two")
                            .statusCode())
                    .isEqualTo(200);
            assertThat(locked.post("/v1/completions", SHORT, "x-api-key", "one").statusCode())
                    .isEqualTo(200);
        }
    }

    @Test
    void metricsCount() throws Exception {
        assertServes();
        String metrics = server.get("/metrics").body();
        assertThat(metrics)
                .contains(
                        "gatun_tokens_total{kind=\"generated\",model=\"tiny\"} 3.0",
                        "gatun_time_to_first_token_seconds_count{model=\"tiny\"} 1",
                        "gatun_time_per_token_seconds_count{model=\"tiny\"} 2",
                        "gatun_texts{model=\"tiny\",state=\"active\"}",
                        "gatun_cache_pages{model=\"tiny\",state=\"free\"}",
                        "gatun_offheap_bytes{arena=\"key/value cache\",model=\"tiny\"}",
                        "gatun_http_requests_seconds_count{route=\"/v1/completions\",status=\"200\"} 1");
    }
}
