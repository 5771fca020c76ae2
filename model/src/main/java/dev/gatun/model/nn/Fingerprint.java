package dev.gatun.model.nn;

import dev.gatun.model.weights.Sha256;

/**
 * What a saved sequence belongs to.
 *
 * @param model SHA-256 of settings and weights, in hexadecimal
 * @param tokenizer SHA-256 of what makes ids of texts, in hexadecimal; of nothing where ids come from elsewhere
 */
public record Fingerprint(String model, String tokenizer) {
    /** Checks their form. */
    public Fingerprint {
        if (!isHex(model) || !isHex(tokenizer)) {
            throw new IllegalArgumentException("fingerprint of " + model + " and " + tokenizer + ": no SHA-256");
        }
    }

    private static boolean isHex(String text) {
        return text.matches("[0-9a-f]{" + Sha256.DIGITS + "}");
    }

    /** Of a model whose ids do not come from a tokenizer. */
    public static Fingerprint of(String model) {
        return new Fingerprint(model, Sha256.of(""));
    }
}
