/**
 * Gatun's models behind Spring AI's interfaces, in process. An adapter owns nothing: whoever opened the model closes it, after the last
 * call. There is no auto-configuration: a bean is one line.
 */
@NullMarked
package dev.gatun.springai;

import org.jspecify.annotations.NullMarked;
