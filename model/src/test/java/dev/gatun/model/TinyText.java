package dev.gatun.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A golden decoder with random weights and 128 ids, as a model of texts: ASCII, some pieces of JSON, parts of characters. */
final class TinyText {
    private TinyText() {}

    /** Makes a folder of the golden model {@code name}, with a tokenizer of its 128 ids. */
    static Path folder(Path at, String name, String... otherPieces) throws IOException {
        Path golden = Path.of("../golden/models", name);
        Path folder = Files.createDirectories(at);
        for (String file : List.of("config.json", "generation_config.json", "model.safetensors")) {
            Files.copy(golden.resolve(file), folder.resolve(file));
        }
        var json = new ObjectMapper();
        ObjectNode tokenizer = json.createObjectNode().put("version", "1.0");
        ObjectNode vocab = json.createObjectNode();
        var added = tokenizer.putArray("added_tokens");
        for (String special : List.of("<pad>", "<s>", "</s>")) {
            added.addObject()
                    .put("id", vocab.size())
                    .put("content", special)
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
            vocab.put(special, vocab.size());
        }
        for (char c = '!'; c <= '~'; c++) {
            vocab.put(String.valueOf(c), vocab.size());
        }
        // Byte-level: a space, a line feed, the two bytes of e acute and three of four of a rocket, and pieces.
        for (String piece : List.of(
                "\u0120",
                "\u010a",
                "\u00c3",
                "\u00a9",
                "\u00f0",
                "\u0141",
                "\u00f0\u0141",
                "\u013c",
                "\u0122",
                "{\"",
                "\":",
                "\",",
                "\"}",
                "},",
                "[]",
                "\u0120\"",
                "tru",
                "null",
                "\":\u0120\"",
                "12")) {
            vocab.put(piece, vocab.size());
        }
        for (String piece : otherPieces) {
            vocab.put(piece, vocab.size());
        }
        for (int i = vocab.size(); i < 128; i++) {
            vocab.put("a" + i, i);
        }
        tokenizer
                .putObject("pre_tokenizer")
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true);
        tokenizer
                .putObject("decoder")
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true);
        ObjectNode model = tokenizer.putObject("model").put("type", "BPE");
        model.set("vocab", vocab);
        model.putArray("merges");
        Files.writeString(folder.resolve("tokenizer.json"), tokenizer.toString());
        return folder;
    }
}
