/** Marian's translation models as Hugging Face publishes them (OPUS-MT). */
@NullMarked
package dev.gatun.model.marian;

import org.jspecify.annotations.NullMarked;
