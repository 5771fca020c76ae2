/** Tests of sound. */
@NullMarked
package dev.gatun.model.audio;

import org.jspecify.annotations.NullMarked;
