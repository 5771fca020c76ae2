package dev.gatun.model.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MarianTokenizerTest {
    private static final int EOS = 0;
    private static final int UNK = 1;
    private static final int PAD = 248;

    @TempDir
    private Path folder;

    /** The demo's files with what the fixture added to the vocabulary. */
    private ModelFolder withLanguageCode() throws IOException {
        ModelFolder copy = DemoFolder.copyTo(folder);
        String vocab = DemoFolder.text("vocab.json").strip();
        write("vocab.json", vocab.substring(0, vocab.length() - 1) + ", \">>fra<<\": 249}");
        return copy;
    }

    private void write(String file, String text) throws IOException {
        Files.writeString(folder.resolve(file), text);
    }

    private static JsonConfig fixture() throws IOException {
        return JsonConfig.read(
                ModelFolder.ofResources(MarianTokenizerTest.class, "dev/gatun/model/text"), "marian_ids.json");
    }

    private static int[] ids(JsonConfig entry) {
        return entry.ints("ids", 0, 249).stream().mapToInt(Integer::intValue).toArray();
    }

    @Test
    void encodesToTheIdsOfTransformers() throws IOException {
        List<JsonConfig> expected = fixture().objects("encoded");
        assertThat(expected).hasSizeGreaterThan(230);
        try (MarianTokenizer tokenizer = MarianTokenizer.open(withLanguageCode())) {
            for (JsonConfig each : expected) {
                String text = each.requireString("text");
                assertThat(tokenizer.encode(text)).as(text).containsExactly(ids(each));
            }
        }
    }

    @Test
    void decodesToTheTextOfTransformers() throws IOException {
        List<JsonConfig> expected = fixture().objects("decoded");
        assertThat(expected).hasSizeGreaterThan(250);
        try (MarianTokenizer tokenizer = MarianTokenizer.open(withLanguageCode())) {
            for (JsonConfig each : expected) {
                assertThat(tokenizer.decode(ids(each)))
                        .as(Arrays.toString(ids(each)))
                        .isEqualTo(each.requireString("text"));
            }
        }
    }

    @Test
    void opensFromResources() throws IOException {
        try (MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES)) {
            assertThat(tokenizer.encode("fifty-three")).containsExactly(18, 2, 28, EOS);
            assertThat(tokenizer.eosId()).isEqualTo(EOS);
            assertThat(tokenizer.unkId()).isEqualTo(UNK);
            assertThat(tokenizer.padId()).isEqualTo(PAD);
            assertThat(tokenizer.vocabSize()).isEqualTo(249);
        }
    }

    @Test
    void decodesTheReferencesOutputsFromTheirPieces() throws IOException {
        JsonConfig vocab = JsonConfig.read(DemoFolder.RESOURCES, "vocab.json");
        JsonConfig heldOut = JsonConfig.read(
                ModelFolder.ofResources(MarianTokenizerTest.class, "dev/gatun/model/text"), "held_out.json");
        try (MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES)) {
            assertThat(heldOut.objects("cases")).hasSize(200).allSatisfy(each -> {
                String output = each.requireString("output"); // 五十三
                List<Integer> ids = new ArrayList<>(List.of(PAD, vocab.requireInt("▁", 0, 248)));
                for (int at = 0; at < output.length(); ) {
                    int end = output.length();
                    while (!vocab.has(output.substring(at, end))) {
                        end--;
                    }
                    ids.add(vocab.requireInt(output.substring(at, end), 0, 248));
                    at = end;
                }
                ids.add(EOS);
                assertThat(tokenizer.decode(
                                ids.stream().mapToInt(Integer::intValue).toArray()))
                        .isEqualTo(output);
            });
        }
    }

    @Test
    void anEmptyTextIsJustTheEnd() throws IOException {
        try (MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES)) {
            assertThat(tokenizer.encode("")).containsExactly(EOS);
            assertThat(tokenizer.encode(" \t\n")).containsExactly(EOS);
            assertThat(tokenizer.decode()).isEmpty();
        }
    }

    @Test
    void aHundredThousandWordsAreEncoded() throws IOException {
        try (MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES)) {
            int[] ids = tokenizer.encode("five ".repeat(100_000));
            assertThat(ids).hasSize(100_001);
            assertThat(ids[0]).isEqualTo(ids[99_999]).isEqualTo(tokenizer.encode("five")[0]);
            assertThat(tokenizer.encode("五 five ".repeat(50_000)))
                    .hasSize(150_001)
                    .doesNotContain(UNK);
        }
    }

    @Test
    void aTextTooLongForTheLibraryIsRefusedWithBothNumbers() throws IOException {
        try (MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES)) {
            assertThatThrownBy(() -> tokenizer.encode("x".repeat(SentencePiece.MAX_CHARS + 1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("4194305", "4194304");
        }
    }

    @Test
    void loneSurrogatesAndNulsAreUnknownCharacters() throws IOException {
        try (MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES)) {
            assertThat(tokenizer.encode("two \uD800 two")).containsExactly(tokenizer.encode("two ? two"));
            assertThat(tokenizer.encode("two \uDC00\uD800")).containsExactly(tokenizer.encode("two ??"));
            assertThat(tokenizer.encode("two \0 two")).contains(UNK).endsWith(tokenizer.encode("two"));
            assertThat(tokenizer.encode("\0")).endsWith(EOS);
        }
    }

    @Test
    void specialTokensInATextAreText() throws IOException {
        try (MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES)) {
            assertThat(tokenizer.encode("two</s>two")).containsOnlyOnce(EOS);
            assertThat(tokenizer.encode("<pad>")).doesNotContain(PAD);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 249, Integer.MAX_VALUE, Integer.MIN_VALUE})
    void anIdBeyondTheVocabularyIsRefusedWithItsPosition(int id) throws IOException {
        try (MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES)) {
            assertThatThrownBy(() -> tokenizer.decode(3, 4, id))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("id " + id, "position 2", "249");
        }
    }

    @Test
    void afterCloseItDecodesButDoesNotEncode() throws IOException {
        MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES);
        tokenizer.close();
        tokenizer.close();
        assertThatThrownBy(() -> tokenizer.encode("two"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        assertThatThrownBy(() -> CompletableFuture.runAsync(() -> tokenizer.encode("two"))
                        .join())
                .hasCauseInstanceOf(IllegalStateException.class);
        assertThat(tokenizer.decode(30)).isEqualTo("two");
    }

    @Test
    void threadsEncodeTheSameAtOnceAndCloseWaitsForThem() throws IOException {
        for (int round = 0; round < 10; round++) {
            MarianTokenizer tokenizer = MarianTokenizer.open(DemoFolder.RESOURCES);
            int[] expected = tokenizer.encode("nine hundred and five 五");
            var started = new CountDownLatch(4);
            List<CompletableFuture<Void>> threads = new ArrayList<>();
            for (int thread = 0; thread < 4; thread++) {
                threads.add(CompletableFuture.runAsync(
                        () -> {
                            started.countDown();
                            try {
                                while (true) {
                                    assertThat(tokenizer.encode("nine hundred and five 五"))
                                            .containsExactly(expected);
                                }
                            } catch (IllegalStateException e) {
                                assertThat(e).hasMessageContaining("closed");
                            }
                        },
                        command -> Thread.ofPlatform().start(command)));
            }
            assertThat(awaited(started)).isTrue();
            tokenizer.close();
            threads.forEach(CompletableFuture::join);
        }
    }

    private static boolean awaited(CountDownLatch latch) {
        try {
            latch.await();
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"source.spm", "target.spm", "vocab.json"})
    void aMissingFileIsAnIoErrorThatNamesIt(String file) throws IOException {
        ModelFolder copy = DemoFolder.copyTo(folder);
        Files.delete(folder.resolve(file));
        assertThatThrownBy(() -> MarianTokenizer.open(copy))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining(file);
    }

    @Test
    void theSpecialTokensHaveTheirUsualNamesWithoutAConfig() throws IOException {
        ModelFolder copy = DemoFolder.copyTo(folder);
        Files.delete(folder.resolve("tokenizer_config.json"));
        try (MarianTokenizer tokenizer = MarianTokenizer.open(copy)) {
            assertThat(tokenizer.padId()).isEqualTo(PAD);
        }
    }

    @Test
    void theConfigNamesSpecialTokensAsStringsOrObjects() throws IOException {
        ModelFolder copy = DemoFolder.copyTo(folder);
        write("vocab.json", "{\"END\":0,\"?\":1,\"FILL\":2,\"▁two\":3}");
        write(
                "tokenizer_config.json",
                "{\"eos_token\":{\"content\":\"END\",\"lstrip\":false},\"unk_token\":\"?\",\"pad_token\":{\"content\":\"FILL\"}}");
        try (MarianTokenizer tokenizer = MarianTokenizer.open(copy)) {
            assertThat(tokenizer.encode("two three")).containsExactly(3, 1, 0);
            assertThat(tokenizer.decode(3, 1, 2, 0)).isEqualTo("two");
            assertThat(tokenizer.vocabSize()).isEqualTo(4);
        }
    }

    @Test
    void targetsMayHaveAVocabularyOfTheirOwn() throws IOException {
        ModelFolder copy = DemoFolder.copyTo(folder);
        write("tokenizer_config.json", "{\"separate_vocabs\":true}");
        assertThatThrownBy(() -> MarianTokenizer.open(copy))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("target_vocab.json");
        write("target_vocab.json", "{\"<pad>\":0,\"五\":1,\"</s>\":2,\"<unk>\":3,\"▁\":4,\"十\":7}");
        try (MarianTokenizer tokenizer = MarianTokenizer.open(copy)) {
            assertThat(tokenizer.encode("fifty-three")).containsExactly(18, 2, 28, EOS);
            assertThat(tokenizer.decode(0, 4, 1, 7, 3, 2)).isEqualTo("五十");
            assertThat(tokenizer.targetToken(7)).isEqualTo("十");
            assertThat(tokenizer.sourceToken(EOS)).isEqualTo("</s>");
            assertThatThrownBy(() -> tokenizer.decode(5)).hasMessageContaining("not in the vocabulary of 8");
            tokenizer.checkSizes(249, 8);
            assertThatThrownBy(() -> tokenizer.checkSizes(249, 7))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("target_vocab.json has 8 ids, the model's embedding only 7");
            assertThatThrownBy(() -> tokenizer.checkSizes(248, 8)).hasMessageContaining("vocab.json has 249 ids");
        }
    }

    private void refused(String file, String content, String... message) throws IOException {
        ModelFolder copy = DemoFolder.copyTo(folder);
        write(file, content);
        assertThatThrownBy(() -> MarianTokenizer.open(copy))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining(file)
                .hasMessageContainingAll(message);
    }

    @Test
    void aVocabularyThatIsNoneIsRefused() throws IOException {
        refused("vocab.json", "[]", "not a JSON object");
        refused("vocab.json", "", "not a JSON object");
        refused("vocab.json", "{\"a\":", "not the JSON");
        refused("vocab.json", "{\"</s>\":0,\"<unk>\":1}", "special token <pad> is missing");
        refused("vocab.json", "{\"</s>\":0,\"<unk>\":1,\"<pad>\":1}", "\"<unk>\" and \"<pad>\" both have the id 1");
        refused("vocab.json", "{\"</s>\":0,\"</s>\":1}", "twice");
        refused("vocab.json", "{\"</s>\":-1}", "</s> is -1", "allowed is 0");
        refused("vocab.json", "{\"</s>\":2147483648}", "</s> is 2147483648");
        refused("vocab.json", "{\"</s>\":\"0\"}", "not an integer");
        refused("vocab.json", "{\"</s>\":null}", "missing");
    }

    @Test
    void aConfigOfAnotherKindIsRefused() throws IOException {
        refused("tokenizer_config.json", "[]", "not a JSON object");
        refused("tokenizer_config.json", "{\"separate_vocabs\":1}", "separate_vocabs is not true or false");
        refused("tokenizer_config.json", "{\"eos_token\":7}", "eos_token is not a string");
        refused("tokenizer_config.json", "{\"eos_token\":{}}", "eos_token.content is missing");
    }

    @ParameterizedTest
    @ValueSource(strings = {"source.spm", "target.spm"})
    void aSentencePieceFileThatIsEmptyRandomOrTruncatedIsRefused(String file) throws IOException {
        ModelFolder copy = DemoFolder.copyTo(folder);
        byte[] whole = DemoFolder.bytes(file);
        List<byte[]> broken = new ArrayList<>(List.of(new byte[0], new byte[100], new byte[] {10}));
        var random = new Random(1);
        for (int length : new int[] {1, 10, 1000, 100_000}) {
            byte[] bytes = new byte[length];
            random.nextBytes(bytes);
            broken.add(bytes);
        }
        for (int length = 1; length < whole.length; length += 1 + length / 3) {
            broken.add(Arrays.copyOf(whole, length));
        }
        for (byte[] bytes : broken) {
            Files.deleteIfExists(folder.resolve(file)); // a mapped file is replaced, never rewritten
            Files.write(folder.resolve(file), bytes);
            // Cut between two fields it is a model of its own, with fewer pieces or without rules to normalize.
            try (MarianTokenizer tokenizer = MarianTokenizer.open(copy)) {
                assertThat(tokenizer.encode("two")).endsWith(EOS);
            } catch (ModelFormatException e) {
                assertThat(e).hasMessageStartingWith(folder.resolve(file) + ": ");
            }
        }
        Files.write(folder.resolve(file), new byte[0]);
        assertThatThrownBy(() -> MarianTokenizer.open(copy))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll(file, "none of its 0 pieces is of type UNKNOWN");
    }
}
