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
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A server on this machine, an empty cache, and what happened. */
abstract class HubFixture {
    static final String TOKEN = "hf_secret";
    static final byte[] WEIGHTS = FakeHub.bytes(300_000, 1);
    static final String WEIGHTS_HASH = FakeHub.hash(WEIGHTS, true);
    static final HubName NAME = new HubName("org/name", "main", null);

    @TempDir
    Path cache;

    FakeHub server;
    Duration stall = Duration.ofSeconds(20);
    final List<Duration> pauses = Collections.synchronizedList(new ArrayList<>());
    final List<String> notes = Collections.synchronizedList(new ArrayList<>());
    final List<Long> progress = Collections.synchronizedList(new ArrayList<>());

    final Hub.Watcher watcher = new Hub.Watcher() {
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

    Path fetch(HubName name, boolean offline, URI endpoint, int tries) throws IOException {
        Patience patience = new Patience(Duration.ofSeconds(20), stall, tries, Duration.ofSeconds(60), time -> {
            pauses.add(time);
            Thread.sleep(1);
        });
        try (Hub hub = new Hub(new HubOptions(endpoint, cache, TOKEN, offline), watcher, patience)) {
            return hub.fetch(name);
        }
    }

    Path fetch() throws IOException {
        return fetch(NAME, false, server.endpoint(), 3);
    }

    AbstractThrowableAssert<?, ? extends Throwable> refuses(String... parts) {
        return refuses(NAME, parts);
    }

    /** That it fails with one line that has these parts, and nothing in the cache looks like a model. */
    AbstractThrowableAssert<?, ? extends Throwable> refuses(HubName name, String... parts) {
        return assertThatThrownBy(() -> fetch(name, false, server.endpoint(), 3))
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll(parts)
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain(TOKEN).doesNotContain("\n"))
                .satisfies(_ -> assertThat(tree()).noneMatch(path -> path.contains("/refs/")));
    }

    /** Files and links below the cache, sorted, without locks. */
    List<String> tree() {
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

    static String model(String path) {
        return "models--org--name/" + path;
    }

    Path blob(byte[] bytes, String end) throws IOException {
        Path blob = cache.resolve(model("blobs/" + WEIGHTS_HASH + end));
        Files.createDirectories(blob.getParent());
        return Files.write(blob, bytes);
    }

    long gets(String path) {
        return server.requests().stream()
                .filter(request -> request.contains("store GET") && request.contains(path))
                .count();
    }
}
