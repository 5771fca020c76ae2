package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gatun transcribe} with a golden model of speech, whose window is a second. */
class TranscribeCommandTest {
    private static final String MODEL = "../golden/models/whisper";

    @TempDir
    private Path folder;

    private Path sound;

    @BeforeEach
    void writeASound() throws IOException {
        int samples = 40_000; // two and a half seconds
        ByteBuffer wav = ByteBuffer.allocate(44 + 2 * samples).order(ByteOrder.LITTLE_ENDIAN);
        wav.put("RIFF".getBytes(StandardCharsets.US_ASCII)).putInt(wav.capacity() - 8);
        wav.put("WAVEfmt ".getBytes(StandardCharsets.US_ASCII)).putInt(16);
        wav.putShort((short) 1).putShort((short) 1).putInt(16_000).putInt(32_000);
        wav.putShort((short) 2).putShort((short) 16);
        wav.put("data".getBytes(StandardCharsets.US_ASCII)).putInt(2 * samples);
        for (int i = 0; i < samples; i++) {
            wav.putShort((short) (8000 * Math.sin(i * i * 1e-5)));
        }
        sound = Files.write(folder.resolve("sound.wav"), wav.array());
    }

    private static Outcome transcribe(String... args) {
        String[] all = new String[args.length + 3];
        all[0] = "transcribe";
        all[1] = "--model";
        all[2] = MODEL;
        System.arraycopy(args, 0, all, 3, args.length);
        return Outcome.of(all);
    }

    @Test
    void printsTheTextOnALineOrTheSegmentsWithTheirTimes() {
        String[] asked = {"--language", "en", "--task", "transcribe", "--max-tokens", "14", sound.toString()};
        assertThat(transcribe(asked).isDone().lines()).hasSize(1);
        String[] timed = java.util.Arrays.copyOf(asked, asked.length + 1);
        timed[asked.length] = "--timestamps";
        assertThat(transcribe(timed).isDone().lines())
                .isNotEmpty()
                .allMatch(line -> line.matches("\\[00:0[0-3]\\.\\d\\d --> 00:0[0-3]\\.\\d\\d] .+"));
        assertThat(transcribe("--max-tokens", "5", "--beams", "2", sound.toString())
                        .isDone()
                        .lines())
                .hasSize(1);
    }

    @Test
    void badUseAndBadFilesAreNamed() throws IOException {
        transcribe().refusesWith("FILE");
        transcribe("--language", "xx", sound.toString()).refusesWith("language xx: the model knows de, en, zh");
        transcribe("--task", "sing", sound.toString()).refusesWith("task sing");
        transcribe(folder.resolve("none.wav").toString()).refusesWith("none.wav");
        Path text = Files.writeString(folder.resolve("text.wav"), "no sound at all");
        transcribe(text.toString()).refusesWith("text.wav: not a sound file");
        Path cut = Files.write(folder.resolve("cut.wav"), java.util.Arrays.copyOf(Files.readAllBytes(sound), 30_000));
        transcribe(cut.toString()).refusesWith("cut.wav: ends after 14978 of the 40000 samples");
        Outcome.of("transcribe", sound.toString()).refusesWith("--model");
        Outcome.of("transcribe", "--model", "../golden/models/bart", sound.toString())
                .refusesWith("a model of type bart reads no sound");
        Outcome.of("translate", "--model", MODEL, "a text").refusesWith("reads sound, no text; see transcribe");
    }
}
