package dev.gatun.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Where a command's texts come from: its parameters, the lines of a file or of stdin, or a field of each object in JSON lines. */
final class TextSource implements AutoCloseable {
    private static final JsonFactory JSON = new JsonFactory();

    private final String name;
    private final String kind;
    private final @Nullable BufferedReader reader;
    private final List<String> texts;
    private final @Nullable String field;
    private int number;

    private TextSource(
            String name, String kind, @Nullable BufferedReader reader, List<String> texts, @Nullable String field) {
        this.name = name;
        this.kind = kind;
        this.reader = reader;
        this.texts = texts;
        this.field = field;
    }

    /** Texts that stand on the command line. */
    static TextSource of(List<String> texts) {
        return new TextSource("", texts.size() == 1 ? "" : "TEXT ", null, texts, null);
    }

    /** Lines of stdin. */
    static TextSource ofStdin(Invocation invocation) {
        return new TextSource(
                "stdin", "line ", reader(new InputStreamReader(invocation.in(), decoder())), List.of(), null);
    }

    /** Lines of a file; of one that ends in .jsonl or .ndjson the strings called {@code field}. */
    static TextSource ofFile(Path file, String field) throws IOException {
        String lower = file.toString().toLowerCase(Locale.ROOT);
        boolean json = lower.endsWith(".jsonl") || lower.endsWith(".ndjson");
        var in = new InputStreamReader(Files.newInputStream(file), decoder());
        return new TextSource(file.toString(), "line ", reader(in), List.of(), json ? field : null);
    }

    private static BufferedReader reader(InputStreamReader in) {
        return new BufferedReader(in, 1 << 16);
    }

    private static java.nio.charset.CharsetDecoder decoder() {
        return StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
    }

    /** The next text; null after the last. */
    @Nullable
    String next() throws IOException {
        if (reader == null) {
            return number < texts.size() ? texts.get(number++) : null;
        }
        String line;
        try {
            line = reader.readLine();
        } catch (CharacterCodingException e) {
            throw new Failure(where(number + 1) + "not UTF-8", e);
        }
        if (line == null) {
            return null;
        }
        number++;
        return field == null ? line : fieldOf(line, field);
    }

    private String fieldOf(String line, String wanted) throws IOException {
        try (JsonParser parser = JSON.createParser(line)) {
            String value = null;
            boolean object = parser.nextToken() == JsonToken.START_OBJECT;
            while (object && parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean found = parser.currentName().equals(wanted);
                if (parser.nextToken() == JsonToken.VALUE_STRING && found) {
                    value = parser.getText();
                } else {
                    parser.skipChildren();
                }
            }
            if (value == null) {
                throw new Failure(where(number) + "not a JSON object with a string \"" + wanted + "\"");
            }
            return value;
        } catch (JsonProcessingException e) {
            throw new Failure(where(number) + "not a JSON object: " + e.getOriginalMessage(), e);
        }
    }

    /** Whether the next text is there without waiting for whoever writes it. */
    boolean ready() throws IOException {
        return reader == null || reader.ready();
    }

    /** The start of a message about a text, counted from 1. */
    String where(int text) {
        String file = name.isEmpty() || name.equals("stdin") ? "" : name + ": ";
        return file + (kind.isEmpty() ? "" : kind + text + ": ");
    }

    @Override
    public void close() throws IOException {
        if (reader != null && !name.equals("stdin")) {
            reader.close();
        }
    }
}
