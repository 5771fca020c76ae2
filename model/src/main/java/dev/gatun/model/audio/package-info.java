/** Sound: files to samples, samples to the spectrograms that models read. */
@NullMarked
package dev.gatun.model.audio;

import org.jspecify.annotations.NullMarked;
