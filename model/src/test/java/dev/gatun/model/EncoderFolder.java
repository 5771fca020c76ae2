package dev.gatun.model;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;

/** Folders of the golden encoders with the tiny tokenizer of the tests. */
final class EncoderFolder {
    static final Path GOLDEN = Path.of("../golden/models");

    private EncoderFolder() {}

    /** A copy of a golden model beside the tokenizer. */
    static Path copy(String model, Path target) throws IOException {
        Files.createDirectories(target);
        try (Stream<Path> files = Files.list(GOLDEN.resolve(model))) {
            for (Path file : files.toList()) {
                Files.copy(file, target.resolve(file.getFileName()));
            }
        }
        try (InputStream tokenizer = resource("tokenizer.json")) {
            Files.copy(tokenizer, target.resolve("tokenizer.json"));
        }
        Files.writeString(target.resolve("special_tokens_map.json"), "{\"mask_token\": \"[MASK]\"}");
        return target;
    }

    static InputStream resource(String name) {
        return Objects.requireNonNull(EncoderFolder.class.getResourceAsStream("tasks/" + name));
    }
}
