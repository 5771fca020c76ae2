package dev.gatun.model.text;

import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import java.io.IOException;

/** What an encoder-decoder needs of a tokenizer: texts to ids with their special tokens, and ids back to text without. */
public interface TargetTokenizer extends AutoCloseable {
    /**
     * The ids of a source text, special tokens included.
     *
     * @throws IllegalArgumentException if the text is longer than the tokenizer takes
     */
    int[] encode(String text);

    /**
     * The text of ids that a model produced; special tokens are left out.
     *
     * @throws IllegalArgumentException if an id is not in the vocabulary
     */
    String decode(int... ids);

    /**
     * The id of a language's code, as multilingual models have it among their special tokens: {@code de_DE}.
     *
     * @throws IllegalArgumentException if the vocabulary has no such code
     */
    default int languageId(String code) {
        throw new IllegalArgumentException("language " + code + ": the model's vocabulary has no codes of languages");
    }

    /** Whether an id is the code of a language. */
    default boolean isLanguage(int id) {
        return false;
    }

    /** How the vocabulary of sources spells an id; empty if it does not have it. */
    String sourceToken(int id);

    /** How the vocabulary of targets spells an id; empty if it does not have it. */
    String targetToken(int id);

    @Override
    void close();

    /**
     * Opens what a folder has: {@code source.spm}, {@code target.spm}, {@code vocab.json} and where targets have a vocabulary of their own
     * {@code target_vocab.json}; or a tokenizer.json.
     *
     * @param sourceVocab ids that the model knows in sources
     * @param targetVocab ids that it knows in targets
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if a file breaks its format, or has ids that the model does not know
     * @throws TokenizerUnavailableException if a native library cannot be loaded
     */
    static TargetTokenizer open(ModelFolder folder, int sourceVocab, int targetVocab) throws IOException {
        if (folder.has(HuggingFaceTokenizer.FILE) && !folder.has(MarianTokenizer.SOURCE)) {
            return new TokenizerJsonTarget(
                    HuggingFaceTokenizer.open(folder, HuggingFaceTokenizer.MAX_CHARS), sourceVocab);
        }
        if (folder.has("spiece.model") || folder.has("sentencepiece.bpe.model")) {
            throw new ModelFormatException(folder.name() + ": has a SentencePiece model but no "
                    + HuggingFaceTokenizer.FILE + "; save one with transformers' AutoTokenizer");
        }
        MarianTokenizer tokenizer = MarianTokenizer.open(folder);
        try {
            tokenizer.checkSizes(sourceVocab, targetVocab);
            return tokenizer;
        } catch (ModelFormatException e) {
            tokenizer.close();
            throw e;
        }
    }
}
