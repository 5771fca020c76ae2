package dev.gatun.cli.serve.engine;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The tiny Llama of golden/spm, which has a vocabulary and a chat template, and says that it takes 256 tokens. */
public final class TinyLlama {
    /** Where it is. */
    public static final Path FILE = Path.of("../golden/spm/llama-spm.gguf");

    private TinyLlama() {}

    /** Writes the same model for another number of tokens: its positions are rotated, so it takes any. */
    public static Path withPositions(Path folder, int positions) throws IOException {
        byte[] file = Files.readAllBytes(FILE);
        byte[] key = "llama.context_length".getBytes(StandardCharsets.US_ASCII);
        int at = 0;
        while (!startsWith(file, at, key)) {
            at++;
        }
        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putInt(at + key.length + Integer.BYTES, positions);
        Path patched = folder.resolve("tiny-llama.gguf");
        Files.write(patched, file);
        return patched;
    }

    private static boolean startsWith(byte[] file, int at, byte[] key) {
        for (int i = 0; i < key.length; i++) {
            if (file[at + i] != key[i]) {
                return false;
            }
        }
        return true;
    }
}
