package dev.gatun.cli.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Against a server on this machine that drops, redirects, lies and refuses. */
class HubTest {
    private static final String TOKEN = "hf_secret";
    private static final byte[] WEIGHTS = FakeHub.bytes(300_000, 1);
    private static final String WEIGHTS_HASH = FakeHub.hash(WEIGHTS, true);
    private static final HubName NAME = new HubName("org/name", "main", null);

    @TempDir
    private Path cache;

    private FakeHub server;
    private Duration stall = Duration.ofSeconds(20);
    private final List<Duration> pauses = Collections.synchronizedList(new ArrayList<>());
    private final List<String> notes = Collections.synchronizedList(new ArrayList<>());
    private final List<Long> progress = Collections.synchronizedList(new ArrayList<>());

    private final Hub.Watcher watcher = new Hub.Watcher() {
        @Override
        public void note(String line) {
            notes.add(line);
        }

        @Override
        public void start(String what, long bytes) {
            notes.add("start " + what + " " + bytes);
        }

        @Override
        public void at(long bytes) {
            progress.add(bytes);
        }

        @Override
        public void end() {
            notes.add("end");
        }
    };

    @BeforeEach
    void start() throws IOException {
        server = new FakeHub()
                .small("config.json", "{}")
                .small("tokenizer.json", "{\"a\": 1}")
                .large("model.safetensors", WEIGHTS);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private Path fetch(HubName name, boolean offline, URI endpoint, int tries) throws IOException {
        Patience patience = new Patience(Duration.ofSeconds(20), stall, tries, Duration.ofSeconds(60), time -> {
            pauses.add(time);
            Thread.sleep(1);
        });
        try (Hub hub = new Hub(new HubOptions(endpoint, cache, TOKEN, offline), watcher, patience)) {
            return hub.fetch(name);
        }
    }

    private Path fetch() throws IOException {
        return fetch(NAME, false, server.endpoint(), 3);
    }

    private AbstractThrowableAssert<?, ? extends Throwable> refuses(String... parts) {
        return refuses(NAME, parts);
    }

    /** That it fails with one line that has these parts, and nothing in the cache looks like a model. */
    private AbstractThrowableAssert<?, ? extends Throwable> refuses(HubName name, String... parts) {
        return assertThatThrownBy(() -> fetch(name, false, server.endpoint(), 3))
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll(parts)
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain(TOKEN).doesNotContain("\n"))
                .satisfies(_ -> assertThat(tree()).noneMatch(path -> path.contains("/refs/")));
    }

    /** Files and links below the cache, sorted, without locks. */
    private List<String> tree() {
        try (Stream<Path> paths = Files.walk(cache)) {
            return paths.filter(path -> !Files.isDirectory(path))
                    .map(path -> cache.relativize(path).toString().replace('\\', '/'))
                    .filter(path -> !path.startsWith(".locks/"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String model(String path) {
        return "models--org--name/" + path;
    }

    private Path blob(byte[] bytes, String end) throws IOException {
        Path blob = cache.resolve(model("blobs/" + WEIGHTS_HASH + end));
        Files.createDirectories(blob.getParent());
        return Files.write(blob, bytes);
    }

    private long gets(String path) {
        return server.requests().stream()
                .filter(request -> request.contains("store GET") && request.contains(path))
                .count();
    }

    @Test
    void aModelIsLaidOutAsOtherClientsDo() throws IOException {
        Path folder = fetch();
        String config = FakeHub.hash("{}".getBytes(), false);
        assertThat(config).isEqualTo("9e26dfeeb6e641a33dae4961196235bdb965b21b"); // git hash-object
        assertThat(folder).isEqualTo(cache.resolve(model("snapshots/" + FakeHub.COMMIT)));
        assertThat(tree())
                .contains(
                        model("blobs/" + config),
                        model("blobs/" + WEIGHTS_HASH),
                        model("refs/main"),
                        model("snapshots/" + FakeHub.COMMIT + "/config.json"))
                .hasSize(7);
        assertThat(Files.readString(cache.resolve(model("refs/main")))).isEqualTo(FakeHub.COMMIT);
        Path link = folder.resolve("model.safetensors");
        assertThat(Files.readSymbolicLink(link)).isEqualTo(Path.of("..", "..", "blobs", WEIGHTS_HASH));
        assertThat(link).hasBinaryContent(WEIGHTS);
        assertThat(cache.resolve(".locks/models--org--name/" + WEIGHTS_HASH + ".lock"))
                .exists();
        assertThat(notes).containsExactly("start org/name " + (WEIGHTS.length + 10), "end");
        assertThat(progress).isSorted().endsWith((long) WEIGHTS.length + 10);
    }

    @Test
    void whatIsThereIsNotAskedForAgain() throws IOException {
        Path folder = fetch();
        server.forget();
        assertThat(fetch()).isEqualTo(folder);
        assertThat(server.requests()).containsExactly("hub GET /api/models/org/name/revision/main token");

        String next = "f".repeat(40);
        server.commit(next).small("config.json", "{\"b\": 2}").forget();
        assertThat(fetch()).isEqualTo(folder.resolveSibling(next));
        assertThat(gets("model.safetensors"))
                .as("bytes that an older commit has")
                .isZero();
        assertThat(folder.resolveSibling(next).resolve("config.json")).hasContent("{\"b\": 2}");
        assertThat(folder.resolve("config.json")).hasContent("{}");
    }

    @Test
    void onlyWhatIsReadIsDownloaded() throws IOException {
        server.large("pytorch_model.bin", FakeHub.bytes(10, 1))
                .large("onnx/model.onnx", FakeHub.bytes(10, 2))
                .large("model-Q4_0.gguf", FakeHub.bytes(10, 3))
                .small("README.md", "x")
                .small("1_Pooling/config.json", "{\"pool\": 1}")
                .listed("../../../evil")
                .listed("/etc/passwd")
                .listed("..\\evil.gguf")
                .listed("1_Pooling/../../config.json")
                .listed("a\nb");
        Path folder = fetch();
        assertThat(tree().stream().filter(path -> path.contains("/snapshots/")))
                .hasSize(4)
                .contains(model("snapshots/" + FakeHub.COMMIT + "/1_Pooling/config.json"));
        assertThat(folder.resolve("1_Pooling/config.json")).hasContent("{\"pool\": 1}");
        assertThat(Files.readSymbolicLink(folder.resolve("1_Pooling/config.json")))
                .startsWithRaw(Path.of("..", "..", "..", "blobs"));
    }

    @Test
    void shardsAreThoseThatTheIndexNames() throws IOException {
        String index = """
            {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}\
            """;
        try (FakeHub sharded = new FakeHub()
                .small("config.json", "{}")
                .small("model.safetensors.index.json", index)
                .large("model-00001-of-00002.safetensors", FakeHub.bytes(1000, 1))
                .large("model-00002-of-00002.safetensors", FakeHub.bytes(1000, 2))
                .large("consolidated.safetensors", FakeHub.bytes(1000, 3))) {
            Path folder = fetch(NAME, false, sharded.endpoint(), 3);
            try (Stream<Path> files = Files.list(folder)) {
                assertThat(files.map(file -> file.getFileName().toString()))
                        .containsExactlyInAnyOrder(
                                "config.json",
                                "model.safetensors.index.json",
                                "model-00001-of-00002.safetensors",
                                "model-00002-of-00002.safetensors");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"../../x.safetensors", "/x.safetensors", "missing.safetensors", "..", ""})
    void anIndexThatNamesAnotherPlaceIsRefused(String shard) throws IOException {
        server.close();
        server = new FakeHub()
                .small("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"" + shard + "\"}}")
                .listed("../../x.safetensors");
        refuses("index.json names \"" + shard + "\"");
    }

    @Test
    void aGgufFileIsFoundByItsNameOrAPartOfIt() throws IOException {
        byte[] other = FakeHub.bytes(50, 7);
        server.close();
        server = new FakeHub()
                .large("m-Q8_0.gguf", WEIGHTS)
                .large("q/m Q4_K.gguf", other)
                .large("m-Q4_0.gguf", FakeHub.bytes(5, 1))
                .listed("../m-IQ.gguf");
        assertThat(fetch(new HubName("org/name", "main", "m-Q8_0.gguf"), false, server.endpoint(), 3))
                .hasFileName("m-Q8_0.gguf")
                .hasBinaryContent(WEIGHTS);
        assertThat(fetch(new HubName("org/name", "v1", "q4_k"), false, server.endpoint(), 3))
                .hasBinaryContent(other);
        assertThat(cache.resolve(model("refs/v1"))).exists();
        refusesQuietly("q4", "more than one GGUF file is called \"q4\"", "m-Q4_0.gguf, q/m Q4_K.gguf");
        refusesQuietly("iq", "no GGUF file is called \"iq\"", "m-Q8_0.gguf");
        refusesQuietly(null, "several GGUF files", "org/name:m-Q4_0.gguf");
    }

    private void refusesQuietly(@Nullable String file, String... parts) {
        assertThatThrownBy(() -> fetch(new HubName("org/name", "main", file), false, server.endpoint(), 3))
                .isInstanceOf(HubException.class)
                .hasMessageContainingAll(parts);
    }

    @Test
    void aModelInAFormatThatIsNotReadIsRefusedBeforeItIsDownloaded() throws IOException {
        server.close();
        server = new FakeHub().small("config.json", "{}").large("pytorch_model.bin", WEIGHTS);
        refuses("org/name", "no model.safetensors", "config.json, pytorch_model.bin");
        assertThat(server.requests()).hasSize(1);
    }

    @Test
    void aDroppedConnectionGoesOnWhereItWas() throws IOException {
        server.fault("GET", "/model.safetensors", (_, _) -> false, FakeHub.dropAfter(100_000))
                .fault("GET", "/store/model.safetensors", FakeHub.dropAfter(50_000), FakeHub.dropAfter(1));
        assertThat(fetch().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(server.requests().stream().filter(request -> request.contains("store GET")))
                .hasSizeGreaterThan(2)
                .last()
                .asString()
                .contains("bytes=");
        assertThat(pauses).isNotEmpty();
        assertThat(tree()).noneMatch(path -> path.endsWith(".incomplete"));
    }

    @Test
    void anotherProcessGoesOnWhereOneStopped() throws IOException {
        server.fault("GET", "/store/model.safetensors", FakeHub.dropAfter(200_000), FakeHub.dropAfter(0));
        assertThatThrownBy(() -> fetch(NAME, false, server.endpoint(), 2))
                .isInstanceOf(HubException.class)
                .hasMessageContainingAll("model.safetensors: 200000 of 300000 bytes have come", "no more");
        assertThat(tree()).contains(model("blobs/" + WEIGHTS_HASH + ".incomplete"));
        server.forget();
        assertThat(fetch().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(server.requests()).contains("store GET /store/model.safetensors bytes=200000-");
        assertThat(gets("model.safetensors")).isOne();
    }

    @Test
    void aServerThatKnowsNoRangesSendsAllAgain() throws IOException {
        blob(Arrays.copyOf(WEIGHTS, 1000), ".incomplete");
        server.fault("GET", "/store/model.safetensors", FakeHub.wholeFile());
        assertThat(fetch().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(gets("bytes=1000-")).isOne();

        Files.delete(cache.resolve(model("snapshots/" + FakeHub.COMMIT + "/model.safetensors")));
        Files.delete(cache.resolve(model("blobs/" + WEIGHTS_HASH)));
        blob(Arrays.copyOf(WEIGHTS, 1000), ".incomplete");
        server.fault("GET", "/store/model.safetensors", FakeHub.status(416));
        assertThat(fetch().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    }

    @Test
    void whatWasBrokenBeforeIsThrownAway() throws IOException {
        blob(FakeHub.bytes(1000, 99), ".incomplete");
        assertThat(fetch().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(gets("model.safetensors")).isEqualTo(2);
    }

    @Test
    void aPartialFileThatIsTooLongAndABlobOfAnotherLengthAreThrownAway() throws IOException {
        blob(FakeHub.bytes(WEIGHTS.length + 1, 99), ".incomplete");
        blob(FakeHub.bytes(10, 99), "");
        assertThat(fetch().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
    }

    @Test
    void aWholePartialFileNeedsNoRequest() throws IOException {
        blob(WEIGHTS, ".incomplete");
        assertThat(fetch().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(gets("model.safetensors")).isZero();
    }

    @Test
    void wrongBytesAreRefusedAndNothingIsLeft() {
        server.fault("GET", "/store/model.safetensors", FakeHub.otherBytes(FakeHub.bytes(WEIGHTS.length, 2)));
        refuses("model.safetensors: its bytes do not have the hash " + WEIGHTS_HASH);
        assertThat(tree()).noneMatch(path -> path.contains(WEIGHTS_HASH) || path.endsWith("model.safetensors"));
    }

    @Test
    void wrongBytesOfASmallFileAreRefused() {
        server.fault("GET", "/tokenizer.json", FakeHub.otherBytes("{\"a\": 2}".getBytes()));
        refuses("tokenizer.json: its bytes do not have the hash");
    }

    @Test
    void liesAboutLengthsAreRefused() throws IOException {
        server.fault("GET", "/store/model.safetensors", FakeHub.announce(WEIGHTS.length + 5));
        refuses("300005 bytes are announced", "states 300000");
        server.fault("GET", "/store/model.safetensors", FakeHub.announce(10));
        refuses("10 bytes are announced", "states 300000");
        server.fault("GET", "/store/model.safetensors", FakeHub.otherBytes(FakeHub.bytes(WEIGHTS.length + 1, 1)));
        refuses("more bytes come than the 300000");
        Files.deleteIfExists(cache.resolve(model("blobs/" + WEIGHTS_HASH + ".incomplete")));
        server.fault(
                "GET", "/store/model.safetensors", FakeHub.times(3, FakeHub.otherBytes(Arrays.copyOf(WEIGHTS, 10))));
        refuses("of 300000 bytes have come", "ends early");
        server.size("model.safetensors", Long.MAX_VALUE);
        refuses("bytes are missing, and the disk of");
        Files.deleteIfExists(cache.resolve(model("blobs/" + WEIGHTS_HASH + ".incomplete")));
        server.size("model.safetensors", 200);
        refuses("300000 bytes are announced", "states 200");
        server.size("model.safetensors", -7);
        refuses("does not say how long the file is");
    }

    @Test
    void aRangeThatWasNotAskedForIsRefused() throws IOException {
        blob(Arrays.copyOf(WEIGHTS, 1000), ".incomplete");
        server.fault("GET", "/store/model.safetensors", FakeHub.status(206, "Content-Range", "bytes 0-999/300000"));
        refuses("asked for bytes 1000 to 300000", "bytes 0-999/300000");
    }

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
