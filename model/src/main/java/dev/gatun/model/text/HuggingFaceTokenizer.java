package dev.gatun.model.text;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.gatun.memory.MappedFile;
import dev.gatun.model.constrain.TokenBytes;
import dev.gatun.model.constrain.TokenizerJson;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.Sha256;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizer that a {@code tokenizer.json} describes, by the library it is made for (Hugging Face tokenizers). What the file says
 * of padding is ignored; texts are cut to the number of tokens that the tokenizer is opened with. Special tokens that a text spells
 * out, {@code [MASK]} say, are those tokens.
 *
 * <p>Thread-safe. Whoever opens it closes it: encoding throws {@link IllegalStateException} afterwards; close waits for texts that
 * are being encoded.
 *
 * <p>Called below DJL's HuggingFaceTokenizer, which reports who we are over the network and wants an engine's managers.
 */
public final class HuggingFaceTokenizer implements AutoCloseable {
    /** The file that describes it. */
    public static final String FILE = "tokenizer.json";

    /** Encoding takes some 2 s and 100 bytes a character of these; a text of books is cut into passages. */
    public static final int MAX_CHARS = 1 << 22;

    // How the library cuts a pair; it ends the JVM at any other name.
    private static final String CUT_THE_LONGER = "LONGEST_FIRST";
    private static final String CUT_THE_SECOND = "ONLY_SECOND";

    /** A limit has to leave room beside the special tokens. */
    private static final int MIN_TOKENS = 16;

    /** Tokens that two windows of one text share at most, as in transformers' pipeline. */
    private static final int STRIDE = 128;

    private static final long MAX_BYTES = 64L << 20;

    /**
     * A text in tokens.
     *
     * @param ids special tokens included
     * @param types 1 for the second text of a pair, where the model distinguishes them
     * @param starts first char of each token in its text; -1 for a special token
     * @param ends char after each token
     * @param sequences 0 for tokens of the first text, 1 for those of the second, -1 for special tokens
     */
    public record Encoding(int[] ids, int[] types, int[] starts, int[] ends, int[] sequences) {}

    /** Loaded once a JVM; what went wrong is kept, for every later use to tell. */
    private static final class Library {
        private static final String OFFLINE = "ai.djl.offline";

        @SuppressWarnings("StaticAssignmentOfThrowable") // there is one attempt to load: its cause is the answer to all
        static final @Nullable Throwable FAILURE = load();

        private static @Nullable Throwable load() {
            // Where it sees CUDA, DJL would download another build of the library; offline it takes the one in its jar.
            String before = System.setProperty(OFFLINE, "true");
            try {
                LibUtils.checkStatus();
                return null;
            } catch (RuntimeException | LinkageError | AssertionError e) { // DJL's Platform throws AssertionErrors
                return e;
            } finally {
                if (before == null) {
                    System.clearProperty(OFFLINE);
                } else {
                    System.setProperty(OFFLINE, before);
                }
            }
        }
    }

    /** Reads the tokenizer.json again: few need it after the library has it, and it may be large. */
    interface Source {
        String json() throws IOException;
    }

    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private final String file;
    private final Source source;
    private final int maxTokens;
    private long handle;
    private volatile @Nullable TokenBytes tokenBytes;

    private HuggingFaceTokenizer(String file, Source source, long handle, int maxTokens) {
        this.file = file;
        this.source = source;
        this.maxTokens = maxTokens;
        this.handle = handle;
    }

    /**
     * Opens a folder's tokenizer. The first one in a JVM loads the native library, which is unpacked on first use.
     *
     * @param maxTokens of a text, or of both texts of a pair, special tokens included; at least 16
     * @throws IOException if the file is missing or cannot be read
     * @throws ModelFormatException if it is no tokenizer
     * @throws TokenizerUnavailableException if the native library cannot be loaded
     */
    public static HuggingFaceTokenizer open(ModelFolder folder, int maxTokens) throws IOException {
        return open(folder, () -> maxTokens);
    }

    /** As {@link #open(ModelFolder, int)}, asking for the number when all else is done. */
    public static HuggingFaceTokenizer open(ModelFolder folder, IntSupplier maxTokens) throws IOException {
        Source source = () -> {
            try (Arena arena = Arena.ofConfined()) {
                return utf8(folder.open(FILE, arena));
            }
        };
        try (Arena arena = Arena.ofConfined()) {
            MappedFile file = folder.open(FILE, arena);
            return of(file.name(), utf8(file), source, maxTokens);
        }
    }

    /** Opens what a tokenizer.json of that content would describe; see {@link #open}. */
    static HuggingFaceTokenizer of(String name, String json, Source source, IntSupplier maxTokens) {
        if (Library.FAILURE != null) {
            throw new TokenizerUnavailableException(
                    "the library of Hugging Face tokenizers cannot be loaded: " + Library.FAILURE
                            + "; it is unpacked to the folder in DJL_CACHE_DIR, by default .djl.ai in the home folder:"
                            + " that has to be writable, and a broken file there has to be deleted",
                    Library.FAILURE);
        }
        long handle;
        try {
            handle = TokenizersLibrary.LIB.createTokenizerFromString(json);
        } catch (RuntimeException e) { // EngineException and its like
            throw new ModelFormatException(name + ": not a tokenizer: " + e.getMessage(), e);
        }
        try {
            int most = maxTokens.getAsInt();
            if (most < MIN_TOKENS) {
                throw new IllegalArgumentException(
                        "tokenizer of at most " + most + " tokens: must be at least " + MIN_TOKENS);
            }
            TokenizersLibrary.LIB.disablePadding(handle);
            TokenizersLibrary.LIB.setTruncation(handle, most, CUT_THE_LONGER, 0);
            return new HuggingFaceTokenizer(name, source, handle, most);
        } catch (Throwable e) {
            TokenizersLibrary.LIB.deleteTokenizer(handle);
            throw e;
        }
    }

    /**
     * SHA-256 of what describes it, in hexadecimal.
     *
     * @throws IOException if that cannot be read again
     */
    public String sha256() throws IOException {
        return Sha256.of(source.json());
    }

    private static String utf8(MappedFile file) {
        if (file.byteSize() > MAX_BYTES) {
            throw new ModelFormatException(
                    file.name() + ": " + file.byteSize() + " bytes, at most " + MAX_BYTES + " are allowed");
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(file.bytes(0, (int) file.byteSize())))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new ModelFormatException(file.name() + ": its JSON is not UTF-8", e);
        }
    }

    /**
     * The text that stands for a special token in a folder, {@code mask_token} say: from special_tokens_map.json or
     * tokenizer_config.json.
     *
     * @return null where neither says
     */
    public static @Nullable String specialToken(ModelFolder folder, String key) throws IOException {
        for (String name : new String[] {"special_tokens_map.json", "tokenizer_config.json"}) {
            if (folder.has(name)) {
                JsonConfig json = JsonConfig.read(folder, name);
                if (json.isObject(key)) {
                    return json.requireObject(key).requireString("content");
                }
                if (json.isString(key)) {
                    return json.requireString(key);
                }
            }
        }
        return null;
    }

    /**
     * Cuts a text into tokens.
     *
     * @throws IllegalArgumentException if it has more than {@value #MAX_CHARS} chars, or a lone surrogate, which is no text
     * @throws IllegalStateException after close
     */
    public Encoding encode(String text) {
        check(text);
        return read(text, null, false);
    }

    /** Cuts a pair of texts into tokens, which stand in one sequence; throws as {@link #encode(String)}. */
    public Encoding encode(String first, String second) {
        check(first);
        check(second);
        return read(first, second, false);
    }

    /**
     * A pair as many sequences, where the second text does not fit into one: each has all of the first text and a window of the
     * second, which shares up to 128 tokens with the one before. Throws as {@link #encode(String)}.
     *
     * @throws IllegalArgumentException also if the first text leaves no room for the second
     */
    public List<Encoding> encodeWindows(String first, String second) {
        check(first);
        check(second);
        int room = maxTokens - read(first, null, true).ids.length - 1;
        if (room < MIN_TOKENS) {
            throw new IllegalArgumentException("the first text leaves " + Math.max(0, room) + " of " + maxTokens
                    + " tokens for the second, it needs at least " + MIN_TOKENS);
        }
        lock.writeLock().lock(); // the stride is the tokenizer's
        try {
            int stride = Math.min(STRIDE, room / 2);
            TokenizersLibrary.LIB.setTruncation(handle(), maxTokens, CUT_THE_SECOND, stride);
            long encoding = TokenizersLibrary.LIB.encodeDual(handle(), first, second, true);
            List<Encoding> windows = new ArrayList<>();
            try {
                windows.add(encoding(encoding, first, second));
                for (long more : TokenizersLibrary.LIB.getOverflowing(encoding)) {
                    windows.add(encoding(more, first, second));
                    TokenizersLibrary.LIB.deleteEncoding(more);
                }
            } finally {
                TokenizersLibrary.LIB.deleteEncoding(encoding);
            }
            return windows;
        } finally {
            if (handle != 0) {
                TokenizersLibrary.LIB.setTruncation(handle, maxTokens, CUT_THE_LONGER, 0);
            }
            lock.writeLock().unlock();
        }
    }

    /** The ids of a text alone, which is all that most models need; throws as {@link #encode(String)}. */
    public int[] encodeIds(String text) {
        check(text);
        return read(text, null, true).ids;
    }

    /**
     * The id of a token by its text, {@code [MASK]} for example.
     *
     * @throws ModelFormatException if the text is not one token
     */
    public int idOf(String token) {
        lock.readLock().lock();
        try {
            long encoding = TokenizersLibrary.LIB.encode(handle(), token, false);
            try {
                long[] ids = TokenizersLibrary.LIB.getTokenIds(encoding);
                if (ids.length != 1) {
                    throw new ModelFormatException(file + ": \"" + token + "\" is " + ids.length + " tokens, not one");
                }
                return Math.toIntExact(ids[0]);
            } finally {
                TokenizersLibrary.LIB.deleteEncoding(encoding);
            }
        } finally {
            lock.readLock().unlock();
        }
    }

    /** The ids of a text; {@code special} adds what the tokenizer puts around texts. Throws as {@link #encode(String)}. */
    public int[] encodeIds(String text, boolean special) {
        check(text);
        lock.readLock().lock();
        try {
            long encoding = TokenizersLibrary.LIB.encode(handle(), text, special);
            try {
                return ints(TokenizersLibrary.LIB.getTokenIds(encoding));
            } finally {
                TokenizersLibrary.LIB.deleteEncoding(encoding);
            }
        } finally {
            lock.readLock().unlock();
        }
    }

    /**
     * What each token adds to a text, read from the file again when it is first asked for.
     *
     * @throws ModelFormatException if the file is not there any more, or spells tokens in a way that is not known
     */
    public TokenBytes tokenBytes() {
        TokenBytes known = tokenBytes;
        if (known == null) {
            try {
                known = TokenizerJson.read(file, source.json());
            } catch (IOException e) {
                throw new ModelFormatException(file + ": cannot be read again: " + e.getMessage(), e);
            }
            tokenBytes = known;
        }
        return known;
    }

    /** The text of ids with special tokens spelled out. */
    public String decodeAll(int... ids) {
        lock.readLock().lock();
        try {
            return TokenizersLibrary.LIB.decode(
                    handle(), Arrays.stream(ids).asLongStream().toArray(), false);
        } finally {
            lock.readLock().unlock();
        }
    }

    /** The text of ids; special tokens are left out. */
    public String decode(int... ids) {
        lock.readLock().lock();
        try {
            return TokenizersLibrary.LIB.decode(
                    handle(), Arrays.stream(ids).asLongStream().toArray(), true);
        } finally {
            lock.readLock().unlock();
        }
    }

    private static void check(String text) {
        if (text.length() > MAX_CHARS) {
            throw new IllegalArgumentException("text of " + text.length() + " chars, at most " + MAX_CHARS
                    + " can be encoded at once: cut it into passages");
        }
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isSurrogate(c)) {
                if (Character.isLowSurrogate(c)
                        || i + 1 == text.length()
                        || !Character.isLowSurrogate(text.charAt(i + 1))) {
                    throw new IllegalArgumentException(String.format(
                            "text of %d chars has a lone surrogate, U+%04X, at char %d: half a character is no text",
                            text.length(), (int) c, i));
                }
                i++;
            }
        }
    }

    private long handle() {
        if (handle == 0) {
            throw new IllegalStateException("the tokenizer is closed");
        }
        return handle;
    }

    private Encoding read(String first, @Nullable String second, boolean idsOnly) {
        lock.readLock().lock();
        try {
            long encoding = second == null
                    ? TokenizersLibrary.LIB.encode(handle(), first, true)
                    : TokenizersLibrary.LIB.encodeDual(handle(), first, second, true);
            try {
                if (idsOnly) {
                    int[] ids = ints(TokenizersLibrary.LIB.getTokenIds(encoding));
                    return new Encoding(ids, ids, ids, ids, ids);
                }
                return encoding(encoding, first, second);
            } finally {
                TokenizersLibrary.LIB.deleteEncoding(encoding);
            }
        } catch (RuntimeException e) {
            if (e instanceof IllegalStateException) {
                throw e;
            }
            throw new ModelFormatException(file + ": the tokenizer fails on a text: " + e.getMessage(), e);
        } finally {
            lock.readLock().unlock();
        }
    }

    private static Encoding encoding(long encoding, String first, @Nullable String second) {
        int[] ids = ints(TokenizersLibrary.LIB.getTokenIds(encoding));
        int[] sequences = ints(TokenizersLibrary.LIB.getSequenceIds(encoding));
        int[] starts = new int[ids.length];
        int[] ends = new int[ids.length];
        spans(TokenizersLibrary.LIB.getTokenCharSpans(encoding), first, second, sequences, starts, ends);
        return new Encoding(ids, ints(TokenizersLibrary.LIB.getTypeIds(encoding)), starts, ends, sequences);
    }

    /** The library counts characters, a Java string chars, of which those beyond U+FFFF take two. */
    private static void spans(
            @Nullable CharSpan[] spans,
            String first,
            @Nullable String second,
            int[] sequences,
            int[] starts,
            int[] ends) {
        int[] firstChars = charsOf(first);
        int[] secondChars = second == null ? firstChars : charsOf(second);
        for (int i = 0; i < starts.length; i++) {
            CharSpan span = spans[i];
            int[] chars = sequences[i] == 1 ? secondChars : firstChars;
            starts[i] = span == null ? -1 : chars[span.getStart()];
            ends[i] = span == null ? -1 : chars[span.getEnd()];
        }
    }

    /** Index of the first char of each character, and the end. */
    private static int[] charsOf(String text) {
        int[] chars = new int[text.length() + 1];
        int n = 0;
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            chars[n++] = i;
        }
        chars[n] = text.length();
        return chars;
    }

    private static int[] ints(long[] values) {
        int[] ints = new int[values.length];
        for (int i = 0; i < ints.length; i++) {
            ints[i] = (int) values[i];
        }
        return ints;
    }

    /** Frees the native tokenizer; closing twice does nothing. */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (handle != 0) {
                TokenizersLibrary.LIB.deleteTokenizer(handle);
                handle = 0;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
