package dev.gatun.model.text;

import ai.djl.sentencepiece.jni.LibUtils;
import ai.djl.sentencepiece.jni.SentencePieceLibrary;
import dev.gatun.model.weights.ModelFormatException;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * One processor of the native SentencePiece library. Any number of threads may encode at once; {@link #close} waits for them.
 *
 * <p>Called below DJL's SpTokenizer and SpProcessor: those ask EC2's metadata service over the network who we are and report it
 * (up to 4 s of timeouts on other machines), free a processor again on a second close, and do not keep one from being used after.
 */
final class SentencePiece implements AutoCloseable {
    /** Loaded once a JVM; what went wrong is kept, for every later use to tell. */
    private static final class Library {
        @SuppressWarnings("StaticAssignmentOfThrowable") // there is one attempt to load: its cause is the answer to all
        static final @Nullable Throwable FAILURE = load();

        private static @Nullable Throwable load() {
            try {
                LibUtils.loadLibrary();
                return null;
            } catch (RuntimeException | LinkageError | AssertionError e) { // DJL's Platform throws AssertionErrors
                return e;
            }
        }
    }

    /** The library takes 24 bytes a UTF-8 byte for positions alone, and ends the JVM where it gets none. */
    static final int MAX_CHARS = 1 << 22;

    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private long handle;

    /**
     * A processor of a model.
     *
     * @param bytes the whole file
     * @param model what it says
     * @throws ModelFormatException if the library refuses it, or would break on its rules to normalize
     * @throws TokenizerUnavailableException if there is no library for this platform, or it cannot be unpacked or loaded
     */
    SentencePiece(String file, byte[] bytes, SentencePieceModel model) {
        String flaw = CharsMap.flaw(model.charsMap());
        if (!flaw.isEmpty()) {
            throw new ModelFormatException(
                    file + ": the charsmap of its normalizer, " + model.charsMap().length + " bytes, " + flaw);
        }
        if (Library.FAILURE != null) {
            throw new TokenizerUnavailableException(
                    "SentencePiece's library cannot be loaded: " + Library.FAILURE
                            + "; it is unpacked to the folder in DJL_CACHE_DIR, by default .djl.ai in the home folder:"
                            + " that has to be writable, and a broken file there has to be deleted",
                    Library.FAILURE);
        }
        handle = SentencePieceLibrary.LIB.createSentencePieceProcessor();
        try {
            SentencePieceLibrary.LIB.loadModelFromBytes(handle, bytes);
        } catch (RuntimeException e) { // EngineException
            SentencePieceLibrary.LIB.deleteSentencePieceProcessor(handle);
            throw new ModelFormatException(file + ": refused by SentencePiece: " + e.getMessage(), e);
        }
    }

    /** Ids of the pieces of a text, and the pieces themselves if one of them is {@code unkId} (else none). */
    record Encoded(int[] ids, String[] pieces) {}

    /**
     * Cuts a text into pieces. Lone surrogates count as {@code ?}.
     *
     * @throws IllegalArgumentException if it has more than {@value #MAX_CHARS} chars
     * @throws IllegalStateException after close
     */
    Encoded encode(String text, int unkId) {
        if (text.length() > MAX_CHARS) {
            throw new IllegalArgumentException("text of " + text.length() + " chars, at most " + MAX_CHARS
                    + " can be encoded at once: cut it into sentences");
        }
        lock.readLock().lock();
        try {
            if (handle == 0) {
                throw new IllegalStateException("the tokenizer is closed");
            }
            int[] ids = SentencePieceLibrary.LIB.encode(handle, text);
            for (int id : ids) {
                if (id == unkId) {
                    return new Encoded(ids, SentencePieceLibrary.LIB.tokenize(handle, text));
                }
            }
            return new Encoded(ids, new String[0]);
        } finally {
            lock.readLock().unlock();
        }
    }

    /** Frees the processor, once. */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (handle != 0) {
                SentencePieceLibrary.LIB.deleteSentencePieceProcessor(handle);
                handle = 0;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
