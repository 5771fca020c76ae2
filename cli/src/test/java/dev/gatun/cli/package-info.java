/** Tests of the command line, most of them in this JVM through {@link dev.gatun.cli.Main#run}. */
@NullMarked
package dev.gatun.cli;

import org.jspecify.annotations.NullMarked;
