/** Tests of text to ids and back. */
@NullMarked
package dev.gatun.model.text;

import org.jspecify.annotations.NullMarked;
