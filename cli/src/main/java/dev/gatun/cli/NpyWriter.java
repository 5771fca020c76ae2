package dev.gatun.cli;

import dev.gatun.memory.AtomicFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Writes rows of floats as NumPy's .npy, version 1.0 (numpy.lib.format): a header that says {@code <f4} and the shape, then the
 * elements. It appears under its name when it is whole.
 */
final class NpyWriter implements AutoCloseable {
    private static final int HEADER = 128;

    private final AtomicFile file;
    private final int cols;
    private final FileChannel channel;
    private final ByteBuffer row;
    private long rows;

    /** Opens a file for rows of {@code cols} numbers. */
    NpyWriter(Path file, int cols) throws IOException {
        this.cols = cols;
        row = ByteBuffer.allocate(cols * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        this.file = AtomicFile.open(file);
        channel = this.file.channel();
        channel.position(HEADER);
    }

    /** Adds a row. */
    void write(float[] values) throws IOException {
        row.clear().asFloatBuffer().put(values);
        while (row.hasRemaining()) {
            channel.write(row);
        }
        rows++;
    }

    /** Completes the file. */
    void finish() throws IOException {
        String dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + rows + ", " + cols + "), }";
        var header = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
        header.put((byte) 0x93)
                .put("NUMPY".getBytes(StandardCharsets.US_ASCII))
                .put((byte) 1)
                .put((byte) 0);
        header.putShort((short) (HEADER - 10)).put(dict.getBytes(StandardCharsets.US_ASCII));
        while (header.position() < HEADER - 1) {
            header.put((byte) ' ');
        }
        channel.write(header.put((byte) '\n').flip(), 0);
        file.commit();
    }

    /** Gives up what is not finished. */
    @Override
    public void close() throws IOException {
        file.close();
    }
}
