package dev.gatun.cli.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Against a server on this machine that drops connections and lies about lengths and hashes. */
class HubTest extends HubFixture {
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
        server.fault("GET", "/store/model.safetensors", FakeHub.dropAfter(200_000))
                .fault(
                        "GET",
                        "/store/model.safetensors",
                        FakeHub.times(8, FakeHub.dropAfter(0))); // the JDK may ask again
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
}
