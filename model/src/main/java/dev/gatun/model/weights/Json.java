package dev.gatun.model.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import dev.gatun.memory.MappedFile;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Reads the JSON in model files through Jackson's streaming parser, within limits. */
final class Json {
    /** Something that reads a parser which stands before the first token. */
    interface Reader<T> {
        T read(JsonParser parser) throws IOException;
    }

    private Json() {}

    /**
     * A factory whose parsers keep to the limits. Names are not canonicalised: a factory would hold on to those of every file it
     * ever read.
     *
     * @param maxNumber digits; a long has 19
     */
    static JsonFactory factory(int maxDepth, int maxName, int maxString, int maxNumber, long maxTokens) {
        return new JsonFactoryBuilder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(maxDepth)
                        .maxNameLength(maxName)
                        .maxStringLength(maxString)
                        .maxNumberLength(maxNumber)
                        .maxTokenCount(maxTokens)
                        .build())
                .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                // Python writes NaN and Infinity; whether one may stand there is for the getters to say.
                .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                .build();
    }

    /**
     * What {@code reader} makes of the one JSON value in {@code length} bytes of {@code file}, which are UTF-8.
     *
     * @throws ModelFormatException if they are not UTF-8, not JSON, beyond a limit, or have anything after the value
     */
    static <T> T read(JsonFactory factory, MappedFile file, long offset, long length, Reader<T> reader) {
        // A decoder of our own: Jackson's reads malformed UTF-8 as U+FFFD, and takes NULs at the start for UTF-16 or
        // UTF-32.
        var decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        try (JsonParser parser = factory.createParser(new InputStreamReader(file.stream(offset, length), decoder))) {
            T value = reader.read(parser);
            JsonToken more = parser.nextToken();
            if (more != null) {
                throw new ModelFormatException(file.name() + ": more JSON after its end, at character "
                        + parser.currentTokenLocation().getCharOffset());
            }
            return value;
        } catch (JsonProcessingException e) {
            var at = e.getLocation();
            throw new ModelFormatException(
                    file.name() + ": not the JSON it should be"
                            + (at == null ? "" : ", at line " + at.getLineNr() + ", column " + at.getColumnNr())
                            + ": " + e.getOriginalMessage(),
                    e);
        } catch (CharacterCodingException e) {
            throw new ModelFormatException(file.name() + ": its JSON is not UTF-8", e);
        } catch (IOException e) {
            throw new UncheckedIOException(file.name(), e);
        }
    }
}
