package dev.gatun.cli;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;

/**
 * Standard output: UTF-8 and {@code \n}, whatever the system's encoding and line separator. Once its reader is gone, as of {@code
 * gatun ... | head}, what is written is dropped, without a word.
 */
public final class Results extends Writer {
    // An encoder that replaces what cannot be encoded, lone surrogates, by a question mark.
    private final Writer out;
    private boolean read = true;

    /** Writes there. */
    public Results(OutputStream out) {
        this.out = new BufferedWriter(new OutputStreamWriter(out, StandardCharsets.UTF_8));
    }

    /** Writes a line. It need not be seen before {@link #flush}. */
    public void line(String text) {
        write(text);
        write("\n");
    }

    /** Whether anybody still reads: false after a write has failed because nobody does. */
    boolean isRead() {
        return read;
    }

    /** For picocli, which prints help. */
    PrintWriter printer() {
        return new PrintWriter(this);
    }

    @Override
    public void write(String text) {
        attempt(() -> out.write(text));
    }

    @Override
    public void write(char[] chars, int offset, int length) {
        attempt(() -> out.write(chars, offset, length));
    }

    @Override
    public void flush() {
        attempt(out::flush);
    }

    /** Flushes: the stream below stays open. */
    @Override
    public void close() {
        flush();
    }

    private interface Write {
        void run() throws IOException;
    }

    private void attempt(Write write) {
        if (!read) {
            return;
        }
        try {
            write.run();
        } catch (IOException e) {
            // "Broken pipe" on Linux and macOS, "The pipe is being closed" on Windows; the JVM gives no error number.
            if (String.valueOf(e.getMessage()).contains("ipe")) {
                read = false;
            } else {
                throw new Failure("stdout cannot be written: " + e.getMessage(), e);
            }
        }
    }
}
