/**
 * Encoders: one stack of layers for all of them ({@link dev.gatun.model.encoder.Encoder}), a file for each family that says what
 * its checkpoint calls the parts, and sessions that compute packed batches without padding.
 */
@NullMarked
package dev.gatun.model.encoder;

import org.jspecify.annotations.NullMarked;
