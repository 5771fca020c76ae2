package dev.gatun.model.text;

import dev.gatun.memory.MappedFile;
import dev.gatun.model.weights.ModelFolder;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The demo model's tokenizer, and copies of it to break. */
final class DemoFolder {
    static final ModelFolder RESOURCES =
            ModelFolder.ofResources(MarianTokenizer.class, "dev/gatun/model/demo/numerals-en-zh");

    private DemoFolder() {}

    static byte[] bytes(String file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MappedFile mapped = RESOURCES.open(file, arena);
            return mapped.bytes(0, (int) mapped.byteSize());
        }
    }

    static String text(String file) throws IOException {
        return new String(bytes(file), StandardCharsets.UTF_8);
    }

    /** The tokenizer's files in a folder on disk. */
    static ModelFolder copyTo(Path folder) throws IOException {
        for (String file : List.of("source.spm", "target.spm", "vocab.json", "tokenizer_config.json")) {
            Files.write(folder.resolve(file), bytes(file));
        }
        return ModelFolder.of(folder);
    }
}
