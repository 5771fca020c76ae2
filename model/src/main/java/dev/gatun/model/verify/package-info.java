/** Recomputes what a reference implementation computed, and says how far off we are. */
@NullMarked
package dev.gatun.model.verify;

import org.jspecify.annotations.NullMarked;
