package dev.gatun.model.text;

import dev.gatun.model.weights.ModelFormatException;
import java.util.regex.Pattern;

/** A tokenizer.json on either side of an encoder-decoder. */
final class TokenizerJsonTarget implements TargetTokenizer {
    /** {@code de_DE} of mBART, {@code deu_Latn} of NLLB. */
    private static final Pattern LANGUAGE = Pattern.compile("[a-z]{2,3}_[A-Z][A-Za-z]{1,3}");

    private final HuggingFaceTokenizer tokenizer;
    private final int vocab;

    TokenizerJsonTarget(HuggingFaceTokenizer tokenizer, int vocab) {
        this.tokenizer = tokenizer;
        this.vocab = vocab;
    }

    @Override
    public int[] encode(String text) {
        int[] ids = tokenizer.encodeIds(text);
        for (int id : ids) {
            if (id < 0 || id >= vocab) {
                throw new ModelFormatException("the tokenizer gives the id " + id + ", the model's embedding has "
                        + vocab + " rows: tokenizer.json and weights do not belong together");
            }
        }
        return ids;
    }

    @Override
    public String decode(int... ids) {
        return tokenizer.decode(ids);
    }

    @Override
    public int languageId(String code) {
        int[] ids = tokenizer.encodeIds(code, false);
        if (ids.length != 1
                || ids[0] >= vocab
                || !isLanguage(ids[0])
                || !spelled(ids[0]).equals(code)) {
            throw new IllegalArgumentException(
                    "language " + code + ": the model's vocabulary has no such code; codes look like de_DE");
        }
        return ids[0];
    }

    @Override
    public boolean isLanguage(int id) {
        return LANGUAGE.matcher(spelled(id)).matches();
    }

    @Override
    public String sourceToken(int id) {
        return tokenizer.decodeAll(id);
    }

    @Override
    public String targetToken(int id) {
        return tokenizer.decodeAll(id);
    }

    private String spelled(int id) {
        return tokenizer.decodeAll(id).strip();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
