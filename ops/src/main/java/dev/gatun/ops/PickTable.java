package dev.gatun.ops;

import dev.gatun.memory.AtomicFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32;

/**
 * What was measured on this machine, kept in a file for the next process. A file belongs to one CPU, JVM, library, build and
 * number of threads: its name is made of them, and its second line spells them out.
 *
 * <pre>
 * gatun picks 1
 * key Intel(R) Xeon(R) ...
 * linear 4 384 1536 vector 812.5 1930.1      operation, class of rows, n, k, who is faster, ns for a row: vector, openblas
 * end 1 8c3f0a12                             lines, CRC-32 of all above
 * </pre>
 *
 * A file that is not so to the last byte is not read at all. Files are written aside and renamed: any number of processes may
 * write, and the last one's whole file stays.
 *
 * @param file where it lies; need not exist
 * @param key what the measurements depend on
 */
record PickTable(Path file, String key) {
    private static final String HEADER = "gatun picks 1";
    private static final int MAX_ENTRIES = 4096;
    private static final int MAX_BYTES = 1 << 20;
    private static final Pattern ENTRY = Pattern.compile("(linear|attention[/+0-9]{0,12}) ([0-9]{1,2}) ([0-9]{1,9})"
            + " ([0-9]{1,9}) (vector|openblas) ([0-9]{1,15}\\.[0-9]) ([0-9]{1,15}\\.[0-9])");

    /**
     * A class of shapes.
     *
     * @param operation as in {@link Decision#operation}
     * @param rows class of rows, see {@link AutoShapes}
     * @param n output features; of attention the class of keys
     * @param k inner size
     */
    record Shape(String operation, int rows, int n, int k) implements Comparable<Shape> {
        // As in WeightShape.

        @Override
        public boolean equals(Object other) {
            return other instanceof Shape s && s.operation.equals(operation) && s.rows == rows && s.n == n && s.k == k;
        }

        @Override
        public int hashCode() {
            return ((operation.hashCode() * 31 + rows) * 31 + n) * 31 + k;
        }

        @Override
        public int compareTo(Shape other) {
            int byOperation = operation.compareTo(other.operation);
            int byN = byOperation != 0 ? byOperation : Integer.compare(n, other.n);
            int byK = byN != 0 ? byN : Integer.compare(k, other.k);
            return byK != 0 ? byK : Integer.compare(rows, other.rows);
        }
    }

    /** That of {@code folder} for {@code key}, which becomes one line. */
    static PickTable in(Path folder, String key) {
        String line = key.replaceAll("[\\p{Cntrl}]", " ");
        return new PickTable(folder.resolve("auto").resolve(crc(line) + ".txt"), line);
    }

    /**
     * What the file says; nothing if there is none.
     *
     * @throws IOException if it cannot be read, or is not such a file whole
     */
    Map<Shape, Pick.Timing> read() throws IOException {
        byte[] bytes;
        try {
            if (Files.exists(file) && !Files.isRegularFile(file)) {
                throw new IOException("is not a file");
            }
            try (var in = Files.newInputStream(file)) {
                bytes = in.readNBytes(MAX_BYTES + 1);
            }
        } catch (NoSuchFileException e) {
            return Map.of();
        }
        if (bytes.length > MAX_BYTES) {
            throw new IOException("is larger than " + MAX_BYTES + " bytes");
        }
        String text = new String(bytes, StandardCharsets.UTF_8);
        int end = text.lastIndexOf("\nend ") + 1;
        String head = HEADER + "\nkey " + key + "\n";
        if (!text.startsWith(head) || end < head.length()) {
            throw new IOException("was not written by this version on this machine, or not to its end");
        }
        String[] lines = end == head.length()
                ? new String[0]
                : text.substring(head.length(), end).split("\n", -1);
        int count = Math.max(0, lines.length - 1); // the last is empty: each ends in \n
        if (count > MAX_ENTRIES || !text.substring(end).equals(last(count, text.substring(0, end)))) {
            throw new IOException("has a wrong checksum");
        }
        Map<Shape, Pick.Timing> entries = new HashMap<>();
        for (int i = 0; i < count; i++) {
            Matcher entry = ENTRY.matcher(lines[i]);
            if (!entry.matches()) {
                throw new IOException("line " + (i + 3) + " is not an entry");
            }
            entries.put(
                    new Shape(
                            entry.group(1),
                            Integer.parseInt(entry.group(2)),
                            Integer.parseInt(entry.group(3)),
                            Integer.parseInt(entry.group(4))),
                    new Pick.Timing(
                            entry.group(5).equals("vector"),
                            Double.parseDouble(entry.group(7)),
                            Double.parseDouble(entry.group(6))));
        }
        return entries;
    }

    /**
     * Replaces the file, as a whole or not at all.
     *
     * @throws IOException if the folder cannot be written
     */
    void write(Map<Shape, Pick.Timing> entries) throws IOException {
        var text = new StringBuilder(HEADER + "\nkey " + key + "\n");
        int count = 0;
        for (var entry : new TreeMap<>(entries).entrySet()) {
            if (count == MAX_ENTRIES) {
                break;
            }
            Shape shape = entry.getKey();
            Pick.Timing timing = entry.getValue();
            text.append(String.format(
                    Locale.ROOT,
                    "%s %d %d %d %s %.1f %.1f\n",
                    shape.operation,
                    shape.rows,
                    shape.n,
                    shape.k,
                    timing.vector() ? "vector" : "openblas",
                    timing.vectorNanos(),
                    timing.openBlasNanos()));
            count++;
        }
        text.append(last(count, text.toString()));
        Files.createDirectories(file.toAbsolutePath().getParent());
        AtomicFile.write(file, channel -> {
            ByteBuffer bytes = StandardCharsets.UTF_8.encode(text.toString());
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        });
    }

    private static String last(int count, String above) {
        return "end " + count + " " + crc(above) + "\n";
    }

    private static String crc(String text) {
        var crc = new CRC32();
        crc.update(text.getBytes(StandardCharsets.UTF_8));
        return String.format(Locale.ROOT, "%08x", crc.getValue());
    }
}
