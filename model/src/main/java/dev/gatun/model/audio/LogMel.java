package dev.gatun.model.audio;

import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import java.io.IOException;
import java.lang.foreign.Arena;

/**
 * Log-mel spectrograms as Whisper reads them (Radford et al. 2023, section 2.2; transformers' WhisperFeatureExtractor): frames under a
 * Hann window, a column every hop, the first centred at the first sample and both ends mirrored; power, mel filters, log10 of at least
 * 1e-10, nothing more than 8 below the loudest, then (x + 4) / 4. Immutable and thread-safe.
 *
 * @param bins mel filters
 * @param fftSize samples of a frame
 * @param hop samples from one frame to the next
 * @param rate samples a second
 * @param windowSamples that a model reads at once
 */
public record LogMel(int bins, int fftSize, int hop, int rate, int windowSamples) {
    private static final double FLOOR = 1e-10;
    private static final double RANGE = 8; // powers of ten

    /**
     * What preprocessor_config.json says, or what all Whispers have where there is none.
     *
     * @param bins that the model reads
     * @throws IOException if the file cannot be read
     * @throws dev.gatun.model.weights.ModelFormatException if it is broken, or of other bins
     */
    public static LogMel read(ModelFolder folder, int bins) throws IOException {
        String file = "preprocessor_config.json";
        if (!folder.has(file)) {
            return new LogMel(bins, 400, 160, 16_000, 480_000);
        }
        JsonConfig json = JsonConfig.read(folder, file);
        json.optionalInt("feature_size", bins, bins, bins);
        int rate = json.optionalInt("sampling_rate", 16_000, 1000, 192_000);
        int size = json.optionalInt("n_fft", 400, 16, 1 << 14);
        return new LogMel(
                bins,
                size,
                json.optionalInt("hop_length", 160, 1, size),
                rate,
                json.optionalInt("chunk_length", 30, 1, 3600) * rate);
    }

    /** Columns of a window. */
    public int windowFrames() {
        return windowSamples / hop;
    }

    /** Columns of so many samples. */
    public int frames(int samples) {
        return samples / hop;
    }

    /**
     * The spectrogram of samples: as many columns as they have whole hops; of sound that is shorter than a window that of the window,
     * filled up with silence.
     *
     * @param samples -1 to 1, at {@link #rate}
     * @param arena where it lives
     * @return [columns, bins]
     */
    public Tensor of(float[] samples, Arena arena) {
        int length = Math.max(samples.length, windowSamples);
        int frames = frames(length);
        float[] values = new float[Math.multiplyExact(frames, bins)];
        fill(samples, length, frames, values);
        return Tensor.copyOf(arena, values, frames, bins);
    }

    private void fill(float[] samples, int length, int frames, float[] values) {
        double[] window = new double[fftSize];
        for (int i = 0; i < fftSize; i++) {
            window[i] = (1 - StrictMath.cos(2 * Math.PI * i / fftSize)) / 2; // periodic
        }
        var spectrum = new PowerSpectrum(fftSize);
        var filters = new MelFilters(bins, spectrum.size(), rate);
        double[][] frame = new double[2][fftSize];
        double[][] power = new double[2][spectrum.size()];
        double loudest = Double.NEGATIVE_INFINITY;
        for (int t = 0; t < frames; t += 2) {
            int count = Math.min(2, frames - t);
            for (int i = 0; i < count; i++) {
                cut(samples, length, (long) (t + i) * hop - fftSize / 2, window, frame[i]);
            }
            spectrum.of(frame[0], frame[1], power[0], power[1]);
            for (int i = 0; i < count; i++) {
                for (int m = 0; m < bins; m++) {
                    double log = Math.log10(Math.max(FLOOR, filters.energy(m, power[i])));
                    loudest = Math.max(loudest, log);
                    values[(t + i) * bins + m] = (float) log;
                }
            }
        }
        float least = (float) (loudest - RANGE);
        for (int i = 0; i < values.length; i++) {
            values[i] = (Math.max(values[i], least) + 4) / 4;
        }
    }

    /** A frame under the window; before the first sample and after the last the sound is mirrored there. */
    private static void cut(float[] samples, int length, long from, double[] window, double[] frame) {
        for (int i = 0; i < frame.length; i++) {
            long at = Math.abs(from + i);
            at = at < length ? at : 2L * (length - 1) - at;
            frame[i] = at >= 0 && at < samples.length ? samples[(int) at] * window[i] : 0; // silence behind the sound
        }
    }
}
