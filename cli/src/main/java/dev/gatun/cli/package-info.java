/**
 * The command line: {@link dev.gatun.cli.Main} starts it, and each command is a class named after it. Results go to stdout, in UTF-8
 * and with {@code \n} on every system; all else goes to stderr. A command ends with 0 (done), 1 (a check failed) or 2 (bad use or
 * bad input: one line says what is wrong and where).
 *
 * <p>A start has to be fast, so only the command that is named is set up, and it loads nothing that it does not need.
 */
@NullMarked
package dev.gatun.cli;

import org.jspecify.annotations.NullMarked;
