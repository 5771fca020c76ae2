package dev.gatun.model.constrain;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads from a tokenizer.json what each token adds to a text: vocabulary, added tokens, and how the decoder spells them (byte-level,
 * SentencePiece with and without bytes, Metaspace).
 */
public final class TokenizerJson {
    /** More than any vocabulary; an id is an index here. */
    private static final int MAX_ID = 1 << 22;

    private final String name;
    private final List<@Nullable String> tokens = new ArrayList<>();
    private final List<String[]> replacements = new ArrayList<>();
    private boolean byteLevel;
    private boolean byteFallback;
    private boolean losesFirstSpace;

    private TokenizerJson(String name) {
        this.name = name;
    }

    /**
     * The vocabulary.
     *
     * @param name what errors call it
     * @throws ConstraintException if its decoder is not known, or it is no tokenizer
     */
    public static TokenBytes read(String name, String json) {
        var vocabulary = new TokenizerJson(name);
        try (JsonParser parser = new JsonFactory().createParser(json)) {
            return vocabulary.read(parser);
        } catch (IOException e) {
            throw vocabulary.bad("is not the JSON of a tokenizer: " + e.getMessage());
        }
    }

    private ConstraintException bad(String problem) {
        return new ConstraintException(
                name + ": constraints have to know the bytes of tokens, but its tokenizer " + problem);
    }

    private TokenBytes read(JsonParser parser) throws IOException {
        List<Object> added = List.of();
        Object decoder = JsonTree.NULL;
        parser.nextToken();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            switch (key) {
                case "added_tokens" ->
                    added = JsonTree.value(parser) instanceof List<?> list ? List.copyOf(list) : added;
                case "decoder" -> decoder = JsonTree.value(parser);
                case "model" -> model(parser);
                default -> parser.skipChildren();
            }
        }
        decoder(decoder);
        for (Object token : added) {
            if (token instanceof Map<?, ?> map
                    && map.get("id") instanceof BigDecimal id
                    && map.get("content") instanceof String content) {
                put(id.intValue(), Boolean.TRUE.equals(map.get("special")) ? null : content);
            }
        }
        List<byte @Nullable []> bytes = new ArrayList<>(tokens.size());
        for (String token : tokens) {
            bytes.add(token == null ? null : bytes(token));
        }
        return new TokenBytes(bytes, losesFirstSpace);
    }

    private static boolean is(@Nullable Object value, int number) {
        return value instanceof BigDecimal decimal && decimal.compareTo(BigDecimal.valueOf(number)) == 0;
    }

    private void model(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            JsonToken value = parser.nextToken();
            if (key.equals("vocab") && value == JsonToken.START_OBJECT) { // BPE: id by token
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String token = parser.currentName();
                    parser.nextToken();
                    put(parser.getIntValue(), token);
                }
            } else if (key.equals("vocab") && value == JsonToken.START_ARRAY) { // Unigram: token and score
                for (int id = 0; parser.nextToken() == JsonToken.START_ARRAY; id++) {
                    put(id, parser.nextTextValue());
                    while (parser.nextToken() != JsonToken.END_ARRAY) {
                        parser.skipChildren();
                    }
                }
            } else {
                parser.skipChildren();
            }
        }
    }

    private void put(int id, @Nullable String token) {
        if (id < 0 || id >= MAX_ID) {
            throw bad("has the id " + id + ", allowed is 0 to " + (MAX_ID - 1));
        }
        while (tokens.size() <= id) {
            tokens.add(null);
        }
        tokens.set(id, token);
    }

    private void decoder(Object json) {
        Map<?, ?> decoder = json instanceof Map<?, ?> map ? map : Map.of();
        switch (String.valueOf(decoder.get("type"))) {
            case "Sequence" -> {
                if (decoder.get("decoders") instanceof List<?> all) {
                    all.forEach(this::decoder);
                }
            }
            case "ByteLevel" -> byteLevel = true;
            case "ByteFallback" -> byteFallback = true;
            case "Fuse" -> {}
            case "Replace" -> {
                if (!(decoder.get("pattern") instanceof Map<?, ?> pattern)
                        || !(pattern.get("String") instanceof String from)
                        || !(decoder.get("content") instanceof String to)) {
                    throw bad("has a decoder Replace that is not of strings");
                }
                replacements.add(new String[] {from, to});
            }
            case "Strip" -> {
                boolean first = is(decoder.get("start"), 1) && " ".equals(decoder.get("content"));
                if (!first && !is(decoder.get("start"), 0) || !is(decoder.get("stop"), 0)) {
                    throw bad("has a decoder Strip of more than the first space");
                }
                losesFirstSpace |= first;
            }
            case "Metaspace" -> {
                replacements.add(new String[] {
                    decoder.get("replacement") instanceof String replacement ? replacement : "\u2581", " "
                });
                losesFirstSpace |= !"never".equals(decoder.get("prepend_scheme"))
                        && !Boolean.FALSE.equals(decoder.get("add_prefix_space"));
            }
            default -> throw bad("has the decoder " + decoder.get("type") + ", which is not supported");
        }
    }

    private byte[] bytes(String token) {
        if (byteFallback && token.length() == 6 && token.startsWith("<0x") && token.endsWith(">")) {
            int high = Character.digit(token.charAt(3), 16);
            int low = Character.digit(token.charAt(4), 16);
            if (high >= 0 && low >= 0) {
                return new byte[] {(byte) (16 * high + low)};
            }
        }
        String text = token;
        for (String[] replacement : replacements) {
            text = text.replace(replacement[0], replacement[1]);
        }
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return byteLevel ? byteLevel(text, utf8) : utf8;
    }

    /** GPT-2 spells each byte as a character: those that can be printed as themselves, the rest from U+0100 on. */
    private static byte[] byteLevel(String token, byte[] otherwise) {
        byte[] bytes = new byte[token.length()];
        for (int i = 0; i < bytes.length; i++) {
            int b = byteOf(token.charAt(i));
            if (b < 0) { // as the library does: a token with any other character is itself
                return otherwise;
            }
            bytes[i] = (byte) b;
        }
        return bytes;
    }

    private static int byteOf(char c) {
        if (isPrinted(c)) {
            return c;
        }
        int n = c - 256; // the n-th of the others
        if (n < 0 || n > 67) {
            return -1;
        }
        return n < 33 ? n : n < 67 ? 127 + n - 33 : 173;
    }

    private static boolean isPrinted(char c) {
        return c >= '!' && c <= '~' || c >= 0xa1 && c <= 0xac || c >= 0xae && c <= 0xff;
    }
}
