package dev.gatun.model.decoder;

/**
 * Sizes of a decoder-only model.
 *
 * @param dModel width of the residual stream
 * @param nLayers layers
 * @param vocab ids are 0 to vocab - 1
 * @param nPositions tokens that a sequence may have at most
 */
public record DecoderConfig(int dModel, int nLayers, int vocab, int nPositions) {}
