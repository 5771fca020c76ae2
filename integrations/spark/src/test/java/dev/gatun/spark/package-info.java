/** Columns of texts on a cluster of two worker processes of this machine, compared with what one process computes. */
@NullMarked
package dev.gatun.spark;

import org.jspecify.annotations.NullMarked;
