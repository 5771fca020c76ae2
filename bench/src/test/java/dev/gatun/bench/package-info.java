/** Tests of what the benchmarks say, and smoke runs of all of them. */
@NullMarked
package dev.gatun.bench;

import org.jspecify.annotations.NullMarked;
