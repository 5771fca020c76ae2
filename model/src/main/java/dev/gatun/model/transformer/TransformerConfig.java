package dev.gatun.model.transformer;

import dev.gatun.model.nn.SinusoidalPositions;
import dev.gatun.ops.Activation;

/**
 * The sizes and choices of an encoder-decoder.
 *
 * @param dModel width of the residual stream
 * @param encoderHeads attention heads of each encoder layer; divides dModel
 * @param decoderHeads attention heads of each decoder layer; divides dModel
 * @param encoderLayers number of encoder layers
 * @param decoderLayers number of decoder layers
 * @param encoderFf inner width of the encoder's feed-forward networks
 * @param decoderFf inner width of the decoder's
 * @param vocab ids are 0 to vocab - 1
 * @param nPositions tokens that a source, and a target, may have at most
 * @param activation of the feed-forward networks
 * @param normFirst pre-norm x + f(norm(x)) as in GPT, else post-norm norm(x + f(x)) as in the paper
 * @param positions layout of the sinusoidal positions
 */
public record TransformerConfig(
        int dModel,
        int encoderHeads,
        int decoderHeads,
        int encoderLayers,
        int decoderLayers,
        int encoderFf,
        int decoderFf,
        int vocab,
        int nPositions,
        Activation activation,
        boolean normFirst,
        SinusoidalPositions.Layout positions) {
    /**
     * Checks that heads divide dModel.
     *
     * @throws IllegalArgumentException if they do not
     */
    public TransformerConfig {
        if (dModel % encoderHeads != 0 || dModel % decoderHeads != 0) {
            throw new IllegalArgumentException("dModel " + dModel + " is not a multiple of the encoder's "
                    + encoderHeads + " and the decoder's " + decoderHeads + " heads");
        }
    }
}
