package dev.gatun.model.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.text.SentencePieceModel.Piece;
import dev.gatun.model.text.SentencePieceModel.Type;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SentencePieceModelTest {
    @Test
    void readsPiecesTypesAndRules() throws IOException {
        SentencePieceModel model = SentencePieceModel.parse("x.spm", DemoFolder.bytes("source.spm"));
        assertThat(model.pieces()).hasSize(153).contains(new Piece("▁hundred", Type.NORMAL));
        assertThat(model.pieces().get(model.unkId())).isEqualTo(new Piece("<unk>", Type.UNKNOWN));
        assertThat(model.unkSurface()).isEqualTo(" \u2047 ");
        assertThat(model.charsMap()).hasSizeGreaterThan(200_000);
        assertThat(model.denormalizes()).isFalse();
    }

    @Test
    void takesEveryTypeAndAnUnknownOneAsNormal() throws IOException {
        SentencePieceModel model = SentencePieceModel.parse(
                "x.spm",
                new SpmBuilder()
                        .unkSurface("?")
                        .piece("a", -1, 1)
                        .unknown()
                        .piece("<s>", 0, 3)
                        .piece("user", 0, 4)
                        .piece("old", 0, 5)
                        .piece("<0xE4>", 0, 6)
                        .piece("odd", 0, 99)
                        .build());
        assertThat(model.pieces())
                .extracting(Piece::type)
                .containsExactly(
                        Type.NORMAL,
                        Type.UNKNOWN,
                        Type.CONTROL,
                        Type.USER_DEFINED,
                        Type.UNUSED,
                        Type.BYTE,
                        Type.NORMAL);
        assertThat(model.unkId()).isEqualTo(1);
        assertThat(model.unkSurface()).isEqualTo("?");
    }

    private static void refused(SpmBuilder model, String... message) throws IOException {
        byte[] bytes = model.build();
        assertThatThrownBy(() -> SentencePieceModel.parse("x.spm", bytes))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith("x.spm: ")
                .hasMessageContainingAll(message);
    }

    @Test
    void piecesTheLibraryWouldBreakOnAreRefused() throws IOException {
        refused(new SpmBuilder().unknown().piece("", 0, 1), "piece 1 has 0 bytes");
        refused(new SpmBuilder().unknown().piece("x".repeat(1001), 0, 1), "piece 1 has 1001 bytes", "1 to 1000");
        refused(new SpmBuilder().unknown().piece("x".repeat(65), 0, 4), "user-defined, has 65 bytes", "1 to 64");
        refused(new SpmBuilder().unknown().piece("a\0b", 0, 1), "piece 1 contains a NUL");
        refused(new SpmBuilder().unknown().piece(new byte[] {(byte) 0xE4}, 0, 1), "piece 1 is not UTF-8");
        refused(new SpmBuilder().unknown().piece("a", Float.NaN, 1), "piece 1 has a score of NaN");
        refused(new SpmBuilder().unknown().piece("a", Float.POSITIVE_INFINITY, 1), "Infinity");
        refused(new SpmBuilder().unknown().piece("<0xZZ>", 0, 6), "piece 1", "of type BYTE");
        refused(new SpmBuilder().unknown().unknown(), "pieces 0 and 1 are both of type UNKNOWN");
        refused(new SpmBuilder().piece("a", 0, 1), "none of its 1 pieces is of type UNKNOWN");
    }

    @Test
    void whatTheLibraryRefusesIsAModelFormatException() throws IOException {
        byte[] bytes =
                new SpmBuilder().unknown().piece("a", 0, 1).piece("a", 0, 1).build();
        assertThatThrownBy(() -> new SentencePiece("x.spm", bytes, SentencePieceModel.parse("x.spm", bytes)).close())
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("x.spm: refused by SentencePiece", "already defined");
        byte[] rules = new SpmBuilder()
                .unknown()
                .piece("a", 0, 1)
                .charsMap(new byte[] {9})
                .build();
        assertThatThrownBy(() -> new SentencePiece("x.spm", rules, SentencePieceModel.parse("x.spm", rules)).close())
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("x.spm: the charsmap of its normalizer, 1 bytes");
    }

    @Test
    void piecesOfBytesAreDecodedToCharactersAndControlsToNothing(@TempDir Path folder) throws IOException {
        ModelFolder copy = DemoFolder.copyTo(folder);
        Files.writeString(
                folder.resolve("vocab.json"),
                "{\"</s>\":0,\"<unk>\":1,\"<pad>\":2,\"<0xE4>\":3,\"<0xBD>\":4,\"<0xA0>\":5,\"▁a\":6,\"<s>\":7}");
        byte[] target = new SpmBuilder()
                .unknown()
                .piece("<0xE4>", 0, 6)
                .piece("<0xBD>", 0, 6)
                .piece("<0xA0>", 0, 6)
                .piece("▁a", 0, 1)
                .piece("<s>", 0, 3)
                .build();
        Files.write(folder.resolve("target.spm"), target);
        try (MarianTokenizer tokenizer = MarianTokenizer.open(copy)) {
            assertThat(tokenizer.decode(6, 3, 4, 5, 7, 6, 0)).isEqualTo("a你 a");
            assertThat(tokenizer.decode(3, 4)).isEqualTo("\uFFFD");
        }
    }

    @Test
    void aTargetWithRulesToDenormalizeIsRefused(@TempDir Path folder) throws IOException {
        ModelFolder copy = DemoFolder.copyTo(folder);
        byte[] target =
                new SpmBuilder().unknown().denormalizerCharsMap(new byte[9]).build();
        Files.write(folder.resolve("target.spm"), target);
        assertThatThrownBy(() -> MarianTokenizer.open(copy))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("target.spm", "denormalize");
    }
}
