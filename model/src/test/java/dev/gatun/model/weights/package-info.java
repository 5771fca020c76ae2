/** Tests of weights and settings, most of them on files that break the rules. */
@NullMarked
package dev.gatun.model.weights;

import org.jspecify.annotations.NullMarked;
