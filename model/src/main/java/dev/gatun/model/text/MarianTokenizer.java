package dev.gatun.model.text;

import dev.gatun.memory.MappedFile;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizer of Marian models as OPUS-MT publishes them, equal to transformers' MarianTokenizer: {@code source.spm} cuts a text
 * into pieces, {@code vocab.json}, shared by both languages unless there is a {@code target_vocab.json}, says their ids, {@code
 * tokenizer_config.json} (optional) the names of the special tokens. A text is text: {@code </s>} in it is no special token (it is one to transformers). Lone surrogates count as
 * {@code ?}.
 *
 * <p>Thread-safe. Whoever opens it closes it: encoding throws {@link IllegalStateException} afterwards; close waits for texts that
 * are being encoded.
 */
public final class MarianTokenizer implements TargetTokenizer {
    static final String SOURCE = "source.spm";
    private static final String TARGET = "target.spm";
    private static final String VOCAB = "vocab.json";
    private static final String TARGET_VOCAB = "target_vocab.json";
    private static final String CONFIG = "tokenizer_config.json";
    private static final char SPACE = '\u2581'; // what SentencePiece writes for a space
    private static final int[] NO_IDS = {};

    /** How a piece is decoded: as text, as a byte (0 to 255), or to nothing. */
    private record Surface(String text, int value) {
        static final int TEXT = -1;
    }

    private final SentencePiece source;
    private final int sourceUnk;
    private final int[] idOfSource;
    private final Map<String, Integer> idOf;
    private final Map<Integer, Surface> surfaceOf;
    private final Map<Integer, String> sourcePieceOf;
    private final Map<Integer, String> targetPieceOf;
    private final Vocabulary sources;
    private final Vocabulary targets;

    @SuppressWarnings("ReferenceEquality") // the same object: equal vocabularies cost no more than time
    private MarianTokenizer(Vocabulary sources, Vocabulary targets, SourceModel source, SentencePieceModel target) {
        this.sources = sources;
        this.targets = targets;
        this.idOf = sources.idOf;
        this.source = source.processor;
        this.sourceUnk = source.model.unkId();
        this.idOfSource = source.model.pieces().stream()
                .mapToInt(piece -> idOf.getOrDefault(piece.text(), sources.unk))
                .toArray();
        Map<String, Surface> targetSurfaces = HashMap.newHashMap(target.pieces().size());
        for (SentencePieceModel.Piece piece : target.pieces()) {
            targetSurfaces.put(piece.text(), surface(piece, target.unkSurface()));
        }
        this.sourcePieceOf = sources.pieceOf();
        this.targetPieceOf = targets == sources ? sourcePieceOf : targets.pieceOf();
        this.surfaceOf = HashMap.newHashMap(targets.idOf.size());
        targets.idOf.forEach((piece, id) ->
                surfaceOf.put(id, targetSurfaces.getOrDefault(piece, new Surface(spaced(piece), Surface.TEXT))));
        for (int id : new int[] {targets.eos, targets.unk, targets.pad}) {
            surfaceOf.put(id, new Surface("", Surface.TEXT));
        }
    }

    /** Ids of pieces, those of the special tokens, and one more than the largest. */
    private record Vocabulary(String name, Map<String, Integer> idOf, int eos, int unk, int pad, int size) {
        static Vocabulary read(ModelFolder folder, String file, @Nullable JsonConfig config) throws IOException {
            JsonConfig vocab = JsonConfig.read(folder, file);
            Map<String, Integer> idOf = ids(vocab);
            return new Vocabulary(
                    folder.name() + ": " + file,
                    idOf,
                    id(vocab, idOf, token(config, "eos_token", "</s>")),
                    id(vocab, idOf, token(config, "unk_token", "<unk>")),
                    id(vocab, idOf, token(config, "pad_token", "<pad>")),
                    idOf.values().stream().mapToInt(Integer::intValue).max().orElse(-1) + 1);
        }

        Map<Integer, String> pieceOf() {
            Map<Integer, String> pieces = HashMap.newHashMap(idOf.size());
            idOf.forEach((piece, id) -> pieces.put(id, piece));
            return pieces;
        }

        void check(int rows) {
            if (size > rows) {
                throw new ModelFormatException(name + " has " + size + " ids, the model's embedding only " + rows);
            }
        }
    }

    private record SourceModel(SentencePieceModel model, SentencePiece processor) {}

    private static Surface surface(SentencePieceModel.Piece piece, String unkSurface) {
        return switch (piece.type()) {
            case NORMAL, USER_DEFINED, UNUSED -> new Surface(spaced(piece.text()), Surface.TEXT);
            case UNKNOWN -> new Surface(unkSurface, Surface.TEXT);
            case CONTROL -> new Surface("", Surface.TEXT);
            case BYTE -> new Surface("", Integer.parseInt(piece.text(), 3, 5, 16)); // <0xE4>
        };
    }

    private static String spaced(String piece) {
        return piece.replace(SPACE, ' ');
    }

    /**
     * Opens the tokenizer in a model's folder. The first one in a JVM loads the native library, which is unpacked on first use.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if a file breaks its format, or the vocabulary lacks a special token
     * @throws TokenizerUnavailableException if SentencePiece's native library cannot be loaded
     */
    public static MarianTokenizer open(ModelFolder folder) throws IOException {
        JsonConfig config = folder.has(CONFIG) ? JsonConfig.read(folder, CONFIG) : null;
        Vocabulary sources = Vocabulary.read(folder, VOCAB, config);
        boolean separate = config != null && config.optionalBoolean("separate_vocabs", false);
        Vocabulary targets = separate ? Vocabulary.read(folder, TARGET_VOCAB, config) : sources;
        try (Arena arena = Arena.ofConfined()) {
            MappedFile targetFile = folder.open(TARGET, arena);
            SentencePieceModel target =
                    SentencePieceModel.parse(targetFile.name(), SentencePieceModel.bytes(targetFile));
            if (target.denormalizes()) {
                throw new ModelFormatException(
                        targetFile.name() + ": has rules to denormalize, which are not supported");
            }
            MappedFile sourceFile = folder.open(SOURCE, arena);
            byte[] bytes = SentencePieceModel.bytes(sourceFile);
            SentencePieceModel model = SentencePieceModel.parse(sourceFile.name(), bytes);
            var processor = new SentencePiece(sourceFile.name(), bytes, model);
            return new MarianTokenizer(sources, targets, new SourceModel(model, processor), target);
        }
    }

    private static Map<String, Integer> ids(JsonConfig vocab) {
        Map<String, Integer> idOf = HashMap.newHashMap(vocab.keys().size());
        Map<Integer, String> pieceOf = HashMap.newHashMap(vocab.keys().size());
        for (String piece : vocab.keys()) {
            int id = vocab.requireInt(piece, 0, Integer.MAX_VALUE - 1);
            idOf.put(piece, id);
            String other = pieceOf.put(id, piece);
            if (other != null) {
                throw new ModelFormatException(
                        vocab.file() + ": \"" + other + "\" and \"" + piece + "\" both have the id " + id);
            }
        }
        return idOf;
    }

    /** A token's name: a string, or an object with the string as its content, as transformers writes either. */
    private static String token(@Nullable JsonConfig config, String key, String fallback) {
        if (config == null) {
            return fallback;
        }
        return config.isObject(key)
                ? config.requireObject(key).requireString("content")
                : config.optionalString(key, fallback);
    }

    private static int id(JsonConfig vocab, Map<String, Integer> idOf, String token) {
        Integer id = idOf.get(token);
        if (id == null) {
            throw new ModelFormatException(vocab.file() + ": the special token " + token + " is missing");
        }
        return id;
    }

    /**
     * The ids of a text, and {@link #eosId} at the end. A text that starts with a language code, {@code >>fra<< How are you?}, keeps
     * the code whole; pieces and codes that are not in the vocabulary are {@link #unkId}. An empty text is just the end.
     *
     * @throws IllegalArgumentException if the text has more than 4,194,304 chars
     * @throws IllegalStateException after {@link #close}
     */
    @Override
    public int[] encode(String text) {
        int[] code = NO_IDS;
        String rest = text;
        int end = text.startsWith(">>") ? text.indexOf("<<") : -1;
        if (end >= 0) {
            code = new int[] {idOf.getOrDefault(text.substring(0, end + 2), sources.unk)};
            rest = text.substring(end + 2);
        }
        SentencePiece.Encoded encoded = source.encode(rest, sourceUnk);
        int[] pieces = encoded.ids();
        int[] ids = Arrays.copyOf(code, code.length + pieces.length + 1);
        for (int i = 0; i < pieces.length; i++) {
            // A run of unknown characters is one piece; the vocabulary may have it from the target language.
            ids[code.length + i] = pieces[i] == sourceUnk
                    ? idOf.getOrDefault(encoded.pieces()[i], sources.unk)
                    : idOfSource[pieces[i]];
        }
        ids[ids.length - 1] = sources.eos;
        return ids;
    }

    /**
     * The text of ids: the target language's pieces joined, special tokens (end, unknown, padding) left out, no space at either end.
     *
     * @throws IllegalArgumentException if an id is not in the vocabulary
     */
    @Override
    public String decode(int... ids) {
        var text = new StringBuilder();
        var bytes = new ByteArrayOutputStream(); // characters may be spelled in bytes, a piece each
        for (int i = 0; i < ids.length; i++) {
            Surface surface = surfaceOf.get(ids[i]);
            if (surface == null) {
                throw new IllegalArgumentException(
                        "decode: id " + ids[i] + " at position " + i + " is not in the vocabulary of " + targets.size);
            }
            if (surface.value == Surface.TEXT) {
                flush(bytes, text);
                text.append(surface.text);
            } else {
                bytes.write(surface.value);
            }
        }
        flush(bytes, text);
        return strip(text);
    }

    private static void flush(ByteArrayOutputStream bytes, StringBuilder text) {
        if (bytes.size() > 0) {
            text.append(bytes.toString(StandardCharsets.UTF_8));
            bytes.reset();
        }
    }

    /** Without white space at the ends, as Python counts it: also no-break spaces and U+0085. */
    private static String strip(StringBuilder text) {
        int from = 0;
        int to = text.length();
        while (from < to && isSpace(text.charAt(from))) {
            from++;
        }
        while (from < to && isSpace(text.charAt(to - 1))) {
            to--;
        }
        return text.substring(from, to);
    }

    private static boolean isSpace(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    /** The id that ends a text. */
    public int eosId() {
        return sources.eos;
    }

    /** The id of what the vocabulary does not have. */
    public int unkId() {
        return sources.unk;
    }

    /** The id that fills a batch, and in Marian starts the decoder. */
    public int padId() {
        return sources.pad;
    }

    /** One more than the largest id of a source: the rows that an embedding needs. */
    public int vocabSize() {
        return sources.size;
    }

    /**
     * Checks that the model's embeddings have a row for each id.
     *
     * @throws ModelFormatException if one is too small
     */
    void checkSizes(int sourceRows, int targetRows) {
        sources.check(sourceRows);
        targets.check(targetRows);
    }

    @Override
    public String sourceToken(int id) {
        return sourcePieceOf.getOrDefault(id, "");
    }

    @Override
    public String targetToken(int id) {
        return targetPieceOf.getOrDefault(id, "");
    }

    /** Frees the native processor; closing twice does nothing. */
    @Override
    public void close() {
        source.close();
    }
}
