/** The Transformer of "Attention Is All You Need" (Vaswani et al. 2017): encoder, decoder, and a session that runs them. */
@NullMarked
package dev.gatun.model.transformer;

import org.jspecify.annotations.NullMarked;
