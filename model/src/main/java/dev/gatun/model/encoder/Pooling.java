package dev.gatun.model.encoder;

/** How the hidden states of a sequence become one vector: the modes of sentence-transformers, in its order. */
public enum Pooling {
    /** The first token. */
    CLS,
    /** The largest of each element. */
    MAX,
    /** The mean over the tokens. */
    MEAN,
    /** The sum over the tokens, divided by the square root of their number. */
    MEAN_SQRT_LENGTH,
    /** The mean with weight t for the t-th token, counted from 1. */
    WEIGHTED_MEAN,
    /** The last token. */
    LAST
}
