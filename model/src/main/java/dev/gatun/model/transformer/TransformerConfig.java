package dev.gatun.model.transformer;

/**
 * The sizes of an encoder-decoder.
 *
 * @param dModel width of the residual stream
 * @param encoderHeads attention heads of each encoder layer
 * @param decoderHeads attention heads of each decoder layer
 * @param encoderHeadDim size of an encoder's head
 * @param decoderHeadDim size of a decoder's head
 * @param vocab ids of a target are 0 to vocab - 1
 * @param nSource tokens that a source may have at most
 * @param nTarget tokens that a target may have at most, its start included
 */
public record TransformerConfig(
        int dModel,
        int encoderHeads,
        int decoderHeads,
        int encoderHeadDim,
        int decoderHeadDim,
        int vocab,
        int nSource,
        int nTarget) {
    /**
     * The usual sizes: heads share dModel.
     *
     * @param nPositions of sources and of targets
     * @throws IllegalArgumentException if they do not divide it
     */
    public static TransformerConfig of(int dModel, int encoderHeads, int decoderHeads, int vocab, int nPositions) {
        if (dModel % encoderHeads != 0 || dModel % decoderHeads != 0) {
            throw new IllegalArgumentException("dModel " + dModel + " is not a multiple of the encoder's "
                    + encoderHeads + " and the decoder's " + decoderHeads + " heads");
        }
        return new TransformerConfig(
                dModel,
                encoderHeads,
                decoderHeads,
                dModel / encoderHeads,
                dModel / decoderHeads,
                vocab,
                nPositions,
                nPositions);
    }

    /** These sizes with targets of other lengths than sources. */
    public TransformerConfig withTargets(int newTarget) {
        return new TransformerConfig(
                dModel, encoderHeads, decoderHeads, encoderHeadDim, decoderHeadDim, vocab, nSource, newTarget);
    }

    /** Width of an encoder layer's queries, keys and values. */
    int encoderWidth() {
        return encoderHeads * encoderHeadDim;
    }

    /** Width of a decoder layer's. */
    int decoderWidth() {
        return decoderHeads * decoderHeadDim;
    }
}
