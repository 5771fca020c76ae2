/** The command line as one jar, which {@code java -jar} runs without options and without a warning. */
@NullMarked
package dev.gatun.image;

import org.jspecify.annotations.NullMarked;
