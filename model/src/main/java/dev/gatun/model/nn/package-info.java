/**
 * The parts that Transformers are made of, each in one place: projections, norms, attention, feed-forward, embeddings,
 * positions, the key/value cache. A part holds weights and is immutable; activations and caches belong to a session and are
 * passed in. Letters: B batch, T new tokens, S cached keys, D dModel, H heads, V vocabulary.
 */
@NullMarked
package dev.gatun.model.nn;

import org.jspecify.annotations.NullMarked;
