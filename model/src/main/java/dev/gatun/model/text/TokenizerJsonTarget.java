package dev.gatun.model.text;

import dev.gatun.model.weights.ModelFormatException;

/** A tokenizer.json on either side of an encoder-decoder. */
final class TokenizerJsonTarget implements TargetTokenizer {
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
    public void close() {
        tokenizer.close();
    }
}
