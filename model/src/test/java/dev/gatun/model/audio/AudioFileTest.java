package dev.gatun.model.audio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Sound files of all kinds, and files that are none. */
class AudioFileTest {
    private static final int RATE = 16_000;

    @TempDir
    Path folder;

    private Path file(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("sound.wav"), bytes);
    }

    private static float[] tone(double hz, int rate, int n) {
        float[] samples = new float[n];
        for (int i = 0; i < n; i++) {
            samples[i] = (float) (0.5 * Math.sin(2 * Math.PI * hz * i / rate));
        }
        return samples;
    }

    @ParameterizedTest
    @CsvSource({"1,8,0.004", "1,16,2e-5", "1,24,1e-7", "1,32,1e-7", "3,32,0"})
    void integersAndFloatsAreTheSameSound(int format, int bits, float tolerance) throws IOException {
        float[] tone = tone(440, RATE, 20_000);
        float[] read = AudioFile.read(file(WavBytes.of(format, bits, 1, RATE, tone)), RATE);
        assertThat(read).hasSize(tone.length);
        for (int i = 0; i < tone.length; i++) {
            assertThat(read[i]).isCloseTo(tone[i], within(tolerance));
        }
    }

    @Test
    void channelsAreHeardAsTheirMean() throws IOException {
        float[] left = tone(440, RATE, 500);
        float[] both = new float[1000];
        for (int i = 0; i < 500; i++) {
            both[2 * i] = left[i];
            both[2 * i + 1] = i % 2 == 0 ? 0.25f : 0;
        }
        float[] read = AudioFile.read(file(WavBytes.of(3, 32, 2, RATE, both)), RATE);
        for (int i = 0; i < 500; i++) {
            assertThat(read[i]).isCloseTo((both[2 * i] + both[2 * i + 1]) / 2, within(1e-7f));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {8000, 11_025, 22_050, 44_100, 48_000, 15_999})
    void aToneOfAnotherRateIsTheSameTone(int rate) throws IOException {
        int hz = 3000;
        float[] read = AudioFile.read(file(WavBytes.of(3, 32, 1, rate, tone(hz, rate, 2 * rate))), RATE);
        assertThat(read.length).isEqualTo(2 * RATE);
        float[] wanted = tone(hz, RATE, read.length);
        for (int i = 1600; i < read.length - 1600; i++) { // the ends hear the silence beyond
            assertThat(read[i]).as("sample %d", i).isCloseTo(wanted[i], within(2e-6f));
        }
    }

    @Test
    void aToneThatTheNewRateCannotHaveIsGone() throws IOException {
        float[] read = AudioFile.read(file(WavBytes.of(3, 32, 1, 44_100, tone(9000, 44_100, 44_100))), RATE);
        for (int i = 1600; i < read.length - 1600; i++) {
            assertThat(read[i]).isCloseTo(0, within(2e-6f));
        }
    }

    private void refuses(byte[] bytes, String... parts) throws IOException {
        Path file = file(bytes);
        var error = assertThatThrownBy(() -> AudioFile.read(file, RATE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("sound.wav: ");
        for (String part : parts) {
            error.hasMessageContaining(part);
        }
    }

    @Test
    void whatIsBrokenIsOneErrorThatNamesTheFile() throws IOException {
        byte[] whole = WavBytes.of(1, 16, 1, RATE, tone(440, RATE, 1000));
        refuses(new byte[0], "not a sound file");
        refuses("not a WAV at all, but a text".getBytes(StandardCharsets.US_ASCII), "not a sound file");
        for (int length : new int[] {3, 11, 20, 30, 39}) {
            refuses(Arrays.copyOf(whole, length));
        }
        refuses(Arrays.copyOf(whole, 1044), "ends after 500 of the 1000 samples");
        refuses(Arrays.copyOf(whole, 1045), "ends after 500 of the 1000 samples");
        refuses(WavBytes.of(1, 16, 1, RATE), "no samples");
        refuses(WavBytes.with(whole, 22, 16, 0)); // channels
        refuses(WavBytes.with(whole, 22, 16, 9999));
        refuses(WavBytes.with(whole, 24, 32, 0)); // rate
        refuses(WavBytes.with(whole, 24, 32, -1));
        refuses(WavBytes.with(whole, 34, 16, 7)); // bits
        refuses(WavBytes.with(whole, 20, 16, 85)); // MP3 inside
        refuses(WavBytes.with(whole, 16, 32, 0x7fff_fff0)); // size of the format
        refuses(WavBytes.with(whole, 40, 32, 0x7fff_fff0)); // size of the samples
        refuses(WavBytes.of(3, 32, 1, RATE, 0.5f, Float.NaN), "sample 1 is NaN");
    }

    @Test
    void aFileThatIsNotThereIsNamed() {
        assertThatThrownBy(() -> AudioFile.read(folder.resolve("none.wav"), RATE))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("none.wav");
    }
}
