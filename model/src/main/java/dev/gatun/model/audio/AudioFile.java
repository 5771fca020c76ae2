package dev.gatun.model.audio;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import javax.sound.sampled.AudioFormat;
import javax.sound.sampled.AudioFormat.Encoding;
import javax.sound.sampled.AudioInputStream;
import javax.sound.sampled.AudioSystem;
import javax.sound.sampled.UnsupportedAudioFileException;

/** Sound files, as the JDK reads them: WAV, AIFF and AU with integers of 8 to 32 bits or floats, of any number of channels. */
public final class AudioFile {
    private static final int MAX_CHANNELS = 64;
    private static final int MIN_RATE = 1000;
    private static final int MAX_RATE = 768_000;
    private static final int MAX_SECONDS = 6 * 3600; // 345 million samples at 16 kHz
    private static final int FRAMES = 1 << 13; // at a time

    private AudioFile() {}

    /**
     * Reads a file as one channel, the mean of its channels.
     *
     * @param rate samples a second that are wanted
     * @return samples; -1 to 1, but that floats in a file may be louder
     * @throws IllegalArgumentException if the file is no sound that can be read, or ends early, or is longer than six hours
     * @throws IOException if it does not exist or cannot be read
     */
    public static float[] read(Path file, int rate) throws IOException {
        if (!Files.exists(file)) {
            throw new NoSuchFileException(file.toString());
        }
        try (InputStream bytes = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
                AudioInputStream sound = open(file, bytes)) {
            return samples(file, sound, rate);
        }
    }

    private static AudioInputStream open(Path file, InputStream bytes) throws IOException {
        try {
            AudioInputStream sound = AudioSystem.getAudioInputStream(bytes);
            Encoding encoding = sound.getFormat().getEncoding();
            boolean companded = encoding.equals(Encoding.ALAW) || encoding.equals(Encoding.ULAW);
            return companded ? AudioSystem.getAudioInputStream(Encoding.PCM_SIGNED, sound) : sound;
        } catch (UnsupportedAudioFileException | EOFException e) {
            throw new IllegalArgumentException(file + ": not a sound file of a kind that is read: WAV, AIFF, AU", e);
        } catch (RuntimeException e) { // readers trust headers
            throw new IllegalArgumentException(file + ": a sound file with a broken header: " + e.getMessage(), e);
        }
    }

    private static float[] samples(Path file, AudioInputStream sound, int rate) throws IOException {
        AudioFormat format = sound.getFormat();
        int channels = format.getChannels();
        float from = format.getSampleRate();
        int bits = format.getSampleSizeInBits();
        int width = Math.ceilDiv(bits, 8);
        if (channels < 1 || channels > MAX_CHANNELS) {
            throw new IllegalArgumentException(
                    file + ": " + channels + " channels, 1 to " + MAX_CHANNELS + " are read");
        }
        if (!(from >= MIN_RATE && from <= MAX_RATE)) {
            throw new IllegalArgumentException(
                    file + ": " + from + " samples a second, " + MIN_RATE + " to " + MAX_RATE + " are read");
        }
        Decoder decoder = decoder(format.getEncoding(), bits);
        if (decoder == null || format.getFrameSize() != channels * width) {
            throw new IllegalArgumentException(file + ": samples are " + format + ", which is not read");
        }
        long frames = sound.getFrameLength(); // -1 where the file does not say
        if (frames > (long) (from * MAX_SECONDS)) {
            throw new IllegalArgumentException(file + ": " + tooLong((long) (frames / from)));
        }
        var resampler = new Resampler(Math.round(from), rate, FRAMES);
        byte[] bytes = new byte[FRAMES * channels * width];
        ByteBuffer buffer =
                ByteBuffer.wrap(bytes).order(format.isBigEndian() ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
        float[] mono = new float[FRAMES];
        long read = 0;
        int count;
        do {
            int there = sound.readNBytes(bytes, 0, bytes.length);
            count = there / (channels * width);
            for (int i = 0; i < count; i++) {
                double sum = 0;
                for (int c = 0; c < channels; c++) {
                    sum += decoder.at(buffer, (i * channels + c) * width);
                }
                mono[i] = (float) (sum / channels);
                if (!Float.isFinite(mono[i])) {
                    throw new IllegalArgumentException(
                            file + ": sample " + (read + i) + " is " + mono[i] + ", which is no sound");
                }
            }
            resampler.add(mono, count);
            read += count;
            if (resampler.size() > (long) rate * MAX_SECONDS) {
                throw new IllegalArgumentException(file + ": " + tooLong(resampler.size() / rate));
            }
        } while (count == FRAMES);
        if (frames >= 0 && read < frames) {
            throw new IllegalArgumentException(
                    file + ": ends after " + read + " of the " + frames + " samples that its header promises");
        }
        if (read == 0) {
            throw new IllegalArgumentException(file + ": no samples");
        }
        return resampler.finish();
    }

    private static String tooLong(long seconds) {
        return seconds + " seconds, at most " + MAX_SECONDS + " are read: cut it into parts";
    }

    /** One sample at a byte of a buffer. */
    private interface Decoder {
        double at(ByteBuffer bytes, int index);
    }

    private static @org.jspecify.annotations.Nullable Decoder decoder(Encoding encoding, int bits) {
        if (encoding.equals(Encoding.PCM_FLOAT)) {
            return bits == 32 ? ByteBuffer::getFloat : bits == 64 ? ByteBuffer::getDouble : null;
        }
        if (encoding.equals(Encoding.PCM_UNSIGNED) && bits == 8) {
            return (bytes, at) -> ((bytes.get(at) & 0xFF) - 128) / 128.0;
        }
        if (!encoding.equals(Encoding.PCM_SIGNED)) {
            return null;
        }
        return switch (bits) {
            case 8 -> (bytes, at) -> bytes.get(at) / 128.0;
            case 16 -> (bytes, at) -> bytes.getShort(at) / 32768.0;
            case 24 -> AudioFile::int24;
            case 32 -> (bytes, at) -> bytes.getInt(at) / 2147483648.0;
            default -> null;
        };
    }

    private static double int24(ByteBuffer bytes, int at) {
        boolean big = bytes.order() == ByteOrder.BIG_ENDIAN;
        int high = bytes.get(big ? at : at + 2);
        int low = bytes.get(big ? at + 2 : at) & 0xFF;
        return (high << 16 | (bytes.get(at + 1) & 0xFF) << 8 | low) / 8388608.0;
    }
}
