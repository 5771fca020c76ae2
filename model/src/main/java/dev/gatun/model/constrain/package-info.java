/** What a text may be: regular expressions and JSON schemas, as masks over a vocabulary. */
@NullMarked
package dev.gatun.model.constrain;

import org.jspecify.annotations.NullMarked;
