package dev.gatun.cli.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Against a server on this machine that redirects, refuses, is busy, or is not there. */
class HubAnswersTest extends HubFixture {
    @ParameterizedTest
    @ValueSource(strings = {"\"../../../evil\"", "W/\"abc\"", "0123456789ABCDEF0123456789ABCDEF01234567", "\"\""})
    void anEtagThatIsNoHashIsRefused(String etag) {
        server.etag("config.json", etag);
        refuses("ETag", "where a SHA-1 or SHA-256 is needed");
    }

    @Test
    void theTokenGoesToTheHubAndNowhereElse() throws IOException {
        fetch();
        assertThat(server.requests())
                .hasSizeGreaterThan(6)
                .allSatisfy(request ->
                        assertThat(request.endsWith(" token")).as(request).isEqualTo(request.startsWith("hub ")));
    }

    @Test
    void redirectionsAreFollowedWhetherRelativeOrNot() throws IOException {
        server.fault("GET", "/revision/main", FakeHub.status(307, "Location", "/api/models/org/name/revision/moved"))
                .fault(
                        "HEAD",
                        "/config.json",
                        FakeHub.status(308, "Location", "/org/name/resolve/" + FakeHub.COMMIT + "/config.json"))
                .fault("GET", "/config.json", FakeHub.status(302, "Location", "config.json"));
        assertThat(fetch().resolve("config.json")).hasContent("{}");
        assertThat(server.isDone()).isTrue();
    }

    @Test
    void redirectionsThatLeadNowhereAreRefused() {
        String self = "/api/models/org/name/revision/main";
        server.fault("GET", "/revision/main", FakeHub.times(11, FakeHub.status(302, "Location", self)));
        refuses("leads from one address to the next, more than 10 times");
        for (String location :
                List.of("file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "http://a@127.0.0.1/", ":")) {
            server.fault("GET", "/revision/main", FakeHub.status(302, "Location", location));
            refuses("leads to \"" + location + "\"");
        }
        server.fault("GET", "/revision/main", FakeHub.status(302));
        refuses("leads to nowhere");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "401 | RepoNotFound | may not read it",
                "403 | GatedRepo | has its licence been accepted",
                "404 | RevisionNotFound | no such model, revision or file",
                "400 | '' | answers 400"
            })
    void aRefusalIsOneLineThatSaysWhatCanBeDone(int status, String code, String part) {
        server.fault(
                "GET",
                "/revision/main",
                FakeHub.status(status, "X-Error-Code", code, "X-Error-Message", "m".repeat(900)));
        refuses("org/name: http://127.0.0.1", "answers " + status, code, part)
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(700));
        assertThat(pauses).isEmpty();
    }

    @Test
    void aFileThatIsListedAndNotThereIsAnError() {
        server.listed("vocab.json");
        refuses("org/name/vocab.json", "answers 404, EntryNotFound");
    }

    @Test
    void aBusyServerIsAskedAgainWhenItSaysSo() throws IOException {
        server.fault(
                        "GET",
                        "/revision/main",
                        FakeHub.status(429, "Retry-After", "7"),
                        FakeHub.status(503, "Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"))
                .fault("HEAD", "/config.json", FakeHub.status(500), FakeHub.status(502))
                .fault("GET", "/store/model.safetensors", FakeHub.status(503, "Retry-After", "soon"));
        fetch();
        assertThat(pauses)
                .containsExactly(
                        Duration.ofSeconds(7),
                        Duration.ZERO,
                        Duration.ofSeconds(1),
                        Duration.ofSeconds(2),
                        Duration.ofSeconds(1));
    }

    @Test
    void aServerThatStaysBusyIsGivenUp() {
        server.fault("GET", "/revision/main", FakeHub.times(3, FakeHub.status(500)));
        refuses("answers 500, 3 times");
        server.fault("GET", "/revision/main", FakeHub.status(429, "Retry-After", "3600"));
        refuses("answers 429 and asks to come back in 3600 s, at most 60 s are waited");
    }

    @Test
    void aServerThatGoesQuietIsLeft() throws IOException {
        stall = Duration.ofMillis(400);
        server.fault("GET", "/store/model.safetensors", (exchange, bytes) -> {
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes, 0, 1000);
            exchange.getResponseBody().flush();
            return true; // and never ends
        });
        assertThat(fetch().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(gets("bytes=1000-")).isPositive();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "not JSON",
                "[]",
                "{}",
                "{\"sha\": \"../../../x\", \"siblings\": []}",
                "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\"}",
                "{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"name\": 1}]}",
                "{\"sha\": 5}"
            })
    void aListingThatIsNoneIsOneError(String json) {
        server.fault("GET", "/revision/main", FakeHub.otherBytes(json.getBytes()));
        assertThatThrownBy(this::fetch)
                .hasMessageStartingWith("http://127.0.0.1")
                .hasMessageContaining("/api/models/org/name/revision/main: ");
        assertThat(tree()).isEmpty();
    }

    @Test
    void aListingWithoutEndIsRefused() {
        server.fault("GET", "/revision/main", (exchange, _) -> {
            exchange.sendResponseHeaders(200, 0);
            byte[] spaces = new byte[1 << 20];
            Arrays.fill(spaces, (byte) ' ');
            try (exchange) {
                for (int i = 0; i < 70; i++) {
                    exchange.getResponseBody().write(spaces);
                }
            }
            return true;
        });
        refuses("more than 67108864 bytes");
    }

    @Test
    void offlineOnlyTheCacheIsUsed() throws IOException {
        assertThatThrownBy(() -> fetch(NAME, true, server.endpoint(), 3))
                .isInstanceOf(HubException.class)
                .hasMessageContainingAll("org/name: HF_HUB_OFFLINE is set", cache.toString());
        Path folder = fetch();
        server.forget();
        assertThat(fetch(NAME, true, server.endpoint(), 3)).isEqualTo(folder);
        assertThat(fetch(new HubName("org/name", FakeHub.COMMIT, null), true, server.endpoint(), 3))
                .isEqualTo(folder);
        assertThatThrownBy(() -> fetch(new HubName("org/name", "v9", null), true, server.endpoint(), 3))
                .hasMessageContaining("org/name@v9: HF_HUB_OFFLINE");
        assertThatThrownBy(() -> fetch(new HubName("org/name", "main", "x.gguf"), true, server.endpoint(), 3))
                .hasMessageContaining("no GGUF file is called \"x.gguf\"");
        assertThat(server.requests()).isEmpty();
    }

    @Test
    void withoutTheHubTheCacheIsUsedWithANote() throws IOException {
        URI endpoint = server.endpoint();
        Path folder = fetch();
        server.close();
        notes.clear();
        assertThat(fetch(NAME, false, endpoint, 3)).isEqualTo(folder);
        assertThat(notes).singleElement().asString().contains(endpoint + " cannot be reached", "as it was last");
        assertThat(pauses).isEmpty();
        assertThatThrownBy(() -> fetch(new HubName("org/other", "main", null), false, endpoint, 3))
                .isInstanceOf(HubException.class)
                .hasMessageContaining(endpoint + " cannot be reached");
    }

    @Test
    void twoAtOnceDownloadOnce() throws Exception {
        try (var executor = Executors.newFixedThreadPool(4)) {
            List<Callable<Path>> four = Collections.nCopies(4, this::fetch);
            for (Future<Path> one : executor.invokeAll(four)) {
                assertThat(one.get().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
            }
        }
        assertThat(gets("model.safetensors")).isOne();
        assertThat(tree()).hasSize(7);
    }
}
