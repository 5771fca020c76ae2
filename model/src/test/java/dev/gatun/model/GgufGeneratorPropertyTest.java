package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.template.TemplateException;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/**
 * A GGUF file whose settings or vocabulary are changed at random becomes a model that writes, or is refused with one line that starts
 * with its name; either way nothing of it stays mapped.
 */
class GgufGeneratorPropertyTest {
    private static final Path ORIGINAL = Path.of("../golden/spm/llama-spm.gguf");
    private static final long[] NUMBERS = {
        0,
        1,
        -1,
        2,
        3,
        31,
        32,
        33,
        400,
        401,
        1 << 20,
        Integer.MAX_VALUE,
        1L << 31,
        1L << 40,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        Double.doubleToLongBits(Double.NaN),
        Float.floatToIntBits(Float.NaN),
        Float.floatToIntBits(-1e30f)
    };

    private static Path folder = Path.of("");
    private static Path file = Path.of("");
    private static byte[] original = {};
    private static int settings;
    private static int header;

    @BeforeContainer
    static void read() throws IOException {
        original = Files.readAllBytes(ORIGINAL);
        header = original.length - 125_568; // where tensors' bytes begin
        String text = new String(original, 0, header, StandardCharsets.ISO_8859_1);
        settings = text.indexOf("tokenizer.ggml.tokens"); // before it are the model's numbers
        folder = Files.createTempDirectory("gatun-gguf");
        file = folder.resolve("changed.gguf");
    }

    @AfterContainer
    static void nothingIsStillMapped() throws IOException {
        assertThat(Files.readAllLines(Path.of("/proc/self/maps")))
                .noneMatch(line -> line.contains(folder.getFileName().toString()));
        Files.deleteIfExists(file);
        Files.delete(folder);
    }

    private static void writesOrIsRefused(byte[] bytes) throws IOException {
        Files.deleteIfExists(file); // never written over: see MappedFile
        Files.write(file, bytes);
        try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null));
                TextGenerator generator = TextGenerator.open(file, backend)) {
            generator.generate("The page", Settings.DEFAULT.withMaxTokens(2));
            if (generator.chatTemplate() != null) {
                generator.render(List.of(new TextGenerator.Message("user", "x")));
            }
        } catch (ModelFormatException e) {
            assertThat(e.getMessage()).doesNotContain("\n");
        } catch (InputException | TemplateException | MemoryBudgetException e) {
            assertThat(e.getMessage()).isNotBlank();
        }
    }

    @Property(tries = 300)
    void otherSettings(@ForAll @IntRange(min = 8, max = 1 << 20) int at, @ForAll @IntRange(max = 18) int which)
            throws IOException {
        byte[] bytes = original.clone();
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int place = 8 + at % (settings - 16);
        if (which % 2 == 0) {
            buffer.putLong(place, NUMBERS[which]);
        } else {
            buffer.putInt(place, (int) NUMBERS[which]);
        }
        writesOrIsRefused(bytes);
    }

    @Property(tries = 300)
    void otherBytes(
            @ForAll @Size(min = 1, max = 5) List<@IntRange(max = 1 << 20) Integer> at, @ForAll @Size(5) byte[] values)
            throws IOException {
        byte[] bytes = original.clone();
        for (int i = 0; i < at.size(); i++) {
            bytes[at.get(i) % header] = values[i];
        }
        writesOrIsRefused(bytes);
    }

    /** Each number of a setting, replaced by one that is no size of anything. */
    @Property(tries = 300)
    void otherNumbersOfSettings(@ForAll @IntRange(max = 200) int which, @ForAll @IntRange(max = 18) int number)
            throws IOException {
        byte[] bytes = original.clone();
        String text = new String(bytes, 0, settings, StandardCharsets.ISO_8859_1);
        List<String> keys = List.of(
                "llama.block_count",
                "llama.context_length",
                "llama.embedding_length",
                "llama.feed_forward_length",
                "llama.attention.head_count",
                "llama.attention.head_count_kv",
                "llama.rope.freq_base",
                "llama.attention.layer_norm_rms_epsilon",
                "llama.vocab_size",
                "llama.rope.dimension_count");
        String key = keys.get(which % keys.size());
        int place = text.indexOf(key + (key.endsWith("head_count") ? "\u0004" : ""));
        assertThat(place).as(key).isPositive();
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(place + key.length() + Integer.BYTES, (int)
                NUMBERS[number]);
        writesOrIsRefused(bytes);
    }
}
