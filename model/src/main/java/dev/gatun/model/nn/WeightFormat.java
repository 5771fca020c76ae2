package dev.gatun.model.nn;

/** What the weights of linear layers are kept in; smaller ones are read faster and say less. */
public enum WeightFormat {
    /** As the files have them. */
    AS_STORED,
    /** 16 bits: the upper half of a float, rounded to nearest. */
    BF16,
    /** 8 bits and a scale for 32 weights. */
    Q8_0,
    /** 4 bits and a scale for 32 weights; the projection to the vocabulary in 8 bits, as it costs most to get wrong. */
    Q4_0
}
