/** Adapters under Spring AI's own classes, on small models of this repository. */
@NullMarked
package dev.gatun.springai;

import org.jspecify.annotations.NullMarked;
