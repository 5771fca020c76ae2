package dev.gatun.model.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.model.weights.ModelFormatException;
import java.io.IOException;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/**
 * Models with bytes changed at random, handed to the native library with texts at random. Without the checks before it, files
 * like these ended the JVM within 2,000 tries.
 */
class SentencePiecePropertyTest {
    private static final int TEXTS = 10;

    @Property(tries = 1000)
    void aModelWithChangedBytesEncodesOrIsRefused(
            @ForAll @IntRange(min = 1, max = 4) int changes, @ForAll boolean inPieces, @ForAll Random random)
            throws IOException {
        byte[] bytes = DemoFolder.bytes("source.spm");
        for (int i = 0; i < changes; i++) {
            // the pieces are the first 3 kB, the rest is almost all charsmap
            bytes[random.nextInt(inPieces ? 3000 : bytes.length)] = (byte) random.nextInt(256);
        }
        try {
            SentencePieceModel model = SentencePieceModel.parse("x.spm", bytes);
            try (var processor = new SentencePiece("x.spm", bytes, model)) {
                for (int i = 0; i < TEXTS; i++) {
                    for (int id : processor.encode(text(random), model.unkId()).ids()) {
                        assertThat(id).isBetween(0, model.pieces().size() - 1);
                    }
                }
            }
        } catch (ModelFormatException e) {
            assertThat(e).hasMessageStartingWith("x.spm: ");
        }
    }

    private static String text(Random random) {
        var text = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            text.appendCodePoint(
                    switch (random.nextInt(4)) {
                        case 0 -> random.nextInt(Character.MAX_CODE_POINT + 1);
                        case 1 -> 0xFF00 + random.nextInt(256); // full-width: replaced by the rules
                        default -> ' ' + random.nextInt(95);
                    });
        }
        return text.toString();
    }
}
