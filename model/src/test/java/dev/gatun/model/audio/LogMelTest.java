package dev.gatun.model.audio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Spectra against their definition; whole spectrograms are checked by the golden data. */
class LogMelTest {
    @ParameterizedTest
    @ValueSource(ints = {16, 17, 30, 400, 512})
    void aSpectrumIsThatOfTheDefinition(int n) {
        var random = new Random(n);
        double[][] frames = new double[2][];
        for (int i = 0; i < 2; i++) {
            frames[i] = random.doubles(n, -1, 1).toArray();
        }
        var spectrum = new PowerSpectrum(n);
        double[][] power = new double[2][spectrum.size()];
        spectrum.of(frames[0], frames[1], power[0], power[1]);
        for (int i = 0; i < 2; i++) {
            for (int k = 0; k < spectrum.size(); k++) {
                double re = 0;
                double im = 0;
                for (int t = 0; t < n; t++) {
                    re += frames[i][t] * Math.cos(2 * Math.PI * k * t / n);
                    im -= frames[i][t] * Math.sin(2 * Math.PI * k * t / n);
                }
                assertThat(power[i][k]).isCloseTo(re * re + im * im, within(1e-10 * n * n));
            }
        }
    }

    @Test
    void soundShorterThanAWindowIsFilledUpAndSilenceIsOneNumber() {
        var logMel = new LogMel(80, 400, 160, 16_000, 16_000);
        try (Arena arena = Arena.ofConfined()) {
            Tensor silence = logMel.of(new float[1], arena);
            assertThat(silence.shape().toString()).isEqualTo("[100,80]");
            assertThat(silence.toFloats()).containsOnly(-1.5f); // (log10(1e-10) + 4) / 4
            assertThat(logMel.of(new float[16_159], arena).dim(0)).isEqualTo(100);
            assertThat(logMel.of(new float[16_160], arena).dim(0)).isEqualTo(101);
        }
    }
}
