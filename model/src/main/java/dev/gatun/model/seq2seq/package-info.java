/** Encoder-decoders that people have, a short file a family: config.json and tensor names to one {@code Transformer}. */
@NullMarked
package dev.gatun.model.seq2seq;

import org.jspecify.annotations.NullMarked;
