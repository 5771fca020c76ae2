package dev.gatun.model.audio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** WAV files byte by byte, so that a test can break any of them. */
public final class WavBytes {
    private static final int HEADER = 44;

    private WavBytes() {}

    /**
     * A file.
     *
     * @param format 1 for integers, 3 for floats
     * @param samples -1 to 1, channels of a moment side by side
     */
    public static byte[] of(int format, int bits, int channels, int rate, float... samples) {
        int width = bits / 8;
        ByteBuffer file = ByteBuffer.allocate(HEADER + samples.length * width).order(ByteOrder.LITTLE_ENDIAN);
        file.put(ascii("RIFF"))
                .putInt(file.capacity() - 8)
                .put(ascii("WAVEfmt "))
                .putInt(16);
        file.putShort((short) format).putShort((short) channels).putInt(rate);
        file.putInt(rate * channels * width)
                .putShort((short) (channels * width))
                .putShort((short) bits);
        file.put(ascii("data")).putInt(samples.length * width);
        for (float sample : samples) {
            double scaled = sample * (double) (1L << bits - 1);
            switch (format * 100 + bits) {
                case 108 -> file.put((byte) (Math.round(scaled) + 128));
                case 116 -> file.putShort((short) Math.clamp(Math.round(scaled), Short.MIN_VALUE, Short.MAX_VALUE));
                case 124 -> {
                    int value = Math.clamp(Math.round(scaled), -(1 << 23), (1 << 23) - 1);
                    file.put((byte) value).put((byte) (value >> 8)).put((byte) (value >> 16));
                }
                case 132 -> file.putInt(Math.clamp(Math.round(scaled), Integer.MIN_VALUE, Integer.MAX_VALUE));
                case 332 -> file.putFloat(sample);
                default -> throw new IllegalArgumentException("format " + format + " of " + bits + " bits");
            }
        }
        return file.array();
    }

    /** The file with another short, or int, at a byte. */
    static byte[] with(byte[] file, int at, int bits, int value) {
        byte[] changed = file.clone();
        ByteBuffer buffer = ByteBuffer.wrap(changed).order(ByteOrder.LITTLE_ENDIAN);
        if (bits == 16) {
            buffer.putShort(at, (short) value);
        } else {
            buffer.putInt(at, value);
        }
        return changed;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
