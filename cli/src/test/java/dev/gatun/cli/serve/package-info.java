/** The server as its clients see it: OpenAI's own, and some that behave badly. */
@NullMarked
package dev.gatun.cli.serve;

import org.jspecify.annotations.NullMarked;
