package dev.gatun.model.encoder;

import dev.gatun.ops.Activation;

/**
 * The sizes of an encoder.
 *
 * @param dModel width of the residual stream
 * @param nHeads attention heads of each layer; divides dModel
 * @param nLayers layers, those that share their weights counted each time
 * @param dFf inner width of the feed-forward networks
 * @param vocab token ids are 0 to vocab - 1; 0 for images
 * @param nPositions tokens that a sequence may have at most; of an image, patches and class tokens
 * @param activation of the feed-forward networks
 * @param epsilon of the layer norms
 */
public record EncoderConfig(
        int dModel, int nHeads, int nLayers, int dFf, int vocab, int nPositions, Activation activation, float epsilon) {
    /**
     * Checks the sizes.
     *
     * @throws IllegalArgumentException if heads do not divide dModel, or there are no positions
     */
    public EncoderConfig {
        if (dModel % nHeads != 0) {
            throw new IllegalArgumentException("hidden size " + dModel + " is not a multiple of " + nHeads + " heads");
        }
        if (nPositions < 1) {
            throw new IllegalArgumentException("no position is left for a token: " + nPositions);
        }
    }

    /** Width of a head. */
    public int headDim() {
        return dModel / nHeads;
    }
}
