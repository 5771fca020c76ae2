/**
 * Text to ids and back. Tokenizers are whatever a model's folder has; SentencePiece runs through its own library (JNI, from {@code
 * ai.djl.sentencepiece}), which trusts its files: they are checked here before it sees them.
 */
@NullMarked
package dev.gatun.model.text;

import org.jspecify.annotations.NullMarked;
