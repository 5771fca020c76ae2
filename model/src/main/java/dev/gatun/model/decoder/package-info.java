/** Decoder-only models (GPT-2, Llama and their children): one stack of layers, one session, and a short file a family. */
@NullMarked
package dev.gatun.model.decoder;

import org.jspecify.annotations.NullMarked;
